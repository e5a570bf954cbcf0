"""Prompts that were read, for as long as samples of them are still to begin."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Request
from steelyard.rollout.network import Network


@dataclass(frozen=True)
class Read:
    """What a forward pass over U left-padded prompts of at most T tokens left: logits, and keys and values."""

    logits_UV: Float[Tensor, "U V"]
    cache: Float[Tensor, "L 2 U H T E"]

    def one(self, prompt: int) -> "Read":
        """One of the prompts, in memory of its own."""
        row = slice(prompt, prompt + 1)
        return Read(self.logits_UV[row].clone(), self.cache[:, :, row].clone())


class PrefixCache:
    """Reads prompts once for all their samples, which come one after another; it keeps the one that is not used up."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._kept: tuple[tuple[int, ...], Read] | None = None

    def clear(self) -> None:
        """Forget what was read, since the weights have changed."""
        self._kept = None

    def read(
        self, requests: Sequence[Request], following: Request | None
    ) -> Iterator[tuple[list[Request], list[int], Read]]:
        """The requests in parts, each with what was read of its prompts, and which prompt is whose.

        Args:
            requests: those of a prompt one after another.
            following: the request that comes next, later: its prompt is kept.
        """
        kept = self._kept
        self._kept = None
        known = [r for r in requests if kept is not None and r.tokens == kept[0]]
        fresh = [r for r in requests if kept is None or r.tokens != kept[0]]
        if kept is not None and known:
            yield known, [0] * len(known), kept[1]
            if following is not None and following.tokens == kept[0]:
                self._kept = kept
        if fresh:
            places = {tokens: u for u, tokens in enumerate(dict.fromkeys(r.tokens for r in fresh))}
            read = self._pass([*places])
            yield fresh, [places[r.tokens] for r in fresh], read
            if following is not None and following.tokens in places:
                self._kept = following.tokens, read.one(places[following.tokens])

    def _pass(self, prompts: list[tuple[int, ...]]) -> Read:
        width = max(len(prompt) for prompt in prompts)
        device = self._network.device
        tokens_UT = torch.tensor([(0,) * (width - len(prompt)) + prompt for prompt in prompts], device=device)
        length_U = torch.tensor([len(prompt) for prompt in prompts], device=device)
        attend_UT = torch.arange(width, device=device) >= width - length_U[:, None]
        return Read(*self._network.read(tokens_UT, attend_UT))
