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
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
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
from steelyard.core.columns import Column, check_row
from steelyard.core.foreign_rows import with_pair
from steelyard.core.json import JsonMapping
from steelyard.policy.master_weights import MasterWeights
from steelyard.reward.calibration import calibration_error, fit_temperature
from steelyard.reward.causal import CausalRM
from steelyard.reward.ignite import IGNITE
from steelyard.reward.scorer import Chat, Said, Scorer, scores


@dataclass(frozen=True)
class Pair:
    """Two completions of a prompt, the better one first."""

    prompt: str | Chat
    chosen: str
    rejected: str
    chosen_attribute: float | None = None
    """What the score of the better one should not depend on; None for its length in tokens."""
    rejected_attribute: float | None = None
    """That of the worse one."""


@dataclass(frozen=True)
class PairColumns:
    """Which column of a file plays which role; a column means nothing else by its name."""

    prompt: str = "prompt"
    """Column with the prompt."""
    chosen: str = "chosen"
    """Column with the better completion."""
    rejected: str = "rejected"
    """Column with the worse completion."""
    chosen_attribute: str = ""
    """Column with a number, the better completion's spurious attribute; empty for its length in tokens."""
    rejected_attribute: str = ""
    """Column with the worse completion's."""


def pairs_of(rows: Sequence[tuple[str, JsonMapping]], where: str, columns: PairColumns | None = None) -> list[Pair]:
    """The pairs in the rows of a file, each with the name of its place.

    Raises:
        SteelyardError: a column is missing, or a completion is no text.
    """
    columns = columns or PairColumns()
    names = (columns.prompt, columns.chosen, columns.rejected)
    rows = [(place, with_pair(row, f"{where}, {place}", (columns.prompt,))) for place, row in rows]
    for place, row in rows:
        lacks = [column for column in names if row.get(column) is None]
        hint = f"name the columns {', '.join(names)}, or say which they are with --columns.chosen and its like"
        require(not lacks, f"there is no {' and no '.join(lacks)}", where=f"{where}, {place}", hint=hint)
        plain = isinstance(row[names[0]], str | list) and all(isinstance(row[name], str) for name in names[1:])
        what = f"{columns.chosen} or {columns.rejected} is no text"
        require(plain, what, where=f"{where}, {place}", hint="write texts")
    return [
        Pair(*(row[name] for name in names), *_attributes_of(row, columns, f"{where}, {place}")) for place, row in rows
    ]


def _attributes_of(row: JsonMapping, columns: PairColumns, where: str) -> list[float]:
    named = [name for name in (columns.chosen_attribute, columns.rejected_attribute) if name]
    hint = "name both with --columns.chosen-attribute and --columns.rejected-attribute, or neither"
    require(len(named) != 1, "one column of an attribute is named", where="columns", hint=hint)
    check_row(row, [Column(name, "number") for name in named], where)
    return [float(row[name]) for name in named]


