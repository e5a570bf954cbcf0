"""From a name to a model and its tokenizer: local, shipped or from the hub; safetensors only, and never remote code.

A model's files are data, and may be hostile. What they can ask transformers for beyond weights (code beside them,
kernels from the hub, pickled shards, files elsewhere) is refused, not run.
"""

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from steelyard.core import SteelyardError, require, suggest
from steelyard.policy.native_loader import INDEX, read_model
from steelyard.policy.tokenizer import read_tokenizer

SHIPPED = Path(__file__).parent / "base"
ATTENTION = (None, "eager", "sdpa")
"""What config.json may choose; other names can fetch code from the hub."""
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NO_ENCODERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForSequenceClassification")
"""Ends of the names of networks that write text or give scores: their hidden states are no embeddings."""
_PREFIX = "steelyard/"


@contextmanager
def quiet() -> Iterator[None]:
    """Transformers, where it is in use, without its progress bars and reports; what matters is raised as an error."""
    if "transformers" not in sys.modules:
        yield
        return
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    bars = logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def shipped() -> list[str]:
    """Names of the models that come with the package, such as `steelyard/arithmetic`."""
    return sorted(_PREFIX + path.parent.name for path in SHIPPED.glob("*/config.json"))


def locate(model: str) -> tuple[str, bool]:
    """Where `model` is, and whether it is on this machine: a directory, a shipped name, or else a hub id.

    Raises:
        SteelyardError: no such shipped model or directory, or a directory that holds no safetensors model.
    """
    if model.startswith(_PREFIX):
        require(model in shipped(), f"no model {model!r} is shipped", where="model", hint=suggest(model, shipped()))
        return str(SHIPPED / model.removeprefix(_PREFIX)), True
    path = Path(model).expanduser()
    # A hub id is OWNER/NAME. Anything else that is not here is a slip, and must not go looking on the network.
    looks_local = model.startswith((".", "~", os.sep)) or model.count("/") != 1
    if not path.exists() and not looks_local:
        return model, False
    hint = "give a directory that save_pretrained wrote"
    require(path.is_dir() and bool(model.strip()), f"no such directory: {model!r}", where="model", hint=hint)
    require((path / "config.json").is_file(), f"{model} holds no model (no config.json)", where="model", hint=hint)
    require(
        any(path.glob("*.safetensors")),
        f"{model} holds no safetensors weights, and pickled ones are never loaded",
        where="model",
        hint="save it again with save_pretrained",
    )
    return str(path), True


def read(model: str, dtype: str, *, empty: bool = False) -> tuple[Any, Any]:
    """The model and the tokenizer that `model` names, as `load`, but without transformers where we can do without it.

    Raises:
        SteelyardError: as for `load`.
    """
    _check_dtype(dtype)
    place, local = locate(model)
    net = read_model(Path(place), DTYPES[dtype], empty=empty) if local else None
    if net is None:
        return load(model, dtype, empty=empty)
    tokenizer = load_tokenizer(model)
    _check_finite(net, model)
    _check_vocabulary(net, tokenizer, model)
    return net, tokenizer


def load(model: str, dtype: str, *, empty: bool = False) -> tuple[Any, Any]:
    """The causal language model and the tokenizer that `model` names, on the CPU and in eval mode, by transformers.

    With `empty`, here and below, the network has shapes and no numbers: it lies on the `meta` device and takes no
    memory, and what its numbers would have to be is not checked.

    Raises:
        SteelyardError: nothing of that name, or files that are missing, damaged, incomplete or of another kind.
    """
    net, tokenizer, report = _open("AutoModelForCausalLM", model, dtype, empty)
    scores = any(name.endswith("ForSequenceClassification") for name in net.config.architectures or ())
    require(not scores, f"{model} gives scores and writes no text", where="model", hint="name a language model")
    _check_report(report, model)
    _check_finite(net, model)
    _check_vocabulary(net, tokenizer, model)
    if not empty:
        _check_head(net, model)
    return net, tokenizer


