"""What a verifier said, written on the trajectory; a failure leaves the reward absent and is never a reward of 0.

`info` keeps what the verifier took for the answer, and from where: `read` and `read_from`. A failed trajectory also
keeps there what a person needs to look into it: `error`, and `completion`, its text.
"""

import math
from collections.abc import Sequence

from steelyard.core import Episode, Reward, Score, Trajectory, require
from steelyard.core.copies import own, own_episodes
from steelyard.core.waiting import waiting

LONGEST_READING = 200
"""Characters of an answer that are kept in records."""


def scores_of(episodes: Sequence[Episode], score: Reward) -> list[Score]:
    """One score for each episode; those whose generation or environment failed are not shown to the verifier.

    The verifier gets copies: what it changes, it changes for itself alone.
    """
    whole = [e for e in episodes if e.trajectory.finish != "error"]
    with waiting(f"scoring {len(whole)} completions with {scorer_name(score)}"):
        scores = score(own_episodes(whole)) if whole else []
    what = f"{len(scores)} scores for {len(whole)} completions"
    require(len(scores) == len(whole), what, where="verifier", hint="return one score for each, in order")
    given = iter(scores)
    return [e.outcome or Score(None) if e.trajectory.finish == "error" else next(given) for e in episodes]


def scorer_name(score: Reward) -> str:
    """Who scores, for messages: a reward says so itself, and a task's method is the verifier of its class."""
    owner = getattr(score, "__self__", score)
    named = type(owner).__str__ is not object.__str__
    return str(owner) if named else f"the verifier of {type(owner).__name__}"


def attach_scores(trajectories: Sequence[Trajectory], scores: Sequence[Score]) -> list[Trajectory]:
    """The trajectories with their scores.

    Raises:
        SteelyardError: the verifier gave another number of scores.
    """
    what = f"{len(scores)} scores for {len(trajectories)} completions"
    require(len(scores) == len(trajectories), what, where="verifier", hint="return one score for each, in order")
    return [attach_score(t, s) for t, s in zip(trajectories, scores, strict=True)]


def attach_score(trajectory: Trajectory, score: Score) -> Trajectory:
    """The trajectory with its verifier's answer; the text, in `info["completion"]`, stays only with a failure."""
    trajectory = trajectory.replace(info={**trajectory.info, **score.info}) if score.info else trajectory
    error = _failure(trajectory, score)
    if error is not None:
        return trajectory.replace(reward=None, info={**trajectory.info, **reading_of(score), "error": error})
    info = {name: value for name, value in trajectory.info.items() if name != "completion"} | reading_of(score)
    labels = {**trajectory.labels, **score.labels}
    parts = dict(score.parts)
    # the verifier may go on using its array; where it labels no steps, labels that are there stay
    steps_T = trajectory.reward_T if score.reward_T is None else own(score.reward_T)
    return trajectory.replace(reward=score.value, reward_parts=parts, info=info, reward_T=steps_T, labels=labels)


def reading_of(score: Score) -> dict[str, str]:
    """What the verifier took for the answer, at most `LONGEST_READING` characters of it, and from where."""
    if score.read is None:
        return {}
    cut = len(score.read) > LONGEST_READING
    read = f"{score.read[:LONGEST_READING]}..." if cut else score.read
    return {"read": read, "read_from": score.read_from}


def _failure(trajectory: Trajectory, score: Score) -> str | None:
    """Why there is no reward, or None where there is one."""
    if trajectory.finish == "error":
        return score.error or trajectory.info.get("error") or "its generation failed"
    if score.error is not None or score.value is None:
        return score.error or "the verifier gave no score and no reason"
    return None if math.isfinite(score.value) else f"the verifier gave {score.value}, which is no finite number"
