"""Checks for curricula: indices in range, draws that follow from the seed, exact continuation from a saved state."""

import copy
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
import numpy as np

from steelyard.check.verdict import Check, demand
from steelyard.core import Curriculum, CurriculumSettings, Prompt, Sampling, SteelyardError, Trajectory

_SIZES = (1, 3, 0, 5, 17, 3)
_NUM = 7


def _prompts(num: int = _NUM) -> list[Prompt]:
    return [Prompt(f"p{i}", f"{i}=", {"domain": i % 3}) for i in range(num)]


def _open(method: CurriculumSettings, seed: int = 5) -> Curriculum:
    return method.open(_prompts(), seed)


def _seen(drawn: list[int]) -> list[Trajectory]:
    """What was found for the prompts drawn: two trajectories each, whose rewards differ between prompts."""
    nothing_T = np.zeros(3, np.float32)
    return [
        Trajectory(
            f"p{i}",
            np.array([1, 2, 3], np.int32),
            np.array([False, True, True]),
            nothing_T,
            0,
            "",
            Sampling(),
            "stop",
            sample=sample,
            logp_ref_T=nothing_T,
            reward=float((i + sample) % 2),
            info={"domain": i % 3},
        )
        for i in drawn
        for sample in range(2)
    ]


def _walk(curriculum: Curriculum, sizes: tuple[int, ...] = _SIZES) -> list[list[int]]:
    """Draw, and tell what was found, as a run does."""
    drawn = []
    for size in sizes:
        drawn.append(curriculum.draw(size))
        curriculum.observe(_seen(drawn[-1]))
    return drawn


def curriculum_indices(method: CurriculumSettings) -> None:
    """So many indices as were asked for, each a whole number of a prompt."""
    for size, drawn in zip(_SIZES, _walk(_open(method)), strict=True):
        demand(len(drawn) == size, f"{size} prompts were asked for, {len(drawn)} came")
        demand(all(type(i) is int and 0 <= i < _NUM for i in drawn), f"of {_NUM} prompts it draws {drawn}")


def curriculum_seeded(method: CurriculumSettings) -> None:
    """The same prompts, seed and observations give the same draws; another instance of it is none of its business."""
    one = _open(method)
    two = _open(method)
    first = _walk(one)
    demand(first == _walk(two), "two of them with one seed draw differently")


def curriculum_resumes(method: CurriculumSettings) -> None:
    """Its state is JSON that does not change afterwards; a new one goes on from it, draw for draw."""
    whole = _open(method)
    _walk(whole)
    state = whole.state()
    kept = copy.deepcopy(state)
    try:
        data = msgspec.json.encode(state)
    except (TypeError, msgspec.MsgspecError) as error:
        demand(False, f"its state is not JSON: {error}")
        return
    demand(state == whole.state(), "two states without a draw between them differ")
    rest = _walk(whole)
    demand(state == kept, "a state that was taken changes when it goes on")
    other = _open(method)
    other.restore(msgspec.json.decode(data))
    demand(_walk(other) == rest, "a new one, restored, draws differently")
    demand(msgspec.json.encode(other.state()) == msgspec.json.encode(whole.state()), "and ends in another state")
    whole.restore(msgspec.json.decode(data))
    demand(_walk(whole) == rest, "itself, taken back, it draws differently")


def curriculum_observes(method: CurriculumSettings) -> None:
    """To be told changes neither what was drawn nor what it is told; to be told nothing changes nothing."""
    curriculum = _open(method)
    drawn = curriculum.draw(5)
    before = list(drawn)
    seen = _seen(drawn)
    rewards = [t.reward for t in seen]
    curriculum.observe(seen)
    demand(drawn == before, "what was drawn changes when it is told what was found")
    demand([t.reward for t in seen] == rewards, "it changes what it is told")
    state = copy.deepcopy(curriculum.state())
    curriculum.observe([])
    demand(curriculum.state() == state, "to be told nothing changes its state")


def curriculum_refuses(method: CurriculumSettings) -> None:
    """It is not opened on no prompts."""
    try:
        method.open([], 5)
    except SteelyardError:
        return
    demand(False, "it opens on no prompts")


CURRICULUM_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "curriculum-indices": curriculum_indices,
        "curriculum-seeded": curriculum_seeded,
        "curriculum-resumes": curriculum_resumes,
        "curriculum-observes": curriculum_observes,
        "curriculum-refuses": curriculum_refuses,
    }
)