NOTHING_ASKED = CausalRM(weight=0.0)
HOWEVER_SHARP = IGNITE(radius=0.0)


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
    causal: CausalRM = NOTHING_ASKED
    """What scores are not to depend on: by default the completion's length, and at weight 0 nothing is asked."""
    flat: IGNITE = HOWEVER_SHARP
    """How flat the mean score is to be in the weights; at radius 0 nothing is asked."""
    seed: int = 0
    """Of the head, the split and the order of pairs."""

    def __call__(self, scorer: Scorer, pairs: Sequence[Pair]) -> dict[str, float]:
        """Train `scorer` in place; returns what held-out pairs say of it.

        `accuracy` and `log_loss` of held-out pairs; `calibration_error` of those that did not set the temperature, and
        `calibration_error_raw` of the same before it was set. `attribute_preferred` and `attribute_chosen`: see
        `leaning`. `sharpness` and `ignite_weight`, where flatness is asked for: by how much the mean score may change
        within the radius, and the penalty's weight, in the last tenth of the steps and at their end.

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
        found = self._learn(scorer, [pairs[i] for i in order[held:]])
        return {**found, **calibrate(scorer, [pairs[i] for i in order[:held]])}

    def _learn(self, scorer: Scorer, pairs: Sequence[Pair]) -> dict[str, float]:
        """All epochs; returns the mean loss of the last tenth of the steps, and what is known of flatness."""
        chosen = [scorer.encode(Said(pair.prompt, pair.chosen)) for pair in pairs]
        rejected = [scorer.encode(Said(pair.prompt, pair.rejected)) for pair in pairs]
        bins_N2 = self._bins(scorer, pairs)
        turns = list(self._turns(len(pairs)))
        warmup = len(turns) // 10
        schedule = WarmupStableDecay(warmup=warmup, stable=0, decay=len(turns) - warmup, floor=0.1)
        masters = MasterWeights(dict(scorer.net.named_parameters()))
        parameters = [*masters.named.values()]
        optimizer = torch.optim.AdamW(parameters, self.learning_rate, (0.9, 0.98), weight_decay=0.0)
        flattening = self.flat.begin(scorer.net, self.seed)
        losses = []
        for step, turn in enumerate(turns):
            for group in optimizer.param_groups:
                group["lr"] = self.learning_rate * schedule(step)
            rows = [*(chosen[i] for i in turn), *(rejected[i] for i in turn)]
            both_N = scorer(rows)
            sides = both_N[: len(turn)], both_N[len(turn) :]
            loss = pair_loss(*sides, self.centre)
            if bins_N2 is not None:
                loss = loss + self.causal(*sides, *bins_N2[turn].to(both_N.device).unbind(1))
            masters.clear()
            loss.backward()
            if flattening is not None:
                flattening.add(partial(_mean_score, scorer, rows))
            masters.gather()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            masters.write_back()
            losses.append(float(loss.detach()))
        found = {"train_loss": _last_tenth(losses)}
        if flattening is None:
            return found
        return found | {"sharpness": _last_tenth(flattening.sharpness), "ignite_weight": flattening.weight}

    def _bins(self, scorer: Scorer, pairs: Sequence[Pair]) -> Int[Tensor, "N 2"] | None:
        """The bins of both sides' attributes; None where there is no penalty."""
        if self.causal.weight == 0:
            return None
        return torch.from_numpy(self.causal.bins_of(attributes(scorer, pairs).ravel()).reshape(-1, 2))

    def _turns(self, number: int) -> Iterator[list[int]]:
        for epoch in range(self.epochs):
            order = rng(self.seed, "pairs", "order", epoch).permutation(number).tolist()
            yield from (order[i : i + self.batch] for i in range(0, number, self.batch))


def _mean_score(scorer: Scorer, rows: Sequence[Sequence[int]]) -> Float[Tensor, ""]:
    return scorer(rows).mean()


def _last_tenth(steps: Sequence[float]) -> float:
    return float(np.mean(steps[-max(1, len(steps) // 10) :]))


def pair_loss(chosen_N: Float[Tensor, "N"], rejected_N: Float[Tensor, "N"], centre: float = 0.0) -> Float[Tensor, ""]:
    """The loss of N pairs, from the scores of their two sides."""
    return -logsigmoid(chosen_N - rejected_N).mean() + centre * (chosen_N + rejected_N).square().mean()


def attributes(scorer: Scorer, pairs: Sequence[Pair]) -> Float[np.ndarray, "N 2"]:
    """The spurious attribute of each pair's better and worse completion: as given, or the length in tokens."""
    sides = [
        side
        for pair in pairs
        for side in ((pair.chosen, pair.chosen_attribute), (pair.rejected, pair.rejected_attribute))
    ]
    lengths = (len(scorer.tokenizer.encode(said, add_special_tokens=False)) if z is None else z for said, z in sides)
    return np.array([*lengths], np.float64).reshape(-1, 2)


def leaning(margin_N: Float[np.ndarray, "N"], more_N: Float[np.ndarray, "N"]) -> dict[str, float]:
    """Of pairs whose attributes differ: how often that with more of it is scored higher, and how often it was chosen.

    Args:
        margin_N: s_w - s_l.
        more_N: z_w - z_l.
    """
    differ_N = more_N != 0
    if not differ_N.any():
        return {}
    toward_N = (margin_N * more_N)[differ_N]
    return {
        "attribute_preferred": float(np.where(toward_N == 0, 0.5, toward_N > 0).mean()),
        "attribute_chosen": float((more_N[differ_N] > 0).mean()),
    }


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
        **leaning(margin_N, attributes(scorer, held_out) @ np.array([1.0, -1.0])),
    }
