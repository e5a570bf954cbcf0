"""A model of the family in `architecture.py`, read from its directory by safetensors alone, without transformers.

Only what is known through and through is read here. An unknown key in config.json, a tensor too many or too few or of
another shape, an adapter, an odd index, a damaged file: each makes it None, and transformers loads it or says why not.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import torch
from torch import nn

from steelyard.policy.architecture import Architecture, architecture_of
from steelyard.policy.decoder import Decoder, TiedHead

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
GENERATION = "generation_config.json"
ADAPTER = "adapter_config.json"

Count = Annotated[int, msgspec.Meta(ge=1)]
Id = Annotated[int, msgspec.Meta(ge=0)]
Ids = Id | list[Id] | None
Dtype = Literal["float32", "bfloat16", "float16"] | None
Number = float | int | None


class Rope(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The rotary rule's keys in config.json; `architecture_of` reads them."""

    rope_type: str | None = None
    type: str | None = None
    rope_theta: Number = None
    factor: Number = None
    low_freq_factor: Number = None
    high_freq_factor: Number = None
    original_max_position_embeddings: Count | None = None


class Config(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """Every key of config.json whose meaning is known here, with its type."""

    model_type: Literal["llama", "qwen2", "qwen3", "mistral"]
    hidden_act: Literal["silu"]
    vocab_size: Count
    hidden_size: Count
    intermediate_size: Count
    num_hidden_layers: Count
    num_attention_heads: Count
    num_key_value_heads: Count
    max_position_embeddings: Count
    rms_norm_eps: float
    head_dim: Count | None = None
    attention_bias: bool = False
    attention_dropout: float = 0.0
    mlp_bias: bool = False
    tie_word_embeddings: bool = False
    rope_parameters: Rope | None = None
    rope_scaling: Rope | None = None
    rope_theta: Number = None
    sliding_window: int | None = None
    use_sliding_window: bool = False
    max_window_layers: int | None = None
    layer_types: list[str] | None = None
    pretraining_tp: int = 1
    bos_token_id: Ids = None
    eos_token_id: Ids = None
    pad_token_id: Id | None = None
    initializer_range: float = 0.0
    use_cache: bool = True
    dtype: Dtype = None
    torch_dtype: Dtype = None
    architectures: list[str] | None = None
    transformers_version: str | None = None
    name_or_path: str = msgspec.field(default="", name="_name_or_path")

    def to_dict(self) -> dict[str, Any]:
        """The keys that are not at their defaults, as in the file."""
        return msgspec.to_builtins(self)


class Generation(msgspec.Struct, forbid_unknown_fields=True):
    """The keys of generation_config.json that are known; only `eos_token_id` matters here."""

    eos_token_id: Ids = None
    bos_token_id: Ids = None
    pad_token_id: Ids = None
    do_sample: bool | None = None
    temperature: Number = None
    top_p: Number = None
    top_k: int | None = None
    repetition_penalty: Number = None
    max_length: int | None = None
    max_new_tokens: int | None = None
    use_cache: bool | None = None
    output_attentions: bool | None = None
    output_hidden_states: bool | None = None
    transformers_version: str | None = None
    from_model_config: bool | None = msgspec.field(default=None, name="_from_model_config")


class BareModel(Decoder):
    """A decoder with what `Policy` asks of a transformers model: settings, backbone, head, and a way to be saved.

    Args:
        architecture: its sizes.
        dtype: of its weights.
        place: the directory that it comes from.
        files: what its config.json, and its generation_config.json if it has one, hold.
    """

    def __init__(
        self, architecture: Architecture, dtype: torch.dtype, place: Path, files: Mapping[str, dict[str, Any]]
    ) -> None:
        super().__init__(architecture, dtype)
        self.name_or_path = str(place)
        self._files = files
        self.config = msgspec.convert(files[CONFIG], Config)
        # Without the file, transformers takes what config.json says.
        told = files.get(GENERATION, {"eos_token_id": self.config.eos_token_id})
        self.generation_config = msgspec.convert(told, Generation)

    @property
    def base_model(self) -> "BareModel":
        """The backbone."""
        return self

    def get_input_embeddings(self) -> nn.Embedding:
        """Tokens to hidden states."""
        return self.model.embed_tokens

    def get_output_embeddings(self) -> nn.Linear | TiedHead:
        """Hidden states to logits."""
        return self.head

    def save_pretrained(self, path: Path) -> None:
        """Write what `AutoModelForCausalLM.from_pretrained` loads, in place of a model that may be there."""
        from safetensors.torch import save_file

        path.mkdir(parents=True, exist_ok=True)
        for name in (INDEX, GENERATION):
            (path / name).unlink(missing_ok=True)
        dtype = str(self.get_input_embeddings().weight.dtype).removeprefix("torch.")
        config = {key: value for key, value in self._files[CONFIG].items() if key != "torch_dtype"}  # its older name
        files = {**self._files, CONFIG: config | {"dtype": dtype}}
        for name, data in files.items():
            (path / name).write_text(json.dumps(data, indent=2) + "\n", encoding="utf-8")
        tensors = {name: p.detach().cpu().contiguous() for name, p in self.named_parameters()}
        save_file(tensors, path / WEIGHTS, {"format": "pt"})


def read_model(place: Path, dtype: torch.dtype, *, empty: bool = False) -> BareModel | None:
    """The model in a directory, in eval mode on the CPU; None where anything about it is not known here.

    With `empty` it has shapes and no numbers: its files are looked at, and the weights not read.
    """
    from safetensors import SafetensorError

    names = [CONFIG, *([GENERATION] if (place / GENERATION).exists() else [])]
    files = {name: read_json(place / name) for name in names}
    kinds = {CONFIG: Config, GENERATION: Generation}
    if (place / ADAPTER).exists() or not all(known(data, kinds[name]) for name, data in files.items()):
        return None
    config = msgspec.convert(files[CONFIG], Config)
    architecture = architecture_of(files[CONFIG])
    if architecture is None or not _sound(config, architecture):
        return None
    try:
        with _tensors(place) as tensors:
            # The number first: shapes are listed layer by layer, for as many as config.json says.
            if len(tensors) < config.num_hidden_layers or not _fitting(tensors, architecture):
                return None
            with torch.device("meta") if empty else nullcontext():
                model = BareModel(architecture, dtype, place, files)
            if not empty:
                _fill(model, tensors)
    except (OSError, SafetensorError):
        return None
    return model.eval()


def read_json(path: Path) -> Any:
    """What a file of JSON holds; None where it holds none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def known(data: Any, kind: type[msgspec.Struct]) -> bool:
    """True where all that `data` says is among the fields of `kind`, and of their types."""
    try:
        msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError):
        return False
    return isinstance(data, dict)


def _sound(config: Config, a: Architecture) -> bool:
    """A causal model without sizes that contradict each other; transformers refuses others in its own words."""
    causal = all(name.endswith("ForCausalLM") for name in config.architectures or ())
    whole = a.hidden_size % a.num_heads == 0 and a.num_heads % a.num_kv_heads == 0 and a.head_dim % 2 == 0
    one_rule = config.rope_parameters is None or config.rope_scaling is None
    return causal and whole and one_rule and (config.pad_token_id or 0) < a.vocab_size


@contextmanager
def _tensors(place: Path) -> Iterator[dict[str, Any]]:
    """Name -> the open file that holds the tensor; empty where the files do not agree on what is where."""
    from safetensors import safe_open

    listed = _listed(place)
    with ExitStack() as stack:
        found: dict[str, Any] = {}
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
    """The index of a model in several files: name -> file. None where the model is one file; empty where it is odd."""
    if not (place / INDEX).exists():
        return None
    index = read_json(place / INDEX)
    listed = index.get("weight_map") if isinstance(index, dict) else None
    if (place / WEIGHTS).exists() or not isinstance(listed, dict):
        return {}
    plain = all(isinstance(f, str) and f == Path(f).name and f.endswith(".safetensors") for f in listed.values())
    return listed if plain else {}


def _fitting(tensors: Mapping[str, Any], architecture: Architecture) -> bool:
    shapes = architecture.shapes()
    if tensors.keys() != shapes.keys():
        return False
    slices = {name: handle.get_slice(name) for name, handle in tensors.items()}
    right = all(tuple(slices[name].get_shape()) == shape for name, shape in shapes.items())
    return right and all(slice.get_dtype() in ("F32", "F16", "BF16") for slice in slices.values())


@torch.no_grad()
def _fill(model: BareModel, tensors: Mapping[str, Any]) -> None:
    for name, parameter in model.named_parameters():
        parameter.copy_(tensors[name].get_tensor(name))
