"""Answers about a run's buffer: pages of trajectories, one trajectory in full, and what the buffer is made of.

Each answer opens the file read-only and closes it again: a reader that stays would keep the run's log
from being emptied.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from steelyard.core import Trajectory, require
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.replay import browse
from steelyard.replay.browse import Filter, StoredRow
from steelyard.replay.events import Cause
from steelyard.replay.inspect import View, open_view
from steelyard.replay.row_index import RowIndex
from steelyard.report.watch.asked import Asked
from steelyard.report.watch.betas import Betas
from steelyard.report.watch.buffer_figures import buffer_figures
from steelyard.report.watch.episode import episode_values, parts_of, turns_of
from steelyard.report.watch.pace import EVERY, pause
from steelyard.report.watch.prompt_texts import PromptTexts
from steelyard.report.watch.texts import Texts
from steelyard.report.watch.values import figure_values
from steelyard.runtime.factories import BUFFER

PAGE = 50
"""Most trajectories of a page."""
BUDGET = 0.1
"""Seconds that one answer reads texts for; the next one goes on."""
PREVIEW = 240
"""Characters of a prompt or a completion in a list."""
_CHUNK = 64


def _part(settings: JsonMapping, name: str) -> JsonMapping:
    """Settings within settings; none where something else stands there."""
    found = settings.get(name)
    return found if isinstance(found, dict) else {}


class Browser:
    """The trajectories of one run.

    Args:
        directory: the run's.
        config: its config.json.
    """

    def __init__(self, directory: Path, config: JsonMapping) -> None:
        settings = _part(config, "run")
        self._path = directory / BUFFER
        self._texts = Texts(directory, str(settings.get("model", "")))
        self._betas = Betas(directory, settings)
        self._index = RowIndex()
        self._prompts = PromptTexts(self._texts)
        self._asked: tuple[object, np.ndarray] = (None, np.empty(0, np.int64))
        self._lock = threading.Lock()
        self._made: JsonObject = {}
        self._due = 0.0
        """When `_made`, the last answer about the whole buffer, is to be made anew."""

    @property
    def exists(self) -> bool:
        """True where the run has a buffer."""
        return self._path.exists()

    def page(self, asked: Asked) -> JsonObject:
        """Up to `PAGE` trajectories. An answer stops reading texts after `BUDGET` seconds.

        Returns:
            `rows`; `total` that pass the filter; `next`, the offset to go on at, None at the end; `until`, see
            `Filter`; `newest` number in the file; `problem`, why token ids stand for text; `unread`, how many prompts
            are to be read before a filter by prompt can answer: while there are any, there are no rows and no total.

        Raises:
            SteelyardError: there is no buffer, or its file is damaged.
        """
        with self._lock, open_view(self._path) as view:
            self._texts.tokenizer()
            end = time.monotonic() + BUDGET
            self._update(view)
            newest = int(self._index.seq_R[-1]) if len(self._index.seq_R) else 0
            unread = self._prompts.read(view, self._index, end) if asked.prompt else 0
            wanted = self._filter(asked, newest, named=unread == 0)
            ordered = np.empty(0, np.int64) if unread else self._sequence(wanted, asked)
            if unread:
                seqs, reached = [], asked.offset
            elif asked.text:
                seqs, reached = self._search(view, ordered, asked, end)
            else:
                seqs = ordered[asked.offset : asked.offset + PAGE].tolist()
                reached = asked.offset + len(seqs)
            rows = browse.stored(self._index, seqs)
            bodies = browse.bodies(view, seqs)
        listed = [self._listed(row, bodies[row.seq]) for row in rows if row.seq in bodies]
        following = reached if reached < len(ordered) else None
        return {"rows": listed, "total": len(ordered), "next": following, "until": wanted.until, "newest": newest,
                "problem": self._texts.problem, "unread": unread}  # fmt: skip

    def _filter(self, asked: Asked, newest: int, *, named: bool) -> Filter:
        """What is asked for, with the prompts that it names if they are known, up to a trajectory that stays."""
        prompts = self._prompts.having(asked.prompt, self._index) if asked.prompt and named else None
        until = newest if asked.filter.until is None else asked.filter.until
        return replace(asked.filter, prompts=prompts, until=until)

    def _update(self, view: View) -> None:
        if self._index.update(view):
            self._texts.forget()
            self._asked = (None, np.empty(0, np.int64))

    def _sequence(self, wanted: Filter, asked: Asked) -> np.ndarray:
        """`browse.sequence`, kept for the next page of the same question."""
        key = (wanted, asked.order, self._index.position)
        if self._asked[0] != key:
            self._asked = (key, browse.sequence(self._index, wanted, asked.order))
        return self._asked[1]

    def _search(self, view: View, ordered: np.ndarray, asked: Asked, end: float) -> tuple[list[int], int]:
        """Numbers of the trajectories that have the text, and the offset reached by the moment `end`."""
        wanted = asked.text.casefold()
        found: list[int] = []
        reached = asked.offset
        while reached < len(ordered) and len(found) < PAGE and (reached == asked.offset or time.monotonic() < end):
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
        prompt, completion = parts_of(trajectory)
        # A token has at least one character in most vocabularies, so the first PREVIEW of them suffice.
        texts = {
            "asked": self._texts.of_tokens(prompt[:PREVIEW])[:PREVIEW],
            "said": self._texts.of_tokens(completion[:PREVIEW])[:PREVIEW],
        }
        facts = row._asdict() | {"prompt": row.prompt[:PREVIEW], "prompt_id": row.prompt}
        return facts | texts | {"finish": trajectory.finish, "turns": len(turns_of(trajectory)) - 1}

    def newest(self, rows: int, tokens: int) -> JsonObject:
        """The newest trajectories in full, removed ones that are still in the file included.

        Args:
            rows: most of them.
            tokens: most that they have together; the newest one is there anyhow.

        Returns:
            `rows` as of `page`, `episodes` as of `trajectory`, `total` in the file, `problem`, and `figures` of what is
            stored now.

        Raises:
            SteelyardError: there is no buffer, or its file is damaged.
        """
        with self._lock, open_view(self._path) as view:
            self._update(view)
            newest = browse.stored(
                self._index, browse.sequence(self._index, Filter(state="all"), "newest")[:rows].tolist()
            )
            fit = np.cumsum([row.length for row in newest]) <= tokens
            kept = newest[: max(1, int(fit.sum()))]
            seqs = [row.seq for row in kept]
            bodies, causes = browse.bodies(view, seqs), browse.causes(view, seqs)
        listed = [self._listed(row, bodies[row.seq]) for row in kept]
        episodes = [self._episode(row, bodies[row.seq], causes.get(row.seq)) for row in kept]
        return {"rows": listed, "episodes": episodes, "total": len(self._index.seq_R),
                "problem": self._texts.problem, "figures": buffer_figures(self._index)}  # fmt: skip

    def trajectory(self, seq: int) -> JsonObject:
        """One trajectory in full.

        Raises:
            SteelyardError: the buffer no longer holds it, or its file is damaged.
        """
        with self._lock, open_view(self._path) as view:
            self._update(view)
            rows = browse.stored(self._index, [seq])
            bodies, causes = browse.bodies(view, [seq]), browse.causes(view, [seq])
        require(bool(rows) and seq in bodies, "is no longer in the buffer", where=f"trajectory {seq}", hint="go back")
        return self._episode(rows[0], bodies[seq], causes.get(seq))

    def _episode(self, row: StoredRow, trajectory: Trajectory, why: Cause | None) -> JsonObject:
        return episode_values(row, trajectory, self._texts, self._betas.at(row.version), why)

    def buffer(self) -> JsonObject:
        """Counts, distributions, what the buffer was made of over time, and when to ask again (`again_s`).

        Raises:
            SteelyardError: there is no buffer, or its file is damaged.
        """
        with self._lock:
            if time.monotonic() >= self._due:
                begun = time.thread_time()
                self._made = self._composed()
                self._due = time.monotonic() + pause(time.thread_time() - begun)
            return self._made | {"again_s": max(EVERY, self._due - time.monotonic())}

    def _composed(self) -> JsonObject:
        index = self._index
        with open_view(self._path) as view:
            self._update(view)
            counted = view.counters()
        live_R = index.gone_R == 0
        facts = {
            "trajectories": int(live_R.sum()),
            "prompts": len(np.unique(index.prompt_R[live_R])),
            "removed, still in the file": int((~live_R).sum()),
            "events": index.position,
            "bytes": self._path.stat().st_size,
        }
        counts = {f"{name.replace('_', ' ')}, so far": value for name, value in counted.items() if value}
        return {"facts": facts | counts, "figures": [figure_values(figure) for figure in buffer_figures(index)]}
