"""A reward model from preferences: a number for every completion, whose differences say which one people prefer.

Differs: the last layer is divided by the temperature that calibrates held-out pairs (`reward.calibration`), so that
sigma(s_w - s_l) of the model as saved is a probability that was checked; the paper normalises by a mean instead. The
small pull of s_w + s_l to 0 fixes the level, which pairs alone leave open; it is not the paper's either.

    P(y_w better than y_l | x) = sigma(s(x, y_w) - s(x, y_l))
    L = - mean over pairs of log sigma(s_w - s_l)  +  c mean over pairs of (s_w + s_l)^2

Source: Bradley and Terry 1952; for language models Stiennon et al. 2020, arXiv:2009.01325. The pull to 0: Eisenstein
et al. 2023, arXiv:2312.09244.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import logsigmoid

from steelyard.core import (
    NonNegative,
    Positive,
    PositiveInt,
    ShareInside,
    SteelyardError,
    WarmupStableDecay,
    method,
    require,
    rng,
)
from steelyard.core.json import JsonMapping
from steelyard.policy.master_weights import MasterWeights
from steelyard.reward.calibration import calibration_error, fit_temperature
from steelyard.reward.scorer import Chat, Said, Scorer, scores


@dataclass(frozen=True)
class Pair:
    """Two completions of a prompt, the better one first."""

    prompt: str | Chat
    chosen: str
    rejected: str


@dataclass(frozen=True)
class PairColumns:
    """Which column of a file plays which role; a column means nothing else by its name."""

    prompt: str = "prompt"
    """Column with the prompt."""
    chosen: str = "chosen"
    """Column with the better completion."""
    rejected: str = "rejected"
    """Column with the worse completion."""


def pairs_of(rows: Sequence[tuple[str, JsonMapping]], where: str, columns: PairColumns | None = None) -> list[Pair]:
    """The pairs in the rows of a file, each with the name of its place.

    Raises:
        SteelyardError: a column is missing, or a completion is no text.
    """
    columns = columns or PairColumns()
    names = (columns.prompt, columns.chosen, columns.rejected)
    for place, row in rows:
        lacks = [column for column in names if row.get(column) is None]
        hint = f"name the columns {', '.join(names)}, or say which they are with --columns.chosen and its like"
        require(not lacks, f"there is no {' and no '.join(lacks)}", where=f"{where}, {place}", hint=hint)
        plain = isinstance(row[names[0]], str | list) and all(isinstance(row[name], str) for name in names[1:])
        what = f"{columns.chosen} or {columns.rejected} is no text"
        require(plain, what, where=f"{where}, {place}", hint="write texts")
    return [Pair(*(row[name] for name in names)) for _, row in rows]


@method("bradley-terry", paper="arXiv:2009.01325")
@dataclass(frozen=True)
class BradleyTerry:
    """How a reward model is trained on pairs."""

    learning_rate: Positive = 1e-5
    """Highest learning rate; it falls linearly to a tenth."""
    epochs: PositiveInt = 1
    """Times that every pair is seen."""
    batch: PositiveInt = 64
    """Pairs in a step."""
    held_out: ShareInside = 0.1
    """Share of the pairs that is not trained on: half of them calibrate, the other half measure."""
    centre: NonNegative = 0.01
    """Weight c of the pull of a pair's scores to 0."""
    seed: int = 0
    """Of the head, the split and the order of pairs."""

    def __call__(self, scorer: Scorer, pairs: Sequence[Pair]) -> dict[str, float]:
        """Train `scorer` in place; returns what held-out pairs say of it.

        `accuracy` and `log_loss` of held-out pairs; `calibration_error` of those that did not set the temperature, and
        `calibration_error_raw` of the same before it was set.

        Raises:
            SteelyardError: too few pairs, or a text that the network cannot read.
        """
        held = round(self.held_out * len(pairs))
        require(
            2 <= held < len(pairs),
            f"{len(pairs)} pairs, {held} of them held out",
            where="pairs",
            hint="give more pairs, or change --held-out",
        )
        order = rng(self.seed, "pairs", "split").permutation(len(pairs))
        loss = self._learn(scorer, [pairs[i] for i in order[held:]])
        return {"train_loss": loss, **calibrate(scorer, [pairs[i] for i in order[:held]])}

    def _learn(self, scorer: Scorer, pairs: Sequence[Pair]) -> float:
        """All epochs; returns the mean loss of the last tenth of the steps."""
        chosen = [scorer.encode(Said(pair.prompt, pair.chosen)) for pair in pairs]
        rejected = [scorer.encode(Said(pair.prompt, pair.rejected)) for pair in pairs]
        turns = list(self._turns(len(pairs)))
        warmup = len(turns) // 10
        schedule = WarmupStableDecay(warmup=warmup, stable=0, decay=len(turns) - warmup, floor=0.1)
        masters = MasterWeights(dict(scorer.net.named_parameters()))
        parameters = [*masters.named.values()]
        optimizer = torch.optim.AdamW(parameters, self.learning_rate, (0.9, 0.98), weight_decay=0.0)
        losses = []
        for step, turn in enumerate(turns):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * schedule(step)
            both_N = scorer([*(chosen[i] for i in turn), *(rejected[i] for i in turn)])
            loss = pair_loss(both_N[: len(turn)], both_N[len(turn) :], self.centre)
            masters.clear()
            loss.backward()
            masters.gather()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            masters.write_back()
            losses.append(float(loss.detach()))
        return float(np.mean(losses[-max(1, len(losses) // 10) :]))

    def _turns(self, number: int) -> Iterator[list[int]]:
        for epoch in range(self.epochs):
            order = rng(self.seed, "pairs", "order", epoch).permutation(number).tolist()
            yield from (order[i : i + self.batch] for i in range(0, number, self.batch))


def pair_loss(chosen_N: Float[Tensor, "N"], rejected_N: Float[Tensor, "N"], centre: float = 0.0) -> Float[Tensor, ""]:
    """The loss of N pairs, from the scores of their two sides."""
    return -logsigmoid(chosen_N - rejected_N).mean() + centre * (chosen_N + rejected_N).square().mean()


def margins(scorer: Scorer, pairs: Sequence[Pair]) -> Float[np.ndarray, "N"]:
    """s_w - s_l of each pair.

    Raises:
        SteelyardError: a text that the network cannot read.
    """
    said = [Said(p.prompt, side) for p in pairs for side in (p.chosen, p.rejected)]
    found = scores(scorer, said)
    broken = next((value for value in found if isinstance(value, SteelyardError)), None)
    if broken is not None:
        raise broken
    values = np.array(found, dtype=np.float64).reshape(-1, 2)
    return values[:, 0] - values[:, 1]


@torch.no_grad()
def calibrate(scorer: Scorer, held_out: Sequence[Pair]) -> dict[str, float]:
    """Set the temperature by every second held-out pair; measure accuracy on all, calibration on the others."""
    margin_N = margins(scorer, held_out)
    temperature = fit_temperature(margin_N[::2])
    for weight in scorer.head.parameters():
        weight /= temperature
    return {
        "pairs_held_out": float(len(margin_N)),
        "accuracy": float(np.where(margin_N == 0, 0.5, margin_N > 0).mean()),
        "log_loss": float(np.logaddexp(0, -margin_N / temperature).mean()),
        "temperature": temperature,
        "calibration_error": calibration_error(margin_N[1::2] / temperature),
        "calibration_error_raw": calibration_error(margin_N[1::2]),
    }
