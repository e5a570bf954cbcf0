"""Reads a model of the families of `steelyard.model.families` from its directory by safetensors, without transformers.

Only models that are understood completely are read here. An unknown key in config.json, a tensor too many, too few or
of another shape, an adapter, an unusual index, a damaged file: each makes the result None, and transformers then loads
the model or says why it cannot.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
import torch
from torch import nn

from steelyard.core.json import JsonObject
from steelyard.model import Architecture, Decoder, Mix, architecture_of
from steelyard.model.decoder import TiedHead
from steelyard.model.hf_config import with_attention, without_attention
from steelyard.model.key_value_cache import KeyValueCache
from steelyard.policy.native_config import Config, Generation, known, read_json

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
GENERATION = "generation_config.json"
ADAPTER = "adapter_config.json"


@runtime_checkable
class _Slice(Protocol):
    """What a safetensors file says of one tensor without reading it."""

    def get_shape(self) -> list[int]: ...
    def get_dtype(self) -> str: ...


@runtime_checkable
class _OpenFile(Protocol):
    """An open safetensors file."""

    def get_slice(self, name: str) -> _Slice: ...
    def get_tensor(self, name: str) -> torch.Tensor: ...


class NativeModel(Decoder):
    """A decoder with what `Policy` uses of a transformers model: settings, backbone, head, and a way to be saved.

    Args:
        architecture: its sizes.
        dtype: of its weights.
        place: the directory that it comes from.
        files: the contents of its config.json and, if it has one, its generation_config.json.
    """

    def __init__(
        self, architecture: Architecture, dtype: torch.dtype, place: Path, files: Mapping[str, JsonObject]
    ) -> None:
        super().__init__(architecture, dtype)
        self.name_or_path = str(place)
        self._files = files
        self.config = msgspec.convert(without_attention(files[CONFIG]), Config)
        # Without the file, transformers takes the ids of config.json.
        generation = files.get(GENERATION, {"eos_token_id": self.config.eos_token_id})
        self.generation_config = msgspec.convert(generation, Generation)

    @property
    def base_model(self) -> "NativeModel":
        """The backbone."""
        return self

    def get_input_embeddings(self) -> nn.Embedding:
        """Tokens to hidden states."""
        return self.model.embed_tokens

    def get_output_embeddings(self) -> nn.Linear | TiedHead:
        """Hidden states to logits."""
        return self.head

    def new_cache(self) -> KeyValueCache:
        """An empty cache for `forward`."""
        return KeyValueCache()

    def save_pretrained(self, path: Path) -> None:
        """Write the model, in place of one that may be there.

        `AutoModelForCausalLM.from_pretrained` loads it, unless its attention was chosen: transformers then refuses it.
        """
        from safetensors.torch import save_file

        path.mkdir(parents=True, exist_ok=True)
        for name in (INDEX, GENERATION):
            (path / name).unlink(missing_ok=True)
        dtype = str(self.get_input_embeddings().weight.dtype).removeprefix("torch.")
        config = {key: value for key, value in self._files[CONFIG].items() if key != "torch_dtype"}  # its older name
        files = {**self._files, CONFIG: self._with_attention(config) | {"dtype": dtype}}
        for name, data in files.items():
            (path / name).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        tensors = {name: p.detach().cpu().contiguous() for name, p in self.named_parameters()}
        save_file(tensors, path / WEIGHTS, {"format": "pt"})

    def _with_attention(self, config: JsonObject) -> JsonObject:
        """The config with the attention that was chosen, where that is not the one of the config itself."""
        own = architecture_of(without_attention(config))
        if own is not None and own.attention == self.architecture.attention:
            return dict(without_attention(config))
        return with_attention(config, self.architecture.attention[0])


def read_model(
    place: Path, dtype: torch.dtype, *, empty: bool = False, attention: Mix | None = None
) -> NativeModel | None:
    """The model in a directory, in eval mode on the CPU; None where anything about it is not known here.

    Args:
        place: the directory.
        dtype: of the weights.
        empty: give it shapes and no numbers: its files are checked and the weights are not read.
        attention: the variant of every layer, in place of the config's.

    Raises:
        SteelyardError: the attention variant is unknown or cannot use the model's heads.
    """
    from safetensors import SafetensorError

    names = [CONFIG, *([GENERATION] if (place / GENERATION).exists() else [])]
    files = {name: read_json(place / name) for name in names}
    kinds = {CONFIG: Config, GENERATION: Generation}
    if (place / ADAPTER).exists() or not isinstance(files[CONFIG], dict):
        return None
    family = {**files, CONFIG: without_attention(files[CONFIG])}
    if not all(known(data, kinds[name]) for name, data in family.items()):
        return None
    config = msgspec.convert(family[CONFIG], Config)
    architecture = architecture_of(files[CONFIG])
    if architecture is None or not _sound(config, architecture):
        return None
    if attention is not None:
        architecture = architecture.with_attention(attention)
    try:
        with _tensors(place) as tensors:
            # The count first: `shapes` lists as many layers as config.json says, which may be absurdly many.
            if len(tensors) < config.num_hidden_layers or not _fitting(tensors, architecture):
                return None
            with torch.device("meta") if empty else nullcontext():
                model = NativeModel(architecture, dtype, place, files)
            if not empty:
                _fill(model, tensors)
    except (OSError, SafetensorError):
        return None
    return model.eval()


def _sound(config: Config, a: Architecture) -> bool:
    """A causal model whose sizes agree with each other; transformers says what is wrong with any other."""
    causal = all(name.endswith("ForCausalLM") for name in config.architectures or ())
    whole = a.hidden_size % a.num_heads == 0 and a.num_heads % a.num_kv_heads == 0 and a.head_dim % 2 == 0
    turned = int(a.head_dim * a.rotary.share) % 2 == 0
    one_rule = config.rope_parameters is None or config.rope_scaling is None
    return causal and whole and turned and one_rule and (config.pad_token_id or 0) < a.vocab_size


@contextmanager
def _tensors(place: Path) -> Iterator[dict[str, _OpenFile]]:
    """Tensor name -> the open file that holds it; empty where the index and the files disagree."""
    from safetensors import safe_open

    listed = _listed(place)
    with ExitStack() as stack:
        found: dict[str, _OpenFile] = {}
        for file in sorted({*listed.values()}) if listed else [WEIGHTS]:
            handle = stack.enter_context(safe_open(place / file, "pt"))
            metadata = handle.metadata() or {}
            ours = {name: handle for name in handle.keys() if listed is None or listed.get(name) == file}  # noqa: SIM118
            if metadata.get("format") != "pt" or len(ours) != len(handle.keys()):
                found.clear()
                break
            found |= ours
        yield {} if listed is not None and found.keys() != listed.keys() else found


def _listed(place: Path) -> dict[str, str] | None:
    """The index of a sharded model, tensor name -> file; None for a model in one file, empty for an invalid index."""
    if not (place / INDEX).exists():
        return None
    index = read_json(place / INDEX)
    listed = index.get("weight_map") if isinstance(index, dict) else None
    if (place / WEIGHTS).exists() or not isinstance(listed, dict):
        return {}
    plain = all(isinstance(f, str) and f == Path(f).name and f.endswith(".safetensors") for f in listed.values())
    return listed if plain else {}


def _fitting(tensors: Mapping[str, _OpenFile], architecture: Architecture) -> bool:
    shapes = architecture.shapes()
    if tensors.keys() != shapes.keys():
        return False
    slices = {name: handle.get_slice(name) for name, handle in tensors.items()}
    right = all(tuple(slices[name].get_shape()) == shape for name, shape in shapes.items())
    return right and all(slice.get_dtype() in ("F32", "F16", "BF16") for slice in slices.values())


@torch.no_grad()
def _fill(model: NativeModel, tensors: Mapping[str, _OpenFile]) -> None:
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[name].get_tensor(name))
