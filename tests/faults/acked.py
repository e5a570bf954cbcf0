"""A run that writes down, in a file of its own, each trajectory whose storing was acknowledged.

python tests/faults/acked.py RUN ACKS SETTINGS     begin (SETTINGS is JSON), or resume if RUN is there
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from steelyard import train
from steelyard.cli import carry_out
from steelyard.core import Trajectory, decode
from steelyard.replay import ReplayBuffer
from steelyard.runtime import Run
from steelyard.training import resume


def acknowledge(file: Path) -> None:
    """After every `add`, one line for each trajectory; a kill cannot take back what the system was handed."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    add = ReplayBuffer.add

    def added(self: ReplayBuffer, trajectories: Sequence[Trajectory], *, version: int) -> int:
        admitted = add(self, trajectories, version=version)
        assert admitted == len(trajectories), "these runs refuse nothing, so what was not admitted is lost"
        lines = [json.dumps([t.prompt_id, t.sample, t.tokens_T.tolist()]) for t in trajectories]
        os.write(descriptor, ("\n".join(lines) + "\n").encode())
        return admitted

    ReplayBuffer.add = added  # type: ignore[method-assign]


if __name__ == "__main__":
    directory, acks, settings = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    acknowledge(acks)
    if (directory / "config.json").exists():
        sys.exit(carry_out(lambda: dict(resume(directory, report=False).summary)))
    run: Run = decode(settings, Run)
    sys.exit(carry_out(lambda: dict(train(run, name="chaos", report=False).summary)))
