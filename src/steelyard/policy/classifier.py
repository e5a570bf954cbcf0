"""A text classifier from the hub or a directory: safetensors only and no remote code, as for a language model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import SteelyardError, require, rng, suggest
from steelyard.policy.device import moved
from steelyard.policy.loading import load_classifier, load_headless, quiet


class Classifier:
    """A transformers sequence classifier, its tokenizer and the names of its labels."""

    def __init__(self, net: Any, tokenizer: Any) -> None:
        self.net = net.eval()
        self.tokenizer = tokenizer
        if tokenizer.pad_token is None:  # masked, so which one never matters
            tokenizer.pad_token = tokenizer.eos_token
        self.labels = [str(net.config.id2label[i]) for i in range(net.config.num_labels)]

    @classmethod
    def load(cls, model: str, dtype: str = "float32", device: str = "cpu") -> "Classifier":
        """Read it, to a device: auto, cpu, cuda or cuda:NUMBER.

        Raises:
            SteelyardError: there is none of that name, or its files are damaged, incomplete or of another kind; or
                there is no such GPU.
        """
        net, tokenizer = load_classifier(model, dtype)
        return cls(moved(net, device), tokenizer)

    @classmethod
    def begun(cls, model: str, labels: Sequence[str], *, seed: int, device: str = "cpu") -> "Classifier":
        """A classifier that is yet to be trained: a network with a head for these labels, which `seed` draws.

        Args:
            model: a language model, an encoder, or a classifier with as many labels, whose last layer is forgotten.
            labels: their names.
            seed: of the head.
            device: as for `load`.

        Raises:
            SteelyardError: as for `load`.
        """
        net, tokenizer, missing = load_headless(model, "float32", labels)
        _draw_head(net, missing, seed)
        begun = cls(moved(net, device), tokenizer)
        if begun.net.config.pad_token_id is None:  # or it reads one text at a time
            begun.net.config.pad_token_id = begun.tokenizer.pad_token_id
        return begun

    def save(self, directory: Path) -> None:
        """Write a directory that `load` reads, and transformers."""
        with quiet():
            self.net.save_pretrained(directory)
            self.tokenizer.save_pretrained(directory)

    def logits(self, texts: Sequence[str]) -> Float[Tensor, "N L"]:
        """What the head says of each label, with a gradient; what is too long for the network loses its end."""
        return self.net(**self._tokens(texts)).logits.float()

    @torch.no_grad()
    def share(self, texts: Sequence[str], label: str, *, batch: int = 64) -> Float[Tensor, "N"]:
        """The probability of a label for each text; what is too long for the network loses its end.

        Raises:
            SteelyardError: there is no such label.
        """
        place = self._place(label, batch)
        parts = [self.logits(texts[i : i + batch]).softmax(-1).cpu() for i in range(0, len(texts), batch)]
        return torch.cat(parts)[:, place] if parts else torch.zeros(0)

    @torch.no_grad()
    def read(
        self, texts: Sequence[str], label: str, *, batch: int = 64
    ) -> tuple[Float[Tensor, "N"], Float[Tensor, "N D"]]:
        """As `share`, and the mean over each text's tokens of the last hidden layer.

        Raises:
            SteelyardError: there is no such label.
        """
        place = self._place(label, batch)
        parts = [self._states(texts[i : i + batch]) for i in range(0, len(texts), batch)]
        if not parts:
            return torch.zeros(0), torch.zeros(0, self.net.config.hidden_size)
        share_NL, state_ND = (torch.cat(each) for each in zip(*parts, strict=True))
        return share_NL[:, place], state_ND

    def _place(self, label: str, batch: int) -> int:
        if label not in self.labels:
            raise SteelyardError(f"has no label {label!r}", where="classifier", hint=suggest(label, self.labels))
        require(batch > 0, f"batch is {batch}", where="classifier", hint="use 1 or more")
        return self.labels.index(label)

    def _tokens(self, texts: Sequence[str]) -> Any:
        most = cut_at(self.net, self.tokenizer)
        read = self.tokenizer(list(texts), padding=True, truncation=True, max_length=most, return_tensors="pt")
        if not read["input_ids"].numel():  # nothing but empty texts, and a tokenizer that puts nothing around them
            read = read.__class__({name: torch.zeros(len(texts), 1, dtype=torch.long) for name in read})
            read["input_ids"] += self.tokenizer.pad_token_id
        edge = 0 if self.tokenizer.padding_side == "right" else -1
        read["attention_mask"][read["attention_mask"].sum(1) == 0, edge] = 1  # a text without tokens is one padding
        return read.to(self.net.device)

    def _states(self, texts: Sequence[str]) -> tuple[Float[Tensor, "N L"], Float[Tensor, "N D"]]:
        read = self._tokens(texts)
        out = self.net(**read, output_hidden_states=True)
        real_NT1 = read["attention_mask"][..., None]
        state_ND = (out.hidden_states[-1].float() * real_NT1).sum(1) / real_NT1.sum(1).clamp(min=1)
        return out.logits.float().softmax(-1).cpu(), state_ND.cpu()


def _draw_head(net: Any, missing: Sequence[str], seed: int) -> None:
    """Draw the matrices that are missing, and the last layer in any case, as wide as keeps a first logit near 0."""
    last = [m for m in net.modules() if isinstance(m, torch.nn.Linear) and m.out_features == net.config.num_labels][-1]
    anew = {name: p for name, p in net.named_parameters() if p.ndim > 1 and (name in missing or p is last.weight)}
    with torch.no_grad():
        for name, weight in sorted(anew.items()):
            draws = rng(seed, "classifier-head", name).normal(size=weight.shape)
            weight.copy_(torch.from_numpy(draws / (weight.shape[-1] + 1) ** 0.5))
        if last.bias is not None:
            last.bias.zero_()


def cut_at(net: Any, tokenizer: Any) -> int:
    """Tokens after which a text is cut: as many as network and tokenizer both read."""
    return min(tokenizer.model_max_length, context_length(net, tokenizer))


def context_length(net: Any, tokenizer: Any) -> int:
    """The longest text that a network reads (tokens); where it sets no bound, its tokenizer's."""
    places = getattr(net.config, "max_position_embeddings", None) or 0
    tables = (module for name, module in net.named_modules() if name.endswith("position_embeddings"))
    padding = getattr(next(tables, None), "padding_idx", None)
    taken = 0 if padding is None else padding + 1  # RoBERTa and its kin count from behind the place of padding
    return places - taken if places > 0 else tokenizer.model_max_length