def load_scorer(model: str, dtype: str, *, empty: bool = False) -> tuple[Any, Any, list[str]]:
    """A network that gives a text one number (one label), its tokenizer, and the names of weights that it lacks.

    What a language model lacks is the head: those weights are drawn at random.

    Raises:
        SteelyardError: as for `load`.
    """
    net, tokenizer, report = _open("AutoModelForSequenceClassification", model, dtype, empty, num_labels=1)
    missing = sorted(report["missing_keys"])
    _check_report(report | {"missing_keys": [n for n in missing if n.startswith(f"{net.base_model_prefix}.")]}, model)
    _check_finite(net, model)
    _check_vocabulary(net, tokenizer, model)
    return net, tokenizer, missing


def load_classifier(model: str, dtype: str, *, empty: bool = False) -> tuple[Any, Any]:
    """A network that gives a text a number for each label, its head included, and its tokenizer.

    Raises:
        SteelyardError: as for `load`.
    """
    net, tokenizer, report = _open("AutoModelForSequenceClassification", model, dtype, empty)
    _check_report(report, model)
    _check_finite(net, model)
    return net, tokenizer


def load_encoder(model: str, dtype: str, *, empty: bool = False) -> tuple[Any, Any]:
    """A network that gives a text a hidden state for each token, without a head, and its tokenizer, which pads.

    A pooler may be missing: it reads the states and changes none.

    Raises:
        SteelyardError: as for `load`.
    """
    net, tokenizer, report = _open("AutoModel", model, dtype, empty)
    others = [name for name in net.config.architectures or () if name.endswith(NO_ENCODERS)]
    encodes = not others and not net.config.is_encoder_decoder and hasattr(net.config, "hidden_size")
    require(
        encodes,
        f"{model} is no encoder of sentences ({', '.join(others) or net.config.model_type})",
        where="model",
        hint="name one, such as sentence-transformers/all-MiniLM-L6-v2",
    )
    _check_report(report | {"missing_keys": [n for n in report["missing_keys"] if not n.startswith("pooler.")]}, model)
    _check_finite(net, model)
    _check_vocabulary(net, tokenizer, model)
    require(
        tokenizer.pad_token is not None,
        f"the tokenizer of {model} has no padding token",
        where="model",
        hint="save the tokenizer that the model was trained with",
    )
    return net, tokenizer


def _open(kind: str, model: str, dtype: str, empty: bool, **settings: Any) -> tuple[Any, Any, Any]:
    """The network, by the class of transformers that `kind` names, the tokenizer, and the report on its weights."""
    _check_dtype(dtype)
    place, local = locate(model)
    import transformers

    options = {"trust_remote_code": False, "local_files_only": local}

    def network() -> Any:
        config = transformers.AutoConfig.from_pretrained(place, **settings, **options)
        _check_config(config, model)
        _check_shards(place, local, model)
        form = {"dtype": DTYPES[dtype], "use_safetensors": True, "output_loading_info": True}
        form |= {"device_map": "meta"} if empty else {}
        # Other sizes are ignored here because the report names them, and the exception does not.
        return getattr(transformers, kind).from_pretrained(
            place, config=config, ignore_mismatched_sizes=True, **form, **options
        )

    with quiet():
        net, report = _read("model", model, local, network)
        tokenizer = _read(
            "tokenizer", model, local, lambda: transformers.AutoTokenizer.from_pretrained(place, **options)
        )
    return net.eval(), tokenizer, report


def load_tokenizer(model: str) -> Any:
    """The tokenizer alone, of a model that is on this machine.

    Raises:
        SteelyardError: nothing of that name, or damaged files.
    """
    place, _ = locate(model)
    if (bare := read_tokenizer(Path(place))) is not None:
        return bare
    from transformers import AutoTokenizer

    options = {"trust_remote_code": False, "local_files_only": True}
    with quiet():
        return _read("tokenizer", model, True, lambda: AutoTokenizer.from_pretrained(place, **options))


def _check_dtype(dtype: str) -> None:
    require(dtype in DTYPES, f"unknown dtype {dtype!r}", where="dtype", hint=suggest(dtype, DTYPES))


