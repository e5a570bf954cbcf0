"""What the tables of cheats and of honest answers are made of."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from steelyard.core import Episode, Prompt, Sampling, Trajectory

SUM = "Question: What is 85+23?\nAnswer:"

BARE = "{}"
"""As it stands."""
DRESSES = {
    "bare": BARE,
    "box": "So we get \\boxed{{{}}}.",
    "marker": "First we add.\n#### {}",
    "tag": "<think>add</think> <answer>{}</answer>",
    "phrase": "Adding gives it. The answer is {}",
}
"""Ways to state an answer."""


@dataclass(frozen=True)
class Case:
    """A completion, by name; `dressed` says that it is an answer, to be tried in a box, after a marker, and so on."""

    name: str
    completion: str
    answer: Any = "108"
    prompt: str = SUM
    finish: str | None = None
    dressed: bool = False
    settings: tuple[tuple[str, Any], ...] = ()
    """Settings of the check, where they are not the defaults."""


_ONE = np.ones(1)
_TRAJECTORY = Trajectory(
    "p", _ONE.astype(np.int32), _ONE.astype(bool), _ONE.astype(np.float32), 0, "d", Sampling(), "stop"
)


def episode_of(completion: str, answer: Any, prompt: str = "q", finish: str | None = None) -> Episode:
    """A completion of a prompt with a right answer; for property tests, which take no fixtures."""
    return Episode(Prompt("p", prompt, {"answer": answer}), completion, _TRAJECTORY, finish=finish)
