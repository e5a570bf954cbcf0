"""From a name to a model and its tokenizer: a directory, a shipped name or a hub id.

Only safetensors weights are loaded, and no code is. A model's files may be hostile: whatever they ask of transformers
beyond weights (code beside them, kernels from the hub, pickled shards, files elsewhere) is refused.
"""

import os
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from steelyard.core import SteelyardError, require, suggest
from steelyard.model import Mix
from steelyard.policy import adapter_file
from steelyard.policy.load_checks import (
    DTYPES,
    check_causal,
    check_config,
    check_dtype,
    check_empty_head,
    check_finite,
    check_head,
    check_report,
    check_shards,
    check_vocabulary,
    check_writer,
)
from steelyard.policy.native_loader import read_model
from steelyard.policy.own_encoder import read_own_encoder
from steelyard.policy.text import Tokenizer
from steelyard.policy.tokenizer import read_tokenizer

SHIPPED = Path(__file__).parent / "base"
NO_ENCODERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForSequenceClassification")
"""Endings of class names of networks that write text or give scores: their hidden states are no embeddings."""
_PREFIX = "steelyard/"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the progress bars and reports of transformers, where it is imported; problems are raised as errors."""
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
    # A hub id is OWNER/NAME. Anything else that is not here is a typing error, and must not start a download.
    looks_local = model.startswith((".", "~", os.sep)) or model.count("/") != 1
    if not path.exists() and not looks_local:
        return model, False
    hint = "give a directory that save_pretrained wrote"
    require(path.is_dir() and bool(model.strip()), f"no such directory: {model!r}", where="model", hint=hint)
    if (path / adapter_file.CONFIG).is_file() and not (path / "config.json").is_file():
        hint = "name a merged model: a run's is its directory model/, and peft's merge_and_unload makes one"
        raise SteelyardError(f"{model} holds adapters and no model", where="model", hint=hint)
    require((path / "config.json").is_file(), f"{model} holds no model (no config.json)", where="model", hint=hint)
    require(
        any(path.glob("*.safetensors")),
        f"{model} holds no safetensors weights, and pickled ones are never loaded",
        where="model",
        hint="save it again with save_pretrained",
    )
    return str(path), True


def read(
    model: str, dtype: str, *, empty: bool = False, attention: Mix | None = None
) -> tuple[torch.nn.Module, Tokenizer]:
    """The model and the tokenizer that `model` names: natively where that is possible, else as by `load`.

    Args:
        model: a directory, a shipped name or a hub id.
        dtype: of the weights.
        empty: give the network shapes and no numbers.
        attention: the variant of every layer, in place of the model's own.

    Raises:
        SteelyardError: as for `load`, or an attention for a model that is not read natively.
    """
    check_dtype(dtype)
    place, local = locate(model)
    net = read_model(Path(place), DTYPES[dtype], empty=empty, attention=attention) if local else None
    if net is None:
        require_own_attention(attention)
        return load(model, dtype, empty=empty)
    tokenizer = load_tokenizer(model)
    check_finite(net, model)
    check_vocabulary(net, tokenizer, model)
    return net, tokenizer


def require_own_attention(attention: Mix | None) -> None:
    """Refuse a chosen attention for a model that transformers computes.

    Raises:
        SteelyardError: an attention was chosen.
    """
    require(
        attention is None,
        "can be chosen only for models of our own families (docs/models.md) in a directory, without LoRA",
        where="--attention",
        hint="leave it out, or save the model to a directory first",
    )


def load(model: str, dtype: str, *, empty: bool = False) -> tuple[torch.nn.Module, Tokenizer]:
    """The causal language model and the tokenizer that `model` names, on the CPU and in eval mode, by transformers.

    With `empty`, here and below, the network is on the `meta` device: it has shapes and no numbers, takes no memory,
    and checks of its numbers are skipped.

    Raises:
        SteelyardError: nothing of that name, or files that are missing, damaged, incomplete or of another kind.
    """
    _, local = locate(model)
    net, tokenizer, report = _open("AutoModelForCausalLM", model, dtype, empty)
    scores = any(name.endswith("ForSequenceClassification") for name in net.config.architectures or ())
    require(not scores, f"{model} gives scores and writes no text", where="model", hint="name a language model")
    check_writer(net, model)
    check_report(report, model)
    check_finite(net, model)
    check_vocabulary(net, tokenizer, model)
    if empty:
        check_empty_head(net, model)
    else:
        _read("model", model, local, lambda: _check_numbers(net, model))
    return net, tokenizer


def _check_numbers(net: Any, model: str) -> None:
    check_head(net, model)
    check_causal(net, model)


def load_scorer(model: str, dtype: str, *, empty: bool = False) -> tuple[torch.nn.Module, Tokenizer, list[str]]:
    """A network that gives a text one number (one label), its tokenizer, and the names of weights that it lacks.

    What a language model lacks is the head: those weights are drawn at random.

    Raises:
        SteelyardError: as for `load`.
    """
    return _new_headed(model, dtype, empty, num_labels=1)


def load_headless(model: str, dtype: str, labels: Sequence[str]) -> tuple[torch.nn.Module, Tokenizer, list[str]]:
    """A network that gives a text a number for each of these labels, otherwise as by `load_scorer`.

    Raises:
        SteelyardError: as for `load`.
    """
    names = {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}
    return _new_headed(model, dtype, False, **names)


def _new_headed(model: str, dtype: str, empty: bool, **settings: Any) -> tuple[torch.nn.Module, Tokenizer, list[str]]:
    kind = "AutoModelForSequenceClassification"
    net, tokenizer, report = _open(kind, model, dtype, empty, **settings)
    missing = sorted(report["missing_keys"])
    check_report(report | {"missing_keys": [n for n in missing if n.startswith(f"{net.base_model_prefix}.")]}, model)
    check_finite(net, model)
    check_vocabulary(net, tokenizer, model)
    return net, tokenizer, missing


def load_classifier(model: str, dtype: str, *, empty: bool = False) -> tuple[torch.nn.Module, Tokenizer]:
    """A network that gives a text a number for each label, its head included, and its tokenizer.

    Raises:
        SteelyardError: as for `load`.
    """
    own = _own_encoder(model, dtype, empty, head=True)
    if own is not None:
        return own
    net, tokenizer, report = _open("AutoModelForSequenceClassification", model, dtype, empty)
    writes = any(name.endswith(("ForCausalLM", "LMHeadModel")) for name in net.config.architectures or ())
    hint = "name a classifier, or the run of a guard"
    require(not writes, f"{model} writes text and has no head that rates one", where="model", hint=hint)
    check_report(report, model)
    check_finite(net, model)
    return net, tokenizer


def load_encoder(model: str, dtype: str, *, empty: bool = False) -> tuple[torch.nn.Module, Tokenizer]:
    """A network that gives a text a hidden state for each token, without a head, and its tokenizer, which pads.

    A pooler may be missing: it does not change the hidden states.

    Raises:
        SteelyardError: as for `load`.
    """
    own = _own_encoder(model, dtype, empty, head=False)
    net, tokenizer = own or _plain_encoder(model, dtype, empty)
    require(
        tokenizer.pad_token is not None,
        f"the tokenizer of {model} has no padding token",
        where="model",
        hint="save the tokenizer that the model was trained with",
    )
    return net, tokenizer


def _plain_encoder(model: str, dtype: str, empty: bool) -> tuple[Any, Any]:
    """An encoder of transformers, checked."""
    net, tokenizer, report = _open("AutoModel", model, dtype, empty)
    others = [name for name in net.config.architectures or () if name.endswith(NO_ENCODERS)]
    encodes = not others and not net.config.is_encoder_decoder and hasattr(net.config, "hidden_size")
    require(
        encodes,
        f"{model} is no encoder of sentences ({', '.join(others) or net.config.model_type})",
        where="model",
        hint="name one, such as sentence-transformers/all-MiniLM-L6-v2",
    )
    check_report(report | {"missing_keys": [n for n in report["missing_keys"] if not n.startswith("pooler.")]}, model)
    check_finite(net, model)
    check_vocabulary(net, tokenizer, model)
    return net, tokenizer


def _own_encoder(model: str, dtype: str, empty: bool, *, head: bool) -> tuple[Any, Any] | None:
    """An encoder of ours whose attention transformers does not have, checked; None for any other model."""
    check_dtype(dtype)
    place, local = locate(model)
    own = read_own_encoder(place, DTYPES[dtype], head=head, empty=empty) if local else None
    if own is not None:
        check_finite(own[0], model)
        check_vocabulary(*own, model)
    return own


def _open(kind: str, model: str, dtype: str, empty: bool, **settings: Any) -> tuple[Any, Any, Any]:
    """The network, by the class of transformers that `kind` names, the tokenizer, and the report on its weights."""
    check_dtype(dtype)
    place, local = locate(model)
    import transformers

    options = {"trust_remote_code": False, "local_files_only": local}

    def network() -> Any:
        config = transformers.AutoConfig.from_pretrained(place, **settings, **options)
        check_config(config, model)
        check_shards(place, local, model)
        form = {"dtype": DTYPES[dtype], "use_safetensors": True, "output_loading_info": True}
        form |= {"device_map": "meta"} if empty else {}
        # Mismatched sizes are not raised here, because the report names them and the exception does not.
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
    native = read_tokenizer(Path(place))
    if native is not None:
        return native
    from transformers import AutoTokenizer

    options = {"trust_remote_code": False, "local_files_only": True}
    with quiet():
        return _read("tokenizer", model, True, lambda: AutoTokenizer.from_pretrained(place, **options))


def _read(what: str, model: str, local: bool, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except SteelyardError:
        raise
    except Exception as error:  # damaged files make transformers raise anything; the reason is shown
        raise _broken(what, model, local, error) from error


def _broken(what: str, model: str, local: bool, error: Exception) -> SteelyardError:
    reason = _first_words(str(error)) or type(error).__name__
    hint = f"it is no directory here, so it was taken for a hub id: check {model!r} and the network"
    if local:
        hint = f"give a directory that holds a whole {what}, as save_pretrained writes it"
    return SteelyardError(f"no {what} can be loaded from {model} ({reason})", where="model", hint=hint)


def _first_words(message: str) -> str:
    """The first line, and the second if the first ends in a colon; what follows is advice for other programs."""
    lines = [line.strip() for line in message.strip().splitlines()[:2]]
    return textwrap.shorten(" ".join(lines if lines[:1] and lines[0].endswith(":") else lines[:1]), 300)
