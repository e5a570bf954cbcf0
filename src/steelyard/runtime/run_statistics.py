"""Counts and scores that a run collects while it goes on, and the summary it ends with."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from steelyard.core import SteelyardError, Trajectory
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.runtime.run_dir.records import to_json


class _State(msgspec.Struct, forbid_unknown_fields=True):
    trajectories: int
    errors: int
    steps: int
    last_error: str | None
    staleness: dict[int, int]
    evaluations: list[JsonObject]
    fresh: list[float]
    parts: dict[str, tuple[float, int]] = {}
    endings: dict[str, tuple[float, int]] = {}


class RunStatistics:
    """Counts trajectories, staleness and scores over a run."""

    def __init__(self) -> None:
        self.trajectories = self.errors = self.steps = 0
        self.last_error: str | None = None
        self.staleness: Counter[int] = Counter()
        self.evaluations: list[JsonMapping] = []
        self._fresh: list[float] = []
        self._parts: dict[str, tuple[float, int]] = {}
        """Part of a reward -> its sum over what was found since the last step, and how many had it."""
        self._endings: dict[str, tuple[float, int]] = {}
        """The same of how completions ended: `ending_of`; and of the entropy of tokens."""

    def found(self, trajectories: Sequence[Trajectory]) -> None:
        """Count what searchers found."""
        self.trajectories += len(trajectories)
        failed = [t for t in trajectories if not t.valid]
        self.errors += len(failed)
        self.last_error = next((t.info["error"] for t in reversed(failed) if "error" in t.info), self.last_error)
        self._fresh += [t.reward for t in trajectories if t.reward is not None and t.valid]
        for name, value in (part for t in trajectories if t.valid for part in t.reward_parts.items()):
            _add(self._parts, name, float(value))
        for name, value in (gauge for t in trajectories for gauge in ending_of(t).items()):
            _add(self._endings, name, value)
        for trajectory in trajectories:
            _add_entropy(self._endings, trajectory)

    def stepped(self, metrics: JsonMapping) -> JsonObject:
        """Count a learner step; returns the metrics with the mean reward of what was found since the last one, the mean
        of each part of it, how completions ended, and the entropy of the tokens that were sampled."""
        self.steps += 1
        self.staleness.update({int(s): n for s, n in metrics["batch/staleness"].items()})
        fresh = self._fresh
        self._fresh = []
        parts = {f"search/reward/{name}": total / number for name, (total, number) in self._parts.items()}
        endings = {f"search/{name}": total / number for name, (total, number) in self._endings.items()}
        self._parts = {}
        self._endings = {}
        return {
            **metrics,
            **parts,
            **endings,
            "search/reward_mean": sum(fresh) / len(fresh) if fresh else None,
            "search/errors": self.errors,
        }

    def why_no_batch(self, replay: Mapping[str, float]) -> str:
        """What replay holds, and what the verifier said last, for the message of a stall."""
        held = ", ".join(f"{name.removeprefix('replay/')} {value:g}" for name, value in replay.items() if value)
        return f"replay: {held or 'empty'}" + (f"; last verifier error: {self.last_error}" if self.last_error else "")

    def evaluated(self, row: JsonMapping) -> None:
        """Keep an evaluation."""
        self.evaluations.append(row)

    def state(self) -> JsonObject:
        """All that a resume needs, as JSON reads it back: a measurement that is not finite is None."""
        state = {
            "trajectories": self.trajectories,
            "errors": self.errors,
            "steps": self.steps,
            "last_error": self.last_error,
            "staleness": self.staleness,
            "evaluations": self.evaluations,
            "fresh": self._fresh,
            "parts": self._parts,
            "endings": self._endings,
        }
        return json.loads(to_json(state))

    def restore(self, state: JsonMapping) -> None:
        """Go on from a `state`.

        Raises:
            SteelyardError: not a state of run statistics.
        """
        try:
            kept = msgspec.convert(state, _State, str_keys=True)
        except msgspec.ValidationError as error:
            hint = "resume from another checkpoint"
            raise SteelyardError(str(error), where="statistics state", hint=hint) from error
        self.trajectories = kept.trajectories
        self.errors = kept.errors
        self.steps = kept.steps
        self.last_error = kept.last_error
        self.staleness = Counter(kept.staleness)
        self.evaluations = [*kept.evaluations]
        self._fresh = kept.fresh
        self._parts = kept.parts
        self._endings = kept.endings

    def result(self) -> JsonObject:
        """The summary: staleness, and each score before and after."""
        uses = self.staleness.total()
        summary: JsonObject = {
            "steps": self.steps,
            "trajectories": self.trajectories,
            "verifier_errors": self.errors,
            "staleness_mean": sum(s * n for s, n in self.staleness.items()) / uses if uses else None,
            "staleness_max": max(self.staleness, default=None),
        }
        if self.evaluations:
            first = self.evaluations[0]
            last = self.evaluations[-1]
            summary["accuracy_before"] = first.get("eval/accuracy")
            summary["accuracy_after"] = last.get("eval/accuracy")
            if "eval/verifier_accuracy" in last:
                summary["verifier_accuracy_before"] = first.get("eval/verifier_accuracy")
                summary["verifier_accuracy_after"] = last["eval/verifier_accuracy"]
            if "eval/total_variation" in last:
                distances = [row["eval/total_variation"] for row in self.evaluations]
                known = [distance for distance in distances if distance is not None]
                summary |= {
                    "total_variation_before": distances[0],
                    "total_variation": distances[-1],
                    "total_variation_lowest": min(known, default=None),
                    "log_z_error": last["eval/log_z_error"],
                }
        return summary


def ending_of(trajectory: Trajectory) -> dict[str, float]:
    """How a completion ended, as numbers whose means are gauges: `truncated` (1 where it reached a limit),
    `length_mean` (tokens), and of those alone that ended by themselves `length_stopped`."""
    if trajectory.finish == "error":
        return {}
    length = float(trajectory.action_T.sum())
    stopped = trajectory.finish == "stop"
    return {"truncated": float(not stopped), "length_mean": length, **({"length_stopped": length} if stopped else {})}


def _add(means: dict[str, tuple[float, int]], name: str, value: float, weight: int = 1) -> None:
    total, number = means.get(name, (0.0, 0))
    means[name] = (total + value, number + weight)


def _add_entropy(means: dict[str, tuple[float, int]], trajectory: Trajectory) -> None:
    """Add to `entropy`, the sampled estimate of the policy's entropy in nats per token:

        - sum over sampled tokens of log p(token) / their number

    Its mean is the entropy of the next token where tokens are sampled from p itself: p is what the engine sampled from,
    at its temperature. Where top-p or top-k cuts p, or a decode rule chooses, it is no estimate of that.
    """
    acted_T = trajectory.action_T
    if trajectory.finish != "error" and acted_T.any():
        logp = float(trajectory.logp_behaviour_T[acted_T].sum(dtype="float64"))
        _add(means, "entropy", -logp, int(acted_T.sum()))
