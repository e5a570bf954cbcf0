"""A small bidirectional encoder with heads for masked language modelling and for classifying texts or tokens.

    x = norm(embed(tokens));  per layer  x = x + o(mix(rope(q), rope(k), v)),   q, k, v = W norm(x)
                                         x = x + W_o (gelu(a) * b),             a, b = W_i norm(x)
    h = final norm(x);   g = norm(gelu(W_d h))
    masked:    loss = mean over masked tokens of -log softmax(E g + c)[the token that was masked]
    sequence:  logits = W_c norm(gelu(W_d mean of h over the text)) + b_c;   token:  logits = W_c g + b_c

N rows, T tokens, D hidden size, V vocabulary, L labels. It is ModernBERT, with its parameters' names, so
`AutoModelForMaskedLM`, `AutoModelForSequenceClassification` and `AutoModelForTokenClassification` load what is saved.
With another attention (`steelyard.model.encoder_attention`) it is a model that transformers does not have: the saved
config then has `model_type` "steelyard", so that transformers refuses it and does not compute full attention with its
weights; `Encoder.load` and the classifiers of tasks and guards read it.
Sources: Devlin et al. 2018, arXiv:1810.04805 (the loss); Warner et al. 2024, arXiv:2412.13663 (the architecture).
Differs: weights are drawn from N(0, 0.02^2), without ModernBERT's depth-dependent scale and truncation.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu

from steelyard.core import SteelyardError, decode, encode, first_line, require
from steelyard.core.json import JsonMapping
from steelyard.model.attention_mask import AttentionMask
from steelyard.model.encoder_attention import Carried, EncoderAttention, EncoderMixing, LayerSizes, SelfAttention
from steelyard.model.hf_config import OWN_TYPE
from steelyard.model.positions import Rotary, Rotation, rotation_of

Head = Literal["masked", "sequence", "token"]
CLASSES: dict[Head, str] = {
    "masked": "ModernBertForMaskedLM",
    "sequence": "ModernBertForSequenceClassification",
    "token": "ModernBertForTokenClassification",
}
FAMILY = "modernbert"
OWN_KEY = "steelyard_encoder"
IGNORED = -100
"""A label that the losses leave out."""


@dataclass(frozen=True)
class EncoderSizes:
    """The sizes of an encoder, and its head."""

    vocab_size: int
    head: Head = "sequence"
    num_labels: int = 2
    labels: tuple[str, ...] = ()
    """Their names; LABEL_0, LABEL_1, ... where none are given."""
    hidden_size: int = 64
    intermediate_size: int = 128
    num_layers: int = 2
    num_heads: int = 4
    context_length: int = 512
    theta: float = 10000.0
    eps: float = 1e-5
    pad_id: int = 0
    attention: EncoderAttention | None = None
    """The attention variant; None is full attention, as ModernBERT has it."""

    def __post_init__(self) -> None:
        whole = self.hidden_size % (2 * self.num_heads) == 0
        what = f"hidden_size is {self.hidden_size} for {self.num_heads} heads"
        require(whole, what, where="encoder", hint="use a multiple of twice the number of heads")
        named = len(self.labels) in (0, self.num_labels)
        what = f"{len(self.labels)} names are given for {self.num_labels} labels"
        require(named, what, where="encoder", hint="give each label a name, or none")

    @property
    def label_names(self) -> tuple[str, ...]:
        """The name of each label."""
        return self.labels or tuple(f"LABEL_{i}" for i in range(self.num_labels))

    def config(self) -> dict[str, object]:
        """The config.json of transformers."""
        rotary = {"rope_type": "default", "rope_theta": self.theta}
        own = {"base_model_type": FAMILY} if self.attention is not None else {}
        return {
            "architectures": [CLASSES[self.head]],
            "model_type": OWN_TYPE if own else FAMILY,
            **own,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_layers,
            "num_attention_heads": self.num_heads,
            "max_position_embeddings": self.context_length,
            "norm_eps": self.eps,
            "pad_token_id": self.pad_id,
            "bos_token_id": None,
            "eos_token_id": None,
            "cls_token_id": None,
            "sep_token_id": None,
            "layer_types": ["full_attention"] * self.num_layers,
            "rope_parameters": {"full_attention": rotary, "sliding_attention": rotary},
            "classifier_pooling": "mean",
            "id2label": {str(i): name for i, name in enumerate(self.label_names)},
            OWN_KEY: encode(self),
        }


class Encoder(nn.Module):
    """Tokens to logits: [N, T, V] by the masked head, [N, L] by the sequence head, [N, T, L] by the token head."""

    def __init__(self, sizes: EncoderSizes, seed: int = 0) -> None:
        """On the CPU, in float32, with weights that are drawn with `seed`."""
        super().__init__()
        self.sizes = sizes
        self.model = _Backbone(sizes)
        self.head = _PredictionHead(sizes)
        if sizes.head == "masked":
            self.decoder = nn.Linear(sizes.hidden_size, sizes.vocab_size)
            self.decoder.weight = self.model.embeddings.tok_embeddings.weight
        else:
            self.classifier = nn.Linear(sizes.hidden_size, sizes.num_labels)
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.endswith("bias"):
                    parameter.zero_()
                elif parameter.ndim > 1:
                    parameter.normal_(0.0, 0.02, generator=generator)
        for module in self.modules():
            if isinstance(module, EncoderMixing):
                module.draw(generator)

    def hidden(self, tokens_NT: Int[Tensor, "N T"], attend_NT: Int[Tensor, "N T"]) -> Float[Tensor, "N T D"]:
        """Hidden states; those at padding (`attend_NT` 0) are arbitrary."""
        return self.model(tokens_NT, attend_NT)

    def forward(self, tokens_NT: Int[Tensor, "N T"], attend_NT: Int[Tensor, "N T"]) -> Float[Tensor, "N *shape"]:
        """Logits; see the class."""
        return self.logits(self.hidden(tokens_NT, attend_NT), attend_NT)

    def logits(self, hidden_NTD: Float[Tensor, "N T D"], attend_NT: Int[Tensor, "N T"]) -> Float[Tensor, "N *shape"]:
        """What the head makes of hidden states."""
        if self.sizes.head == "masked":
            return self.decoder(self.head(hidden_NTD))
        if self.sizes.head == "sequence":
            weight_NT1 = attend_NT[:, :, None].to(hidden_NTD.dtype)
            hidden_NTD = (hidden_NTD * weight_NT1).sum(1) / weight_NT1.sum(1).clamp(min=1)
        return self.classifier(self.head(hidden_NTD))

    def loss(
        self, tokens_NT: Int[Tensor, "N T"], attend_NT: Int[Tensor, "N T"], labels: Int[Tensor, "N *shape"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy (nats) over the labels that are not `IGNORED`: [N] for the sequence head, else [N, T]."""
        logits = self(tokens_NT, attend_NT)
        return cross_entropy(logits.reshape(-1, logits.shape[-1]), labels.reshape(-1), ignore_index=IGNORED)

    def save(self, directory: Path) -> None:
        """Write config.json and model.safetensors, as transformers loads them."""
        from safetensors.torch import save_file

        directory.mkdir(parents=True, exist_ok=True)
        (directory / "config.json").write_text(json.dumps(self.sizes.config(), indent=2) + "\n", encoding="utf-8")
        tensors = {name: p.detach().cpu().contiguous() for name, p in self.named_parameters()}
        save_file(tensors, directory / "model.safetensors", {"format": "pt"})

    @classmethod
    def load(cls, directory: Path) -> "Encoder":
        """The encoder that `save` wrote, in eval mode.

        Raises:
            SteelyardError: a file is missing or damaged, or holds another model.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
            made = cls(decode(config[OWN_KEY], EncoderSizes, where="config.json"))
            missing, other = made.load_state_dict(load_file(directory / "model.safetensors"), strict=False)
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError, SteelyardError) as error:
            what = f"no encoder can be loaded from {directory} ({first_line(error)})"
            raise SteelyardError(what, where="encoder", hint="give a directory that Encoder.save wrote") from error
        tied = {"decoder.weight"} if made.sizes.head == "masked" else set()
        whole = not other and set(missing) <= tied
        require(whole, f"the weights in {directory} are not its config's", where="encoder", hint="save it again")
        return made.eval()


def is_own(config: JsonMapping) -> bool:
    """True for the config.json of an encoder that only `Encoder.load` reads: its attention is none of transformers'."""
    return config.get("model_type") == OWN_TYPE and OWN_KEY in config


