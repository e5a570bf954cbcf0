"""Checks for interventions that are fitted: pure functions of what a model reads, whichever way it reads it."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from steelyard.check.verdict import Check, demand
from steelyard.model.intervention import EMBEDDINGS, Intervention, Pass, Steering
from steelyard.model.intervention_file import Fitted, read_intervention, write_intervention

LAYERS = 3
_N, _T, _D = 3, 6, 4
_PROMPT = (2, 4, 3)
"""Tokens of each row's prompt; the first row is two tokens shorter than the others."""


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _fitted(steering: Steering) -> Intervention:
    sites = steering.sites(LAYERS)
    source = {site: _random(5, _D, seed=i) for i, site in enumerate(sites)}
    target = {site: _random(7, _D, seed=100 + i) + 1.0 for i, site in enumerate(sites)}
    return steering.fit(source, target)


def _reads() -> Pass:
    """Three rows, the first of them padded by two tokens on the left."""
    at_T = torch.arange(_T)
    first_N1 = torch.tensor([[2], [0], [0]])
    real_NT = at_T >= first_N1
    tokens_NT = torch.randint(50, (_N, _T), generator=torch.Generator().manual_seed(1))
    return Pass(tokens_NT, real_NT, real_NT & (at_T - first_N1 < torch.tensor(_PROMPT)[:, None]))


def _changed(found: Intervention, hidden_NTD: Tensor, reads: Pass) -> dict[str, Tensor]:
    return {site: found.change(site, hidden_NTD, reads) for site in found.sites(LAYERS)}


def _same(a: Mapping[str, Tensor], b: Mapping[str, Tensor], at_NT: Tensor | None = None) -> bool:
    pairs = ((a[site], b[site]) for site in a)
    return all(torch.allclose(x if at_NT is None else x[at_NT], y if at_NT is None else y[at_NT]) for x, y in pairs)


def intervention_sites(steering: Steering) -> None:
    """It has at least one site, each once, and each one that a decoder has."""
    sites = [*_fitted(steering).sites(LAYERS)]
    demand(bool(sites), "it has no site")
    demand(len({*sites}) == len(sites), f"a site comes twice: {sites}")
    layers = {f"layers.{i}{part}" for i in range(LAYERS) for part in ("", ".attention", ".mlp")}
    demand({*sites} <= layers | {EMBEDDINGS}, f"a decoder has not all of its sites {sites}")


def intervention_states(steering: Steering) -> None:
    """What comes has the shape and type of what went in, is finite, and what went in is only read."""
    found = _fitted(steering)
    hidden_NTD = _random(_N, _T, _D, seed=5)
    for dtype in (torch.float32, torch.bfloat16):
        given_NTD = hidden_NTD.to(dtype)
        for site, changed_NTD in _changed(found, given_NTD, _reads()).items():
            same = changed_NTD.shape == given_NTD.shape and changed_NTD.dtype == dtype
            demand(same, f"at {site} {dtype} of {tuple(given_NTD.shape)} became {changed_NTD.dtype}")
            demand(bool(changed_NTD.isfinite().all()), f"at {site} a number is not finite")
            demand(torch.equal(given_NTD, hidden_NTD.to(dtype)), f"at {site} it changes what it is given in place")


def intervention_rows(steering: Steering) -> None:
    """A row's company does not matter, and neither does what stands at padding."""
    found = _fitted(steering)
    hidden_NTD = _random(_N, _T, _D, seed=5)
    reads = _reads()
    whole = _changed(found, hidden_NTD, reads)
    alone = Pass(reads.tokens_NT[1:2], reads.real_NT[1:2], reads.prompt_NT[1:2])
    part = {site: x[1:2] for site, x in whole.items()}
    demand(_same(_changed(found, hidden_NTD[1:2], alone), part), "a row's company matters")
    other_NTD = torch.where(reads.real_NT[..., None], hidden_NTD, _random(_N, _T, _D, seed=6))
    demand(_same(_changed(found, other_NTD, reads), whole, reads.real_NT), "what stands at padding reaches real tokens")


def intervention_passes(steering: Steering) -> None:
    """Rows read whole, and their prompts first and then a token at a time, are changed in the same way."""
    found = _fitted(steering)
    hidden_NTD = _random(1, _T, _D, seed=5)
    reads = _reads()
    prompt = _PROMPT[1]
    row = Pass(reads.tokens_NT[1:2], reads.real_NT[1:2], reads.prompt_NT[1:2])
    whole = _changed(found, hidden_NTD, row)
    cuts = [slice(0, prompt), *(slice(t, t + 1) for t in range(prompt, _T))]
    for cut in cuts:
        seen = Pass(row.tokens_NT[:, cut], row.real_NT[:, cut], row.prompt_NT[:, cut])
        part = {site: x[:, cut] for site, x in whole.items()}
        demand(
            _same(_changed(found, hidden_NTD[:, cut], seen), part),
            f"tokens {cut.start} to {cut.stop} read alone differ",
        )


def intervention_repeatable(steering: Steering) -> None:
    """Two fits agree, and nothing is drawn from torch's own generator."""
    before = torch.get_rng_state()
    hidden_NTD = _random(_N, _T, _D, seed=5)
    one, other = (_changed(_fitted(steering), hidden_NTD, _reads()) for _ in range(2))
    demand(_same(one, other), "two fits of the same states differ")
    demand(torch.equal(before, torch.get_rng_state()), "it draws from torch's global generator")


def intervention_rests(steering: Steering) -> None:
    """Where source and target are the same there is nothing to change."""
    states = {site: _random(5, _D, seed=i) for i, site in enumerate(steering.sites(LAYERS))}
    hidden_NTD = _random(_N, _T, _D, seed=5)
    found = _changed(steering.fit(states, states), hidden_NTD, _reads())
    demand(_same(found, dict.fromkeys(found, hidden_NTD)), "it changes hidden states although source and target agree")


def intervention_file(steering: Steering) -> None:
    """It is written, and what is read back changes hidden states in the same way."""
    found = _fitted(steering)
    demand(isinstance(found, Fitted), "it has no method and tensors, so it cannot be written")
    assert isinstance(found, Fitted)
    hidden_NTD = _random(_N, _T, _D, seed=5)
    with tempfile.TemporaryDirectory() as directory:
        write_intervention(found, Path(directory))
        back = read_intervention(Path(directory))
    demand(_same(_changed(back, hidden_NTD, _reads()), _changed(found, hidden_NTD, _reads())), "it comes back changed")


INTERVENTION_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "intervention-sites": intervention_sites,
        "intervention-states": intervention_states,
        "intervention-rows": intervention_rows,
        "intervention-passes": intervention_passes,
        "intervention-repeatable": intervention_repeatable,
        "intervention-rests": intervention_rests,
        "intervention-file": intervention_file,
    }
)
