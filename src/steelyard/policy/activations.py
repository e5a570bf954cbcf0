"""Mean hidden states of texts at named sites, which interventions are fitted to."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import require
from steelyard.model.intervention import Intervention, Pass
from steelyard.policy.policy import Policy
from steelyard.policy.whole_rows import read_rows

ROWS = 16
"""Texts that are read together."""


class _Recorder:
    """Takes down the mean over each row's real tokens, and changes what `changes` does."""

    def __init__(self, sites: Sequence[str], changes: Intervention | None, num_layers: int) -> None:
        self._changes = changes
        self._changed = () if changes is None else tuple(changes.sites(num_layers))
        self.found: dict[str, list[Tensor]] = {site: [] for site in sites}

    def sites(self, num_layers: int) -> Sequence[str]:
        return tuple(dict.fromkeys((*self.found, *self._changed)))

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        if self._changes is not None and site in self._changed:
            hidden_NTD = self._changes.change(site, hidden_NTD, reads)
        if site in self.found:
            real_NT1 = reads.real_NT[..., None]
            self.found[site].append((hidden_NTD.float() * real_NT1).sum(1) / real_NT1.sum(1))
        return hidden_NTD


@torch.no_grad()
def mean_states(
    policy: Policy, texts: Sequence[str], sites: Sequence[str], *, under: Intervention | None = None
) -> dict[str, Float[Tensor, "N D"]]:
    """Site -> the mean hidden state over the tokens of each of N texts, in float32 on the CPU.

    The policy's own intervention, if it has one, is left out while the texts are read. `under` is one that is in place
    instead: a state is what it makes of it.

    Raises:
        SteelyardError: there are no texts, one has no token or too many, or the model has no such site.
    """
    return _read(policy, texts, sites, under)


def moved_states(policy: Policy, texts: Sequence[str], under: Intervention) -> dict[str, Float[Tensor, "N D"]]:
    """`mean_states` at all sites of an intervention that is in place, with a gradient to its tensors alone.

    Raises:
        SteelyardError: as for `mean_states`.
    """
    with _frozen(policy):
        return _read(policy, texts, under.sites(policy.model.config.num_hidden_layers), under)


def _read(policy: Policy, texts: Sequence[str], sites: Sequence[str], under: Intervention | None) -> dict[str, Tensor]:
    require(len(texts) > 0, "there are no texts", where="activations", hint="give at least one")
    rows = [policy.encode(text) for text in texts]
    for text, tokens in zip(texts, rows, strict=True):
        fits = 0 < len(tokens) <= policy.context_length
        what = f"the text {text[:40]!r} has {len(tokens)} tokens, and the context {policy.context_length}"
        require(fits, what, where="activations", hint="give texts that fit")
    present = policy.intervention
    recorder = _Recorder(sites, under, policy.model.config.num_hidden_layers)
    policy.intervene(recorder)
    try:
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            read_rows(policy, part, [len(row) for row in part])
    finally:
        policy.intervene(present)
    return {site: torch.cat(found).cpu() for site, found in recorder.found.items()}


@contextmanager
def _frozen(policy: Policy) -> Iterator[None]:
    """Inside the `with`, no weight asks for a gradient."""
    asking = [p for p in policy.model.parameters() if p.requires_grad]
    for parameter in asking:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in asking:
            parameter.requires_grad_(True)