def mask_tokens(
    tokens_NT: Int[Tensor, "N T"],
    attend_NT: Int[Tensor, "N T"],
    *,
    mask_id: int,
    share: float,
    generator: torch.Generator,
) -> tuple[Int[Tensor, "N T"], Int[Tensor, "N T"]]:
    """Tokens with a share of the real ones replaced by `mask_id`, and labels: the originals, elsewhere `IGNORED`."""
    drawn_NT = torch.rand(tokens_NT.shape, generator=generator).to(tokens_NT.device) < share
    masked_NT = drawn_NT & attend_NT.bool()
    return tokens_NT.masked_fill(masked_NT, mask_id), tokens_NT.masked_fill(~masked_NT, IGNORED)


class _Backbone(nn.Module):
    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.embeddings = _Embeddings(sizes)
        self.layers = nn.ModuleList(_EncoderLayer(sizes, i) for i in range(sizes.num_layers))
        self.final_norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.eps, bias=False)
        inverse = Rotary(sizes.theta).inverse_frequencies(sizes.hidden_size // sizes.num_heads)
        self.register_buffer("inverse", inverse, persistent=False)

    def forward(self, tokens_NT: Tensor, attend_NT: Tensor) -> Tensor:
        x = self.embeddings(tokens_NT)
        positions = torch.arange(tokens_NT.shape[1], device=tokens_NT.device)[None]
        rotation = rotation_of(positions, self.get_buffer("inverse"), self.sizes.num_heads, x.dtype)
        mask = AttentionMask.bidirectional(attend_NT, x)
        carried: Carried = None
        for layer in self.layers:
            x, carried = layer(x, rotation, mask, carried)
        return self.final_norm(x)


class _Embeddings(nn.Module):
    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.tok_embeddings = nn.Embedding(sizes.vocab_size, sizes.hidden_size)
        self.norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.eps, bias=False)

    def forward(self, tokens_NT: Tensor) -> Tensor:
        return self.norm(self.tok_embeddings(tokens_NT))


