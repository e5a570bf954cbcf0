"""Trains a reward model on a file of preferences: reads the pairs, trains, measures, and writes a directory."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from steelyard.core import require
from steelyard.core.json import JsonMapping
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.reward import BradleyTerry
from steelyard.reward.bradley_terry import PairColumns, pairs_of
from steelyard.reward.scorer import Scorer
from steelyard.runtime.run_dir.records import check_output
from steelyard.task.files import read_rows


@dataclass(frozen=True)
class RewardModelRun:
    """Train a reward model on preferences: a Bradley-Terry model, calibrated on held-out pairs."""

    training: Annotated[BradleyTerry, tyro.conf.OmitArgPrefixes]
    """How it is trained."""
    model: str = ""
    """Model to start from: a language model (it gets a new head) or a reward model; a directory or a hub id."""
    pairs: str = ""
    """JSONL or Parquet file with columns prompt, chosen, rejected."""
    columns: PairColumns = field(default_factory=PairColumns)
    """Which column plays which role."""
    output_dir: str = ""
    """Directory to write; --proxy, --reward-model and transformers can load it."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights that compute; float32 copies of bfloat16 ones are trained."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER."""

    def __call__(self) -> JsonMapping:
        """Train, save, and return the measures on held-out pairs.

        Raises:
            SteelyardError: a file, a model or a setting is wrong; nothing is written.
        """
        for name in ("model", "pairs", "output_dir"):
            flag = f"--{name.replace('_', '-')}"
            require(bool(getattr(self, name)), "is missing", where=flag, hint=f"give {flag}; see --help")
        began = time.monotonic()
        directory = Path(self.output_dir)
        check_output(directory)
        check_device(self.device)
        pairs = pairs_of(read_rows(self.pairs), self.pairs, self.columns)
        scorer = Scorer.load(self.model, self.dtype, self.device, new_head=self.training.seed)
        found = self.training(scorer, pairs)
        scorer.save(directory)
        return {"model": str(directory), "pairs": len(pairs), **found, "seconds": time.monotonic() - began}