def _read(what: str, model: str, local: bool, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except SteelyardError:
        raise
    except Exception as error:  # transformers raises whatever the files make it raise; it is shown
        raise _broken(what, model, local, error) from error


def _check_config(config: Any, model: str) -> None:
    """Refuse a config.json that asks for more than an architecture."""
    attention = config._attn_implementation
    hint = "take its key attn_implementation out of config.json"
    require(
        attention in ATTENTION,
        f"{model} asks for the attention {attention!r}, which may be code from the hub",
        where="model",
        hint=hint,
    )
    require(
        getattr(config, "quantization_config", None) is None,
        f"{model} is quantised",
        where="model",
        hint="take the model in float32, bfloat16 or float16",
    )


def _check_shards(place: str, local: bool, model: str) -> None:
    """Refuse an index that names anything but safetensors files beside it."""
    from transformers.utils.hub import cached_file

    index = cached_file(
        place,
        INDEX,
        local_files_only=local,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
    )
    if index is None:
        return
    for name in set(json.loads(Path(index).read_text(encoding="utf-8"))["weight_map"].values()):
        plain = name == Path(name).name and name.endswith(".safetensors")
        require(plain, f"{INDEX} of {model} names {name!r}", where="model", hint="save the model again, as safetensors")


def _broken(what: str, model: str, local: bool, error: Exception) -> SteelyardError:
    reason = _first_words(str(error)) or type(error).__name__
    hint = f"it is no directory here, so it was taken for a hub id: check {model!r} and the network"
    if local:
        hint = f"give a directory that holds a whole {what}, as save_pretrained writes it"
    return SteelyardError(f"no {what} can be loaded from {model} ({reason})", where="model", hint=hint)


def _first_words(message: str) -> str:
    """The first line, and the second where the first only leads up to it: what follows is advice for other programs."""
    lines = [line.strip() for line in message.strip().splitlines()[:2]]
    return textwrap.shorten(" ".join(lines if lines[:1] and lines[0].endswith(":") else lines[:1]), 300)


def _check_report(report: Any, model: str) -> None:
    """Refuse weights that are not those of the config: transformers would draw what is missing at random."""
    for name, found, expected in sorted(report["mismatched_keys"]):
        what = f"{name} of {model} is {[*found]}, and its config.json says {[*expected]}"
        raise SteelyardError(what, where="model", hint="save weights and config.json again, together")
    missing = sorted(report["missing_keys"])
    require(
        not missing,
        f"{model} lacks {len(missing)} of its weights, such as {''.join(missing[:1])}",
        where="model",
        hint="save the model again, whole",
    )


def _check_finite(net: Any, model: str) -> None:
    for name, weight in net.named_parameters():
        finite = weight.is_meta or bool(weight.isfinite().all())
        require(
            finite,
            f"{name} of {model} holds numbers that are not finite",
            where="model",
            hint="take an earlier checkpoint of it",
        )


def _check_vocabulary(net: Any, tokenizer: Any, model: str) -> None:
    vocabulary = tokenizer.get_vocab()
    require(bool(vocabulary), f"{model} has an empty tokenizer", where="model", hint="save its tokenizer beside it")
    highest = max(vocabulary.values())
    rows = net.get_input_embeddings().weight.shape[0]
    require(
        highest < rows,
        f"the tokenizer of {model} has ids up to {highest}, but the model only {rows} embeddings",
        where="model",
        hint="save the tokenizer that the model was trained with",
    )


@torch.no_grad()
def _check_head(net: Any, model: str) -> None:
    """Refuse models whose logits are not just head(backbone(tokens)), such as soft-capped or scaled ones.

    The head is made to answer with a steep ramp: a soft cap bends it even where the model's own logits are small.
    """
    backbone = net.base_model
    head = net.get_output_embeddings()
    tokens = torch.zeros(1, 4, dtype=torch.long)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def ramp(_: Any, inputs: tuple[torch.Tensor, ...], logits: torch.Tensor) -> torch.Tensor:
        steep = torch.linspace(-100, 100, logits.numel(), dtype=logits.dtype).view_as(logits)
        seen.append((inputs[0], steep))
        return steep

    if head is not None and backbone is not net:
        with head.register_forward_hook(ramp):
            logits = net(input_ids=tokens, use_cache=False).logits
        hidden = backbone(input_ids=tokens, use_cache=False)[0]
        if len(seen) == 1 and torch.equal(logits.float(), seen[0][1].float()) and torch.equal(hidden, seen[0][0]):
            return
    raise SteelyardError(
        f"logits of {model} are not head(backbone(tokens)) (soft-capped or scaled?)",
        where="model",
        hint="take a model with a plain linear head, as Llama, Qwen3, GPT-2, GPT-NeoX",
    )
