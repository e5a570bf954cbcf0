"""A network that gives a prompt's completion one number: how it reads a text, and where it takes the number from.

The head reads the state at the last token of the text, which is the end of sequence where the completion ended. For
models of the decoder kind that place is taken here, by the row's own length: transformers looks for the last token that
is no padding, and so misses the end of sequence wherever that serves as padding too (Pythia, GPT-2).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import FaultError, SteelyardError, require, rng
from steelyard.policy import text
from steelyard.policy.classifier import context_length
from steelyard.policy.device import moved
from steelyard.policy.loading import load_scorer, quiet
from steelyard.policy.saved_check import most_apart, probe_tokens

Chat = list[dict[str, str]]


@dataclass(frozen=True)
class Said:
    """A completion of a prompt, and whether it came to its end."""

    prompt: str | Chat
    completion: str
    ended: bool = True


@dataclass(frozen=True)
class Noise:
    """Gaussian noise on the token embeddings that a network reads; a text always gets the same, in any company."""

    size: float
    """Its standard deviation, as a share of the embedding table's root mean square."""
    draw: int = 0
    """Which one, of as many as are wanted."""


class Scorer:
    """A transformers network with one label, and its tokenizer."""

    def __init__(self, net: Any, tokenizer: Any) -> None:
        self.net = net
        self.tokenizer = tokenizer

    @classmethod
    def load(cls, model: str, dtype: str = "float32", device: str = "cpu", *, new_head: int | None = None) -> "Scorer":
        """Read a directory that `save_pretrained` wrote, or a hub id.

        Args:
            model: where it is.
            dtype: of the weights.
            device: where it computes: auto, cpu, cuda or cuda:NUMBER.
            new_head: seed of a new head, for a model that has none; None refuses such a model.

        Raises:
            SteelyardError: there is no such model, it is damaged, or it has no head and none was asked for; or
                there is no such GPU.
        """
        net, tokenizer, missing = load_scorer(model, dtype)
        what = f"{model} is no reward model: it has no head"
        hint = "train one with steelyard reward-model"
        require(new_head is not None or not missing, what, where="reward model", hint=hint)
        named = dict(net.named_parameters())
        with torch.no_grad():
            for name in missing:  # as wide as keeps a first score near 0 (Stiennon et al. 2020)
                draws = rng(new_head or 0, "reward-head", name).normal(size=named[name].shape)
                named[name].copy_(torch.from_numpy(draws / (named[name].shape[-1] + 1) ** 0.5))
        return cls(moved(net, device), tokenizer)

    @cached_property
    def context_length(self) -> int:
        """The longest text that it reads (tokens)."""
        return context_length(self.net, self.tokenizer)

    @property
    def head(self) -> torch.nn.Linear:
        """Its last layer."""
        rows = [m for m in self.net.modules() if isinstance(m, torch.nn.Linear) and m.out_features == 1]
        require(bool(rows), "has no layer with one output", where="reward model", hint="take a model with one label")
        return rows[-1]

    def encode(self, said: Said) -> list[int]:
        """The tokens of prompt and completion, with an end of sequence where the completion ended.

        Raises:
            SteelyardError: they are more than the network reads, or messages that its tokenizer has no template for.
        """
        ends = [self.tokenizer.eos_token_id]
        tokenizer = self.tokenizer
        tokens = [
            *text.encode(tokenizer, said.prompt, [e for e in ends if e is not None]),
            *tokenizer.encode(said.completion, add_special_tokens=False),
            *(e for e in ends if said.ended and e is not None),
        ]
        fits = 0 < len(tokens) <= self.context_length
        most = self.context_length
        require(fits, f"{len(tokens)} tokens, and it reads 1 to {most}", where="reward model", hint="shorten the text")
        return tokens

    def __call__(self, rows: Sequence[Sequence[int]], noise: Noise | None = None) -> Float[Tensor, "N"]:
        """The scores of N texts, given as tokens and read under noise, if there is some; they carry a gradient."""
        if noise is None:
            return self._read(rows)
        with self._disturbed(rows, noise):
            return self._read(rows)

    @contextmanager
    def _disturbed(self, rows: Sequence[Sequence[int]], noise: Noise) -> Iterator[None]:
        """What the embedding table gives for these rows is moved by the noise."""
        table = self.net.get_input_embeddings()
        weight_VD = table.weight.detach()
        size = noise.size * float(weight_VD.norm()) / weight_VD.numel() ** 0.5
        noise_NTD = torch.zeros(len(rows), max(map(len, rows)), weight_VD.shape[1])
        for noise_TD, row in zip(noise_NTD, rows, strict=True):
            drawn = rng(noise.draw, "noise", *row).normal(size=(len(row), weight_VD.shape[1]))
            noise_TD[: len(row)] = size * torch.from_numpy(drawn)
        hook = table.register_forward_hook(lambda module, given, found_NTD: found_NTD + noise_NTD.to(found_NTD))
        try:
            yield
        finally:
            hook.remove()

    def _read(self, rows: Sequence[Sequence[int]]) -> Float[Tensor, "N"]:
        device = next(self.net.parameters()).device
        longest = max(map(len, rows))
        lengths_N = torch.tensor([len(row) for row in rows], device=device)
        tokens_NT = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=device)
        attend_NT = torch.arange(longest, device=device) < lengths_N[:, None]
        if not hasattr(self.net, "score"):  # an encoder: it reads both ways, and pools in a way of its own
            return self.net(input_ids=tokens_NT, attention_mask=attend_NT.long()).logits[:, 0].float()
        state_NTD = self.net.base_model(input_ids=tokens_NT, attention_mask=attend_NT.long(), use_cache=False)[0]
        last_ND = state_NTD[torch.arange(len(rows), device=device), lengths_N - 1]
        return self.net.score(last_ND)[:, 0].float()

    def save(self, directory: Path | str) -> Path:
        """Write a directory that `AutoModelForSequenceClassification.from_pretrained` loads.

        It is loaded again, and must give the same scores to the same random tokens.

        Raises:
            SteelyardError: the directory is not empty.
            FaultError: what was written gives other scores.
        """
        path = Path(directory)
        taken = path.exists() and (not path.is_dir() or any(path.iterdir()))
        require(not taken, "is there and not empty", where=str(path), hint="name another directory")
        with quiet():
            self.net.save_pretrained(path)
            self.tokenizer.save_pretrained(path)
        self._compare(path)
        return path

    @torch.no_grad()
    def _compare(self, path: Path) -> None:
        dtype = next(self.net.parameters()).dtype
        place = str(self.net.get_input_embeddings().weight.device)
        again = Scorer.load(str(path), str(dtype).removeprefix("torch."), place)
        rows = probe_tokens(self.net.get_input_embeddings().weight.shape[0], self.context_length).tolist()
        own_N, theirs_N = (scorer(rows).cpu() for scorer in (self, again))
        most = most_apart(dtype)
        if not torch.allclose(own_N, theirs_N, atol=most, rtol=most):
            what = f"is not the reward model that was trained: it scores {theirs_N.tolist()}, not {own_N.tolist()}"
            raise FaultError(what, where=str(path), hint="train from another model")


@torch.no_grad()
def scores(
    scorer: Scorer, said: Sequence[Said], batch: int = 64, noise: Noise | None = None
) -> list[float | SteelyardError]:
    """The score of each, or what kept it from being read; texts of like length go together."""
    found: list[float | SteelyardError] = [0.0] * len(said)
    rows: dict[int, list[int]] = {}
    for i, one in enumerate(said):
        try:
            rows[i] = scorer.encode(one)
        except SteelyardError as error:
            found[i] = error
    for some in _batches(sorted(rows, key=lambda i: len(rows[i])), batch):
        for i, value in zip(some, scorer([rows[i] for i in some], noise).tolist(), strict=True):
            found[i] = value
    return found


def _batches(items: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (items[i : i + size] for i in range(0, len(items), size))
