"""One trajectory in full, as values for JSON: what the page shows, and what it copies."""

from dataclasses import asdict
from itertools import pairwise
from typing import Any

import numpy as np

from steelyard.core import Trajectory
from steelyard.core.json import JsonObject
from steelyard.replay.browse import StoredRow
from steelyard.replay.events import Cause
from steelyard.report.watch.texts import Texts

MAX_TOKENS = 20_000
"""Tokens of a trajectory that are shown."""


def episode_values(row: StoredRow, t: Trajectory, texts: Texts, beta: float | None, why: Cause | None) -> JsonObject:
    """All that is known of a trajectory.

    Args:
        row: where it is stored.
        t: the trajectory.
        texts: of its run.
        beta: the objective's at the version of the weights that sampled it, where it has one.
        why: why it was removed, where that is known.
    """
    ids = t.tokens_T[:MAX_TOKENS].tolist()
    columns = {"logp": t.logp_behaviour_T, "logp_ref": t.logp_ref_T, "version": t.version_T, "reward": t.reward_T}
    drawn = {name: _column(column) for name, column in columns.items() if column is not None}
    shown = ("digest", "ref_version", "finish", "reward_parts", "info", "labels")
    return {
        **row._asdict(),
        "why": why,
        "staleness_at_arrival": row.arrived - row.version,
        **{name: getattr(t, name) for name in shown},
        "sampling": asdict(t.sampling),
        **_residual(t, beta),
        "tokens_left_out": len(t.tokens_T) - len(ids),
        "turns": turns_of(t),
        "tokens": {"id": ids, "text": texts.pieces(ids), **drawn},
        "problem": texts.problem,
    }


def _residual(t: Trajectory, beta: float | None) -> JsonObject:
    """beta (log pi - log pi_ref) - r of the policy that sampled it, in reward units, where all of it is known."""
    if beta is None or t.logp_ref_T is None:
        return {}
    ratio = float((t.logp_behaviour_T - t.logp_ref_T)[t.action_T].sum())
    return {"beta": beta, "residual": None if t.reward is None else beta * ratio - t.reward}


def _column(column: np.ndarray) -> list[float]:
    return [round(float(value), 5) for value in column[:MAX_TOKENS]]


def parts_of(t: Trajectory) -> tuple[list[int], list[int]]:
    """Tokens of the prompt, and all that follow: the completion, with what an environment said between its turns."""
    acted = np.flatnonzero(t.action_T)
    begin = int(acted[0]) if len(acted) else len(t.tokens_T)
    return t.tokens_T[:begin].tolist(), t.tokens_T[begin:].tolist()


def turns_of(t: Trajectory) -> list[dict[str, Any]]:
    """Stretches of tokens by one speaker: `by` is "prompt", "policy" or "environment"; from `begin` to before `end`."""
    cuts = [0, *(np.flatnonzero(np.diff(t.action_T)) + 1).tolist(), len(t.tokens_T)]
    turns = [(begin, end, bool(t.action_T[begin])) for begin, end in pairwise(cuts) if end > begin]
    by = ["policy" if acted else "environment" if i else "prompt" for i, (_, _, acted) in enumerate(turns)]
    return [{"by": name, "begin": begin, "end": end} for name, (begin, end, _) in zip(by, turns, strict=True)]