class _EncoderLayer(nn.Module):
    def __init__(self, sizes: EncoderSizes, layer: int) -> None:
        super().__init__()
        D = sizes.hidden_size
        of_layer = LayerSizes(D, sizes.num_heads, sizes.context_length, layer)
        self.attn_norm = nn.Identity() if layer == 0 else nn.LayerNorm(D, eps=sizes.eps, bias=False)
        self.attn = SelfAttention(of_layer) if sizes.attention is None else sizes.attention.build(of_layer)
        self.mlp_norm = nn.LayerNorm(D, eps=sizes.eps, bias=False)
        self.mlp = _EncoderMLP(sizes)

    def forward(self, x: Tensor, rotation: Rotation, mask: AttentionMask, carried: Carried) -> tuple[Tensor, Carried]:
        heard, carried = self.attn(self.attn_norm(x), rotation, mask, carried)
        x = x + heard
        return x + self.mlp(self.mlp_norm(x)), carried


class _EncoderMLP(nn.Module):
    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.Wi = nn.Linear(sizes.hidden_size, 2 * sizes.intermediate_size, bias=False)
        self.Wo = nn.Linear(sizes.intermediate_size, sizes.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        inner, gate = self.Wi(x).chunk(2, -1)
        return self.Wo(gelu(inner) * gate)


class _PredictionHead(nn.Module):
    def __init__(self, sizes: EncoderSizes) -> None:
        super().__init__()
        self.dense = nn.Linear(sizes.hidden_size, sizes.hidden_size, bias=False)
        self.norm = nn.LayerNorm(sizes.hidden_size, eps=sizes.eps, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(gelu(self.dense(x)))
