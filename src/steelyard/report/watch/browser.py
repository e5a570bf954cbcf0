"""Answers about a run's buffer: pages of trajectories, one trajectory in full, and what the buffer is made of.

Each answer opens the file read-only and closes it again: a reader that stays would keep the run's log
from being emptied.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.core import Trajectory, require
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.replay import browse
from steelyard.replay.browse import Filter, Order, StoredRow
from steelyard.replay.inspect import View, open_view
from steelyard.replay.row_index import RowIndex
from steelyard.report.blocks import Figure
from steelyard.report.plots import Areas, Bars, histogram
from steelyard.report.watch.pace import pause
from steelyard.report.watch.texts import Texts
from steelyard.report.watch.values import figure_values
from steelyard.runtime.factories import BUFFER

PAGE = 50
"""Most trajectories of a page."""
BUDGET = 0.1
"""Seconds that one answer searches texts for; the next one goes on."""
PREVIEW = 240
"""Characters of a prompt or a completion in a list."""
MAX_TOKENS = 20_000
"""Tokens of a trajectory that are shown."""
_CHUNK = 64
_BARS = 12
"""Of a histogram, one for each value; with more values, twice as many of equal width."""


class Browser:
    """The trajectories of one run.

    Args:
        directory: the run's.
        config: its config.json.
    """

    def __init__(self, directory: Path, config: JsonMapping) -> None:
        settings = config.get("run")
        self._settings: JsonMapping = settings if isinstance(settings, dict) else {}
        self._path = directory / BUFFER
        self._texts = Texts(directory, str(self._settings.get("model", "")))
        self._index = RowIndex()
        self._asked: tuple[object, np.ndarray] = (None, np.empty(0, np.int64))
        self._lock = threading.Lock()

    @property
    def exists(self) -> bool:
        """True where the run has a buffer."""
        return self._path.exists()

    def page(self, asked: Filter, order: Order, *, text: str = "", offset: int = 0) -> JsonObject:
        """Up to `PAGE` trajectories from the one at `offset` on.

        Args:
            asked: what else must hold.
            order: which come first.
            text: a part of the prompt's or the completion's text; an answer stops looking after `BUDGET` seconds.
            offset: number of trajectories that pass `asked` before the first one looked at.

        Returns:
            `rows`; `total` that pass `asked`; `next`, the offset to go on at, None at the end; `until`, see `Filter`;
            `newest` number in the file; `problem`, why token ids stand for text.

        Raises:
            SteelyardError: there is no buffer, or its file is damaged.
        """
        with self._lock, open_view(self._path) as view:
            self._index.update(view)
            newest = int(self._index.seq_R[-1]) if len(self._index.seq_R) else 0
            asked = asked if asked.until is not None else replace(asked, until=newest)
            ordered = self._sequence(asked, order)
            if text:
                seqs, reached = self._search(view, ordered, text, offset)
            else:
                seqs = ordered[offset : offset + PAGE].tolist()
                reached = offset + len(seqs)
            rows = browse.stored(self._index, seqs)
            bodies = browse.bodies(view, seqs)
        listed = [self._listed(row, bodies[row.seq]) for row in rows if row.seq in bodies]
        following = reached if reached < len(ordered) else None
        return {"rows": listed, "total": len(ordered), "next": following, "until": asked.until, "newest": newest,
                "problem": self._texts.problem}  # fmt: skip

    def _sequence(self, asked: Filter, order: Order) -> np.ndarray:
        """`browse.sequence`, kept for the next page of the same question."""
        key = (asked, order, self._index.position)
        if self._asked[0] != key:
            self._asked = (key, browse.sequence(self._index, asked, order))
        return self._asked[1]

    def _search(self, view: View, ordered: np.ndarray, text: str, offset: int) -> tuple[list[int], int]:
        """Numbers of the trajectories that have the text, and the offset reached."""
        self._texts.tokenizer()
        end = time.monotonic() + BUDGET
        wanted = text.casefold()
        found: list[int] = []
        reached = offset
        while reached < len(ordered) and len(found) < PAGE and (reached == offset or time.monotonic() < end):
            chunk = ordered[reached : reached + _CHUNK].tolist()
            texts = self._whole(view, chunk)
            for seq in chunk:
                reached += 1
                if wanted in texts.get(seq, ""):
                    found.append(seq)
                if len(found) == PAGE:
                    break
        return found, reached

    def _whole(self, view: View, seqs: Sequence[int]) -> dict[int, str]:
        known = {seq: text for seq in seqs if (text := self._texts.known(seq)) is not None}
        bodies = browse.bodies(view, [seq for seq in seqs if seq not in known])
        return known | {seq: self._texts.whole(seq, body) for seq, body in bodies.items()}

    def _listed(self, row: StoredRow, trajectory: Trajectory) -> JsonObject:
        prompt, completion = _parts(trajectory)
        # A token has at least one character in most vocabularies, so the first PREVIEW of them suffice.
        texts = {
            "asked": self._texts.of_tokens(prompt[:PREVIEW])[:PREVIEW],
            "said": self._texts.of_tokens(completion[:PREVIEW])[:PREVIEW],
        }
        facts = row._asdict() | {"prompt": row.prompt[:PREVIEW], "prompt_id": row.prompt}
        return facts | texts | {"finish": trajectory.finish, "turns": len(_turns(trajectory)) - 1}

    def trajectory(self, seq: int) -> JsonObject:
        """One trajectory in full.

        Raises:
            SteelyardError: the buffer no longer holds it, or its file is damaged.
        """
        with self._lock, open_view(self._path) as view:
            self._index.update(view)
            rows = browse.stored(self._index, [seq])
            bodies = browse.bodies(view, [seq])
        require(bool(rows) and seq in bodies, "is no longer in the buffer", where=f"trajectory {seq}", hint="go back")
        return self._whole_values(rows[0], bodies[seq])

    def _whole_values(self, row: StoredRow, t: Trajectory) -> JsonObject:
        ids = t.tokens_T[:MAX_TOKENS].tolist()
        columns = {"logp": t.logp_behaviour_T, "logp_ref": t.logp_ref_T, "version": t.version_T, "reward": t.reward_T}
        drawn = {name: _column(column) for name, column in columns.items() if column is not None}
        shown = ("digest", "ref_version", "finish", "reward_parts", "info", "labels")
        return {
            **row._asdict(),
            "staleness_at_arrival": row.arrived - row.version,
            **{name: getattr(t, name) for name in shown},
            "sampling": asdict(t.sampling),
            **self._residual(t),
            "tokens_left_out": len(t.tokens_T) - len(ids),
            "turns": _turns(t),
            "tokens": {"id": ids, "text": self._texts.pieces(ids), **drawn},
            "problem": self._texts.problem,
        }

    def _residual(self, t: Trajectory) -> JsonObject:
        """beta (log pi - log pi_ref) - r of the policy that sampled it, in reward units, where all of it is known."""
        objective = self._settings.get("objective")
        beta = objective.get("beta") if isinstance(objective, dict) else None
        if not isinstance(beta, int | float) or t.logp_ref_T is None:
            return {}
        ratio = float((t.logp_behaviour_T - t.logp_ref_T)[t.action_T].sum())
        return {"beta": beta, "residual": None if t.reward is None else beta * ratio - t.reward}

    def buffer(self) -> JsonObject:
        """Counts, distributions, what the buffer was made of over time, and when to ask again (`again_s`).

        Raises:
            SteelyardError: there is no buffer, or its file is damaged.
        """
        begun = time.thread_time()
        with self._lock, open_view(self._path) as view:
            self._index.update(view)
            index = self._index
            counted = view.counters()
            live_R = index.gone_R == 0
            figures = _spreads(index, live_R)
            made = browse.composition(index)
        if made is not None and len(made.at_M) > 1:
            figures.insert(0, _composition(made))
        facts = {
            "trajectories": int(live_R.sum()),
            "prompts": len(np.unique(index.prompt_R[live_R])),
            "removed, still in the file": int((~live_R).sum()),
            "events": index.position,
            "bytes": self._path.stat().st_size,
        }
        counts = {f"{name.replace('_', ' ')}, so far": value for name, value in counted.items() if value}
        again = pause(time.thread_time() - begun)
        return {"facts": facts | counts, "figures": [figure_values(figure) for figure in figures], "again_s": again}


def _column(column: np.ndarray) -> list[float]:
    return [round(float(value), 5) for value in column[:MAX_TOKENS]]


def _parts(t: Trajectory) -> tuple[list[int], list[int]]:
    """Tokens of the prompt, and all that follow: the completion, with what an environment said between its turns."""
    acted = np.flatnonzero(t.action_T)
    begin = int(acted[0]) if len(acted) else len(t.tokens_T)
    return t.tokens_T[:begin].tolist(), t.tokens_T[begin:].tolist()


def _turns(t: Trajectory) -> list[dict[str, Any]]:
    """Stretches of tokens by one speaker: `by` is "prompt", "policy" or "environment"; from `begin` to before `end`."""
    cuts = [0, *(np.flatnonzero(np.diff(t.action_T)) + 1).tolist(), len(t.tokens_T)]
    turns = [(begin, end, bool(t.action_T[begin])) for begin, end in pairwise(cuts) if end > begin]
    by = ["policy" if acted else "environment" if i else "prompt" for i, (_, _, acted) in enumerate(turns)]
    return [{"by": name, "begin": begin, "end": end} for name, (begin, end, _) in zip(by, turns, strict=True)]


def _spreads(index: RowIndex, live_R: np.ndarray) -> list[Figure]:
    """Histograms of what is stored now."""
    plots = [_rewards(index.reward_R[live_R])]
    for name, column_R, x in (("versions", index.version_R, "weight version"), ("lengths", index.length_R, "tokens")):
        values, counts = np.unique(column_R[live_R], return_counts=True)
        text = f"What is stored now, by {x}: {_span(values, column_R[live_R])}"
        counted = dict(zip(values.tolist(), counts.tolist(), strict=True))
        plots.append(histogram(f"stored-{name}", text, counted, x=x, y="trajectories"))
    return [Figure(plot, plot.alt) for plot in plots if plot is not None]


def _rewards(reward_R: np.ndarray) -> Bars | None:
    """A bar for each of a few rewards, else bars of equal width; None without a reward."""
    known = reward_R[np.isfinite(reward_R)]
    if not len(known):
        return None
    values, counts = np.unique(known, return_counts=True)
    width = 0.8 * float(np.diff(values).min()) if len(values) > 1 else 0.8
    lefts = values - width / 2
    if len(values) > _BARS:
        counts, edges = np.histogram(known, bins=2 * _BARS)
        lefts, width = edges[:-1], float(edges[1] - edges[0])
    text = f"What is stored now, by reward: {_span(values, known)}"
    return Bars("stored-rewards", text, lefts, counts, width, "reward", "trajectories")


def _span(values: np.ndarray, all: np.ndarray) -> str:
    return f"{values.min():.4g} to {values.max():.4g}, mean {all.mean():.4g}." if len(values) else "nothing."


def _composition(made: browse.Composition) -> Figure:
    ends = (int(made.at_M[0]), int(made.at_M[-1]))
    text = "Shares of the buffer by the version of the weights that sampled it."
    plot = Areas(
        "composition", text, made.at_M.astype(float), made.labels, made.share_BM.tolist(), ends, "share of the buffer"
    )
    return Figure(plot, f"{text} What was deleted from the file is missing in early moments.")
