"""A single-use queue for on-policy recipes: first in, first out, every trajectory at most once, duplicates kept.

    group k of a prompt = its arrivals (k - 1) G + 1 ... k G;  sample = the P groups that were complete first

P prompts, G samples per prompt. Dropping duplicates would bias an on-policy estimate: a likely answer must count as
often as it was sampled. A failed trajectory (reward None) takes its place in the group as an invalid member, so one
error never blocks a group. Nothing here is random. No paper: this is the queue of every synchronous trainer.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from steelyard.core import Trajectory, method, require
from steelyard.replay.admission import COUNTERS, AgeLimit, OverAge, check_finite, check_over_age, check_request


@method("single-use-queue")
@dataclass(frozen=True)
class SingleUse:
    """Settings of the single-use queue."""

    capacity: int | None = None
    """Most complete groups kept; the oldest goes first. None keeps all."""
    over_age: OverAge = "drop"
    """Beyond max_staleness: drop a group, or keep it unused (give a capacity then) and wait for fresh ones."""

    def __post_init__(self) -> None:
        c = self.capacity
        require(c is None or c >= 1, f"capacity is {c}", where="replay", mend="use 1 or more, or none")
        check_over_age(self.over_age)

    def open(self, *, seed: int, max_staleness: int | None = None) -> "SingleUseQueue":
        """An empty queue.

        Args:
            seed: taken as every replay takes it; the queue draws nothing.
            max_staleness: most versions a trajectory may lag behind the learner that trains on it; None is no bound.
        """
        return SingleUseQueue(self, AgeLimit(max_staleness, self.over_age))


class SingleUseQueue:
    """The live queue. A group lives and dies as one: it is selectable while its oldest member is within the bound.

    G is learnt from the first `sample`, which a learner makes before it first waits; until then arrivals are kept as
    they come, and `capacity`, which counts groups, does not bind.
    """

    def __init__(self, settings: SingleUse, age: AgeLimit) -> None:
        self._settings, self._age = settings, age
        self._arrivals: deque[Trajectory] = deque()
        self._filling: dict[str, list[Trajectory]] = {}
        self._ready: deque[list[Trajectory]] = deque()
        self._num_generations: int | None = None
        self._counts: Counter[str] = Counter()

    def add(self, trajectories: Sequence[Trajectory], *, version: int) -> int:
        """Queue trajectories arriving while the learner is at `version`; returns how many were admitted.

        Failed ones (reward None) are admitted, and counted as errors. Under "drop" one that is over age is refused.

        Raises:
            SteelyardError: a reward or log-probability is not finite; then nothing of the call is queued.
        """
        check_finite(trajectories)
        admitted = [t for t in trajectories if not self._age.refuses(t, version)]
        self._counts["admitted"] += len(admitted)
        self._counts["refused"] += len(trajectories) - len(admitted)
        self._counts["errors"] += sum(t.reward is None for t in admitted)
        self._arrivals.extend(admitted)
        if self._num_generations is not None:
            self._group(self._num_generations, version)
        return len(admitted)

    def sample(
        self, num_prompts: int, num_generations: int, *, version: int, draw: int
    ) -> list[list[Trajectory]] | None:
        """The P oldest complete groups within the age limit, each given once; None until there are P.

        A prompt that has completed two groups may fill two of the slots. `draw` is not used: nothing is random.

        Raises:
            SteelyardError: more prompts than `capacity` can ever hold, or another G than before.
        """
        check_request(num_prompts, num_generations)
        self._check_plan(num_prompts, num_generations)
        self._num_generations = num_generations
        self._group(num_generations, version)
        floor = self._age.floor(version)
        fresh, over_age = _split(self._ready, floor)
        if self._age.drops:
            self._ready = deque(fresh)
            self._counts["evicted"] += sum(map(len, over_age))
        if len(fresh) < num_prompts:
            return None
        chosen = {id(group) for group in fresh[:num_prompts]}
        self._ready = deque(group for group in self._ready if id(group) not in chosen)
        return fresh[:num_prompts]

    def metrics(self) -> Mapping[str, float]:
        """Trajectories and prompts now queued, and counts since the queue was opened, named `replay/...`."""
        queued = [*self._arrivals, *(t for group in (*self._filling.values(), *self._ready) for t in group)]
        now = {"replay/size": float(len(queued)), "replay/prompts": float(len({t.prompt_id for t in queued}))}
        return now | {f"replay/{name}": float(self._counts[name]) for name in COUNTERS}

    def _check_plan(self, num_prompts: int, num_generations: int) -> None:
        capacity, known = self._settings.capacity, self._num_generations
        require(
            capacity is None or num_prompts <= capacity,
            f"a step needs {num_prompts} groups, and capacity is {capacity}",
            where="replay",
            mend="raise capacity, or lower the number of prompts",
        )
        require(
            known in (None, num_generations),
            f"num_generations went from {known} to {num_generations}",
            where="replay",
            mend="open a new queue to change the size of groups",
        )

    def _group(self, num_generations: int, version: int) -> None:
        """Sort arrivals into groups. A group that went over age while filling is closed as it is; a new one begins."""
        floor = self._age.floor(version)
        while self._arrivals:
            trajectory = self._arrivals.popleft()
            group = self._filling.setdefault(trajectory.prompt_id, [])
            if group and _oldest(group) < floor:
                self._ready.append(group)
                group = self._filling[trajectory.prompt_id] = []
            group.append(trajectory)
            if len(group) == num_generations:
                self._ready.append(self._filling.pop(trajectory.prompt_id))
        while self._settings.capacity is not None and len(self._ready) > self._settings.capacity:
            self._counts["evicted"] += len(self._ready.popleft())


def _oldest(group: Sequence[Trajectory]) -> int:
    return min(trajectory.version for trajectory in group)


def _split(
    groups: Sequence[list[Trajectory]], floor: int | float
) -> tuple[list[list[Trajectory]], list[list[Trajectory]]]:
    """The groups whose members are all of version `floor` or newer, and the others; both in order."""
    fresh = [group for group in groups if _oldest(group) >= floor]
    return fresh, [group for group in groups if _oldest(group) < floor]
