"""A world in which a whole run takes a fraction of a second, and runs that leave behind what a kill would leave."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from steelyard.core import Episode, Prompt, Score
from steelyard.curriculum import Dump, UCBoost
from steelyard.decode import CNTP
from steelyard.objective import DrGRPO, LearnedZTB, VarGradTB
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.runtime import HeldOut, Inline, Records, Run, VirtualClock
from steelyard.runtime.inline.events import Event
from steelyard.runtime.inline.faults import Faults
from steelyard.runtime.run import Restarts
from steelyard.runtime.run_dir import checkpoint
from steelyard.task import Enumerable


@dataclass(frozen=True)
class Letters:
    """The enumerable world's rewards on six prompts of two letters; completions have three."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        return [Prompt(f"{split}-{text}", text) for text in ("ab", "cd", "ef", "gh", "ij", "bi")]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        return Enumerable().score(episodes)


@dataclass(frozen=True)
class Parted(Letters):
    """The same in two domains."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        return [Prompt(p.id, p.text, {"domain": i % 2}) for i, p in enumerate(super().prompts(split))]


SMALL = Run(
    task=Letters(),
    objective=VarGradTB(beta=0.1),
    model="steelyard/enumerable",
    runtime="inline",
    max_steps=4,
    learning_rate=1e-2,
    num_prompts=2,
    num_generations=3,
    search_prompts=2,
    max_completion_length=3,
    save_steps=2,
    evaluation=HeldOut(every=3, prompts=2, sampled_prompts=1, samples=2),
)
"""Four steps of trajectory balance on six prompts."""


FAULTS = Faults(crash=0.15, hang=0.1, lose=0.4, corrupt=0.15, verifier=0.2)
QUEUE = replace(SMALL, objective=DrGRPO(max_length=3), replay=SingleUse(), num_searchers=2,
                inline=VirtualClock(search_cost=1.5, publication_lag=1))  # fmt: skip
SLOW = VirtualClock(search_cost=3.0)
RECIPES = {
    "two searchers with lag": replace(
        SMALL,
        num_searchers=2,
        inline=VirtualClock(search_cost=2.5, publication_lag=2),
        replay=PrioritizedReplay(reward_temperature=1.0, capacity_per_prompt=5, capacity=20),
    ),
    "queue": replace(QUEUE, max_steps=3, save_steps=1),
    "faults": replace(
        SMALL, seed=3, max_steps=3, num_searchers=3, inline=VirtualClock(search_deadline=4.0, faults=FAULTS)
    ),
    "long with faults": replace(
        SMALL,
        max_steps=16,
        num_searchers=3,
        inline=VirtualClock(search_deadline=4.0, faults=FAULTS),
        restarts=Restarts(limit=30, window=20.0),
    ),
    "learned log Z": replace(SMALL, objective=LearnedZTB(beta=0.1), inline=VirtualClock(learn_cost=0.0)),
    "adapters": replace(SMALL, lora_rank=2, lora_dropout=0.5),
    "reference resets and beta falls": replace(
        SMALL, reference_reset=2, beta_final=0.05, beta_steps=5, weight_sync_steps=3, save_steps=1
    ),
    "over age is dropped": replace(SMALL, max_staleness=1, inline=SLOW),
    "over age waits": replace(SMALL, max_staleness=1, replay=PrioritizedReplay(over_age="wait"), inline=SLOW),
    "draws by age and sample size": replace(
        SMALL,
        num_searchers=2,
        max_steps=5,
        inline=VirtualClock(search_cost=2.5, publication_lag=1),
        replay=PrioritizedReplay(
            recent_slots="count", newest_share=0.5, priority="abs-advantage", reward_temperature=0.5, age_decay=0.5,
            min_ess=0.3,
        ),
    ),
    "domains by dump": replace(
        SMALL, task=Parted(), curriculum=Dump(window=8), num_searchers=2, max_steps=5,
        inline=VirtualClock(search_cost=1.5, search_deadline=4.0, faults=Faults(crash=0.1, corrupt=0.1, verifier=0.2)),
    ),
    "domains by ucboost": replace(SMALL, task=Parted(), curriculum=UCBoost(), num_searchers=2),
    "decode rule": replace(SMALL, decode=CNTP(n_min=2, n_max=4, ends="aeiou"), num_searchers=2),
    "one checkpoint kept": replace(QUEUE, keep_checkpoints=1, save_steps=1),
}  # fmt: skip


class Filmed(Inline):
    """A run that copies its directory after every event, and at the dangerous moments of a checkpoint.

    A copy holds what a SIGKILL at that moment leaves behind: whatever was written, and nothing closed.
    """

    def film(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Copies go to `directory`/0, 1, ..."""
        self._film, self._frames = directory, 0
        for step in ("seal", "rotate"):
            monkeypatch.setattr(checkpoint, step, self._shooting(getattr(checkpoint, step)))

    def _shooting(self, then: Callable[..., Any]) -> Callable[..., Any]:
        def shoot_first(*args: Any) -> Any:
            self._shoot()
            return then(*args)

        return shoot_first

    def _shoot(self) -> None:
        shutil.copytree(self.records.directory, self._film / str(self._frames))
        self._frames += 1

    def advance(self) -> Event:
        event = super().advance()
        self._shoot()
        return event

    def save(self) -> Path:
        made = super().save()
        self._shoot()
        return made


def film(run: Run, directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Make a whole run in `directory`/whole; returns what a kill would have left at each of its moments."""
    with Records(directory / "whole") as records, monkeypatch.context() as patched:
        filmed = Filmed(run, records)
        filmed.film(directory, patched)
        filmed.train()
    return [directory / str(number) for number in range(filmed._frames)]


def train(run: Run, directory: Path, **options: Any) -> dict[str, Any]:
    """A run from its beginning to its end."""
    with Records(directory) as records:
        return Inline(run, records, **options).train()


def reopened(directory: Path) -> Records:
    """The records of a run that goes on from its newest whole checkpoint, or from its beginning."""
    found, _ = checkpoint.whole(directory)
    return Records(directory, resume={} if found is None else checkpoint.read_state(found)["records"])


def resume(run: Run, directory: Path, **options: Any) -> Path:
    """Go on from the newest whole checkpoint, or begin anew where there is none, to the end; returns `directory`."""
    found, _ = checkpoint.whole(directory)
    with reopened(directory) as records:
        Inline(run, records, checkpoint=found, **options).train()
    return directory


def rows(directory: Path, name: str = "metrics") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / f"{name}.jsonl").read_text().splitlines()]


def stored(directory: Path) -> list[tuple[Any, ...]]:
    """The rows of replay in the order of their arrival, to the last bit; then the ledger, position and counters."""
    database = sqlite3.connect(directory / "replay.sqlite")
    try:
        live = "SELECT seq, arrived, data FROM rows JOIN bodies USING (seq) WHERE gone IS NULL ORDER BY seq"
        ledger, counts = "SELECT * FROM weights ORDER BY version", "SELECT position, counts FROM state"
        return [row for query in (live, ledger, counts) for row in database.execute(query)]
    finally:
        database.close()


def differences(one: Path, other: Path) -> list[str]:
    """What two finished runs differ in: names of files, or of the buffer."""
    names = [file.name for file in {*one.glob("*.jsonl"), *other.glob("*.jsonl")}] + ["model/model.safetensors"]
    unlike = [name for name in names if read(one / name) != read(other / name)]
    return unlike + ([] if stored(one) == stored(other) else ["replay"])


def read(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None
