"""MLflow, at MLFLOW_TRACKING_URI, or else in ./mlflow.db: `mlflow ui --backend-store-uri sqlite:///mlflow.db`."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from steelyard.core.json import JsonMapping
from steelyard.report.track.tracker import PROJECT, Tracked

URI = "MLFLOW_TRACKING_URI"
HERE = "sqlite:///mlflow.db"
_STRANGE = re.compile(r"[^\w\-. /]")
"""What MLflow allows in no name."""


class MLflow:
    """Logs through a client of its own, so that a run of MLflow's that the caller has open is left alone."""

    def __init__(self, tracked: Tracked, mlflow: Any) -> None:
        self._client = mlflow.MlflowClient(os.environ.get(URI, HERE))
        found = self._client.get_experiment_by_name(PROJECT)
        experiment = self._client.create_experiment(PROJECT) if found is None else found.experiment_id
        self._run = self._client.create_run(experiment, run_name=tracked.name).info.run_id
        self._client.log_dict(self._run, tracked.config, "config.json")

    def numbers(self, values: Mapping[str, float], step: int) -> None:
        """One point on each curve."""
        for name, value in values.items():
            self._client.log_metric(self._run, _STRANGE.sub("_", name), value, step=step)

    def samples(self, rows: Sequence[JsonMapping], step: int) -> None:
        """A file for each evaluation."""
        text = "".join(json.dumps(row) + "\n" for row in rows)
        self._client.log_text(self._run, text, f"samples/{step}.jsonl")

    def close(self) -> None:
        """End the run."""
        self._client.set_terminated(self._run)
