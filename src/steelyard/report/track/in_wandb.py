"""Weights & Biases, offline in RUN/wandb unless WANDB_MODE says otherwise.

`wandb sync RUN/wandb/offline-run-*` sends it.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from steelyard.core.json import JsonMapping
from steelyard.report.track.tracker import PROJECT, Tracked

OFFLINE = "offline"


class WeightsAndBiases:
    """Logs without a step of wandb's own, which may only rise: curves are drawn over the learner's step."""

    def __init__(self, tracked: Tracked, wandb: Any) -> None:
        self._table = wandb.Table
        mode = os.environ.get("WANDB_MODE", OFFLINE)
        quiet = wandb.Settings(console="off", silent=True)
        self._run = wandb.init(
            project=PROJECT, name=tracked.name, dir=str(tracked.directory), config=tracked.config, mode=mode,
            settings=quiet,
        )  # fmt: skip
        self._run.define_metric("*", step_metric="step")

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """One row of history."""
        self._run.log({**values, "step": step})

    def samples(self, rows: Sequence[JsonMapping], step: int) -> None:
        """A table."""
        names = ("prompt", "completion", "reward")
        table = self._table(columns=[*names], data=[[_cell(row.get(name)) for name in names] for row in rows])
        self._run.log({"samples": table, "step": step})

    def close(self) -> None:
        """End the run."""
        self._run.finish()


def _cell(value: object) -> float | str | None:
    return value if isinstance(value, int | float) or value is None else str(value)
