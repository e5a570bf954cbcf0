"""The fit of P(love): a network that learns from feedback, and how well it predicts that of held-out rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import SteelyardError, rng
from steelyard.core.auc import auc
from steelyard.core.json import JsonObject
from steelyard.learner.fitting import Fitting
from steelyard.reward.feedback import Feedback, Parts
from steelyard.reward.loved import LoveModel
from steelyard.reward.probability import Calibration, expected_calibration_error, log_loss
from steelyard.reward.rluf import RLUF
from steelyard.reward.scorer import Scorer, scores

SHOWN = 8
"""Rows in the records, half of them loved, where there are so many."""


@dataclass(frozen=True)
class FeedbackFit:
    """A network that learns from feedback."""

    scorer: Scorer
    parts: Parts
    learning: RLUF
    seed: int

    def begin(self, steps: int) -> Fitting:
        """The fit before its first step.

        Raises:
            SteelyardError: a row is longer than what the network reads.
        """
        places, _ = self._kept
        rows = {i: _encoded(self.scorer, self.parts.train[i]) for i in places}
        loved_N = torch.from_numpy(loved_of(self.parts.train))
        draws = rng(self.seed, "rluf", "rows")

        def loss() -> Tensor:
            of = self.learning.turn(places, draws)
            z_N = self.scorer([rows[i] for i in of])
            return self.learning.loss(z_N, loved_N[of].to(z_N.device))

        adam = torch.optim.AdamW(self.scorer.net.parameters(), lr=self.learning.learning_rate, weight_decay=0.0)
        return Fitting(self.scorer.net, adam, loss, draws, steps)

    def measure(self) -> tuple[JsonObject, list[JsonObject]]:
        """How it predicts held-out rows, calibrated as it would be written now."""
        rows = self.parts.measure
        z_N = log_odds(self.scorer, rows)
        found, shown = measured(self.model().calibration, z_N, rows)
        raw = Calibration(1.0, float(np.log(self._kept[1])))
        return found | {"eval/calibration_error_raw": expected_calibration_error(raw(z_N), loved_of(rows))}, shown

    def write(self, directory: Path) -> None:
        """Write what `LoveModel.load` reads."""
        self.model().save(directory)

    def model(self) -> LoveModel:
        """The network with the calibration that fits it now."""
        rows = self.parts.calibrate
        return LoveModel(
            self.scorer, self.learning.calibration(log_odds(self.scorer, rows), loved_of(rows), self._kept[1])
        )

    @cached_property
    def _kept(self) -> tuple[list[int], float]:
        return self.learning.kept(loved_of(self.parts.train), self.seed)


def measured(
    calibration: Calibration, z_N: Float[np.ndarray, "N"], rows: Sequence[Feedback]
) -> tuple[JsonObject, list[JsonObject]]:
    """How well a model predicts feedback, and some rows to read, whose reward is P(love)."""
    loved_N, p_N = loved_of(rows), calibration(z_N)
    found = {
        "eval/auc": auc(z_N[loved_N], z_N[~loved_N]),
        "eval/calibration_error": expected_calibration_error(p_N, loved_N),
        "eval/log_loss": log_loss(calibration.slope * z_N + calibration.offset, loved_N),
        "eval/loved": float(loved_N.mean()),
        "eval/loved_predicted": float(p_N.mean()),
        "eval/rows": len(rows),
    }
    loved = np.flatnonzero(loved_N)[: SHOWN // 2].tolist()
    others = np.flatnonzero(~loved_N)[: SHOWN - len(loved)].tolist()
    return found, [
        {"prompt": rows[i].said.prompt, "completion": rows[i].said.completion, "reward": float(p_N[i])}
        for i in (*loved, *others)
    ]


def measured_by(model: LoveModel, rows: Sequence[Feedback]) -> tuple[JsonObject, list[JsonObject]]:
    """How well a saved model predicts feedback."""
    return measured(model.calibration, log_odds(model.scorer, rows), rows)


def log_odds(scorer: Scorer, rows: Sequence[Feedback]) -> Float[np.ndarray, "N"]:
    """z of each row.

    Raises:
        SteelyardError: a row is longer than what the network reads.
    """
    found = scores(scorer, [row.said for row in rows])
    for row, z in zip(rows, found, strict=True):
        if isinstance(z, SteelyardError):
            raise _placed(z, row) from z
    return np.array(found, np.float64)


def _encoded(scorer: Scorer, row: Feedback) -> list[int]:
    try:
        return scorer.encode(row.said)
    except SteelyardError as error:
        raise _placed(error, row) from error


def _placed(error: SteelyardError, row: Feedback) -> SteelyardError:
    return SteelyardError(error.what, where=row.where, hint=error.hint)


def loved_of(rows: Sequence[Feedback]) -> Bool[np.ndarray, "N"]:
    """Whether each row was loved."""
    return np.array([row.loved for row in rows], bool)
