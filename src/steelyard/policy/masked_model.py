"""A masked language model: it fills what is hidden of a text, each hidden token by the likeliest one.

    t_i  = argmax_v p(v | text with the span's tokens masked)        for each token i of the span, all at once
    odds = sum_i log p(s_i) - log p(t_i)                             s_i what stood there; 0 where nothing changes

Marks such as [MASK] and [UNK] are never filled in. N texts, T tokens, V vocabulary. Logarithms are in nats.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from steelyard.core import SteelyardError, first_line, require
from steelyard.policy.classifier import cut_at
from steelyard.policy.device import moved
from steelyard.policy.load_checks import (
    DTYPES,
    check_config,
    check_dtype,
    check_finite,
    check_report,
    check_shards,
    check_vocabulary,
)
from steelyard.policy.loading import locate, quiet

AT_ONCE = 64
"""Texts of a forward pass."""
Span = tuple[int, int]
"""First character, and the one behind the last."""


@dataclass(frozen=True)
class Filled:
    """What the model puts in place of a span."""

    text: str
    """The whole text with what it puts there."""
    same: bool
    """Whether that is what stood there, token for token."""
    odds: float
    """Log-odds of what stood there against what the model puts there; never above 0."""


class MaskedModel:
    """A masked language model of transformers and its tokenizer, which marks the place of each token in the text."""

    def __init__(self, net: Any, tokenizer: Any) -> None:
        self.net = net.eval()
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, model: str, dtype: str = "float32", device: str = "cpu") -> "MaskedModel":
        """Read it, to a device: auto, cpu, cuda or cuda:NUMBER.

        Raises:
            SteelyardError: there is none of that name, it is of another kind, or its files are damaged; or there is no
                such GPU.
        """
        net, tokenizer = _read(model, dtype)
        hint = "name a masked language model, such as answerdotai/ModernBERT-base"
        marks = tokenizer.mask_token_id is not None and tokenizer.pad_token_id is not None
        require(marks, f"the tokenizer of {model} has no mask or no padding", where="model", hint=hint)
        what = f"the tokenizer of {model} does not say where its tokens stand"
        require(tokenizer.is_fast, what, where="model", hint="save it as tokenizer.json")
        return cls(moved(net, device), tokenizer)

    @property
    def num_parameters(self) -> int:
        """Numbers that a token costs one multiplication each, at most."""
        return sum(p.numel() for p in self.net.parameters())

    @torch.no_grad()
    def fill(self, texts: Sequence[str], spans: Sequence[Span]) -> list[Filled]:
        """Hide one span of each text, and fill it.

        A span that lies behind what the model reads, or has no token of its own, is left as it is: then nothing
        changes, and the odds are 0.
        """
        found: list[Filled] = []
        for start in range(0, len(texts), AT_ONCE):
            found += self._fill([*texts[start : start + AT_ONCE]], spans[start : start + AT_ONCE])
        return found

    def _fill(self, texts: list[str], spans: Sequence[Span]) -> list[Filled]:
        form = {"padding": True, "padding_side": "right", "truncation": True, "max_length": self._longest}
        read = self.tokenizer(texts, return_tensors="pt", return_offsets_mapping=True, **form)
        hidden_NT = _inside(read.pop("offset_mapping"), spans) & read["attention_mask"].bool()
        tokens_NT = read["input_ids"]
        if not hidden_NT.any():
            return [Filled(text, True, 0.0) for text in texts]
        masked = {"input_ids": tokens_NT.masked_fill(hidden_NT, self.tokenizer.mask_token_id)}
        masked["attention_mask"] = read["attention_mask"]
        asked = {name: tensor.to(self.net.device) for name, tensor in masked.items()}
        logp_MV = self._plain(self.net(**asked).logits.float().cpu()[hidden_NT]).log_softmax(-1)
        put_M = logp_MV.argmax(-1)
        stood_M = tokens_NT[hidden_NT]
        odds_M = logp_MV.gather(1, stood_M[:, None])[:, 0] - logp_MV.amax(-1)
        ends = hidden_NT.sum(1).cumsum(0).tolist()
        parts = [slice(end - int(own), end) for end, own in zip(ends, hidden_NT.sum(1), strict=True)]
        return [
            self._filled(text, span, put_M[part], stood_M[part], odds_M[part])
            for text, span, part in zip(texts, spans, parts, strict=True)
        ]

    def _filled(
        self, text: str, span: Span, put_K: Int[Tensor, "K"], stood_K: Int[Tensor, "K"], odds_K: Float[Tensor, "K"]
    ) -> Filled:
        same = torch.equal(put_K, stood_K)
        if same:
            return Filled(text, True, 0.0)
        said = self.tokenizer.decode(put_K.tolist(), skip_special_tokens=True).strip()
        return Filled(f"{text[: span[0]]}{said}{text[span[1] :]}", False, float(odds_K.sum()))

    def _plain(self, logit_MV: Float[Tensor, "M V"]) -> Float[Tensor, "M V"]:
        """Logits without those of marks."""
        marks = [i for i in self.tokenizer.all_special_ids if i < logit_MV.shape[1]]
        return logit_MV.index_fill(1, torch.tensor(marks, dtype=torch.long), -torch.inf)

    @property
    def _longest(self) -> int:
        return cut_at(self.net, self.tokenizer)


def _inside(offset_NT2: Int[Tensor, "N T 2"], spans: Sequence[Span]) -> Bool[Tensor, "N T"]:
    """Tokens that have a character of the span."""
    span_N2 = torch.tensor(spans, dtype=torch.long).reshape(-1, 2)
    start_NT, end_NT = offset_NT2.unbind(-1)
    return (start_NT < span_N2[:, 1:]) & (end_NT > span_N2[:, :1]) & (end_NT > start_NT)


def _read(model: str, dtype: str) -> tuple[Any, Any]:
    """The network and its tokenizer, checked."""
    check_dtype(dtype)
    place, local = locate(model)
    import transformers
    from safetensors import SafetensorError

    options = {"trust_remote_code": False, "local_files_only": local}
    form = {"dtype": DTYPES[dtype], "use_safetensors": True, "output_loading_info": True}
    try:
        with quiet():
            config = transformers.AutoConfig.from_pretrained(place, **options)
            check_config(config, model)
            check_shards(place, local, model)
            # Mismatched sizes are not raised here, because the report names them and the exception does not.
            net, report = transformers.AutoModelForMaskedLM.from_pretrained(
                place, config=config, ignore_mismatched_sizes=True, **form, **options
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, **options)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, SafetensorError) as error:
        what = f"no masked language model can be loaded from {model} ({first_line(error)})"
        hint = "name a whole one, as save_pretrained writes it, or check the name and the network"
        raise SteelyardError(what, where="model", hint=hint) from error
    check_report(report, model)
    check_finite(net, model)
    check_vocabulary(net, tokenizer, model)
    return net, tokenizer
