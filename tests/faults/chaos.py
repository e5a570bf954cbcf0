"""The chaos run: `make chaos`. Kills by the dozen over real runs, and then the books are checked.

Local: at seeded steps a searcher, the evaluator or the learner is killed or frozen, or the whole run is killed or told
to stop; what ended is resumed. Then: no acknowledged trajectory is missing, none was stored twice, each carries the
digest that its version was published with, versions only rise, the staleness bound held, every step is there once.
Inline: a run is killed at random moments and resumed until it is through; its files equal an undisturbed run's.
"""

import argparse
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from faults.harm import PATIENCE, SMALL, children_of, rows, send, until
from steelyard.core import encode, from_bytes
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import Processes, Restarts

BOUND = 40
KINDS = {
    "searcher killed": 6, "searcher frozen": 2, "evaluator killed": 2, "learner killed": 3, "learner frozen": 1,
    "run killed": 3, "run told to stop": 2,
}  # fmt: skip
"""What happens -> how often, relative to the others."""
LOCAL = replace(
    SMALL, num_searchers=2, save_steps=15, keep_checkpoints=1000, max_staleness=BOUND,
    replay=PrioritizedReplay(over_age="wait"), local=Processes(search_deadline=3.0, deadline=20.0),
    restarts=Restarts(limit=1000, backoff=0.1),
)  # fmt: skip


class Victim:
    """One local run under fire: its directory, its process, and what was done to it."""

    def __init__(self, root: Path, steps: int) -> None:
        self.directory, self.acks = root / "run", root / "acks"
        self.steps = steps
        settings = encode(replace(LOCAL, max_steps=steps, output_dir=str(self.directory)))
        self._words = [sys.executable, str(Path(__file__).with_name("acked.py"))]
        self._words += [str(self.directory), str(self.acks), json.dumps(settings)]
        self.done: Counter[str] = Counter()
        self.starts = 0
        self._log = (root / "log").open("a")
        self.begin()

    def begin(self) -> None:
        """Start, or resume."""
        self.starts += 1
        self.process = subprocess.Popen(self._words, stderr=self._log)
        time.sleep(0.5)

    def step(self) -> int:
        """The last step on record, over whatever a kill may have cut off; resumes a run that has ended early."""
        if self.process.poll() is not None and not (self.directory / "result.json").exists():
            self.begin()
        path = self.directory / "metrics.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return json.loads(lines[-1])["step"] if lines else 0

    def strike(self, kind: str) -> None:
        """Do it to whoever is there; nobody may be, for a moment."""
        whom, what = kind.rsplit(" ", 1)
        if whom in ("run", "run told to"):
            send(self.process.pid, signal.SIGKILL if what == "killed" else signal.SIGTERM)
            self.process.wait(PATIENCE)
        else:
            pids = self._find(whom)
            if not pids:
                return
            send(random.choice(pids), signal.SIGKILL if what == "killed" else signal.SIGSTOP)
            if whom == "learner":
                self.process.wait(PATIENCE)
        self.done[kind] += 1

    def _find(self, role: str) -> list[int]:
        """Process ids by role: children are started learner first, evaluator second."""
        order = sorted(children_of(self.process.pid))
        return {"learner": order[:1], "evaluator": order[1:2], "searcher": order[2:]}[role] if len(order) > 3 else []


def check_books(victim: Victim) -> str:
    """Compare what was acknowledged with what is stored; returns a line of figures."""
    metrics = rows(victim.directory, "metrics")
    assert [row["step"] for row in metrics] == list(range(1, victim.steps + 1)), "each step once"
    versions = [row["version"] for row in metrics]
    assert versions == sorted(set(versions)), "versions only rise"
    worst = max(row["batch/staleness_max"] for row in metrics)
    assert worst <= BOUND, f"staleness {worst} beyond {BOUND}"
    with sqlite3.connect(f"file:{victim.directory}/replay.sqlite?mode=ro", uri=True) as file:
        joined = "rows join prompts on prompts.id = rows.prompt join bodies using (seq)"
        query = f"select name, sample, version, data from {joined}"
        stored = [(name, sample, version, from_bytes(data)) for name, sample, version, data in file.execute(query)]
        ledger = dict(file.execute("select version, digest from weights").fetchall())
    pairs = Counter((name, sample) for name, sample, _, _ in stored)
    assert max(pairs.values()) == 1, "none stored twice"
    assert all(t.digest == ledger[version] for _, _, version, t in stored), "each of the weights it says"
    acked = [json.loads(line) for line in victim.acks.read_text().splitlines()]
    tokens = {(name, tuple(t.tokens_T.tolist())) for name, _, _, t in stored}
    lost = [(p, s) for p, s, sequence in acked if (p, s) not in pairs and (p, tuple(sequence)) not in tokens]
    assert not lost, f"{len(lost)} acknowledged trajectories are missing, such as {lost[0]}"
    return f"{len(acked)} acknowledged, {len(stored)} stored, 0 lost, 0 twice; staleness at most {worst} of {BOUND}"


def local_chaos(root: Path, kills: int, seed: int) -> None:
    """`kills` strikes spread over a run, then the books."""
    choose = random.Random(seed)
    random.seed(seed)
    victim = Victim(root, steps=12 * kills)
    began = time.monotonic()
    for number in range(kills):
        until(lambda number=number: victim.step() >= 12 * number + 3, f"step {12 * number + 3}")
        kind = choose.choices(list(KINDS), list(KINDS.values()))[0]
        until(lambda kind=kind: strike_counts(victim, kind), f"a {kind}")
        print(f"  strike {number + 1} at step {victim.step()}: {kind}", flush=True)
    until(lambda: victim.step() >= victim.steps and victim.process.poll() is not None, "the run's end", 600)
    assert victim.process.returncode == 0
    what = ", ".join(f"{n} {kind}" for kind, n in victim.done.most_common())
    print(f"local: {kills} strikes ({what}), {victim.starts} starts, {time.monotonic() - began:.0f} s")
    print(f"       {check_books(victim)}")


def strike_counts(victim: Victim, kind: str) -> bool:
    """Strike; True if somebody was there to be struck."""
    before = victim.done.total()
    victim.step()
    victim.strike(kind)
    return victim.done.total() > before


def inline_chaos(root: Path, kills: int, seed: int) -> None:
    """Kill an inline run `kills` times at random moments; its files must equal an undisturbed run's."""
    choose = random.Random(seed)
    run = replace(SMALL, runtime="inline", max_steps=4 * kills, save_steps=3, num_searchers=2)
    files = ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "events.jsonl", "model/model.safetensors")
    began, struck = time.monotonic(), 0
    for name, times in (("calm", 0), ("struck", kills)):
        while not (root / name / "result.json").exists():
            settings = json.dumps(encode(replace(run, output_dir=str(root / name))))
            words = [
                sys.executable,
                str(Path(__file__).with_name("acked.py")),
                str(root / name),
                str(root / "x"),
                settings,
            ]
            process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
            if struck < times:
                before = len(rows_so_far(root / name))
                until(
                    lambda n=name, b=before, p=process: len(rows_so_far(root / n)) != b or p.poll() is not None, "a row"
                )
                time.sleep(choose.uniform(0, 0.4))
                process.kill()
                struck += 1
            assert process.wait(PATIENCE) in (0, -signal.SIGKILL)
    for file in files:
        assert (root / "calm" / file).read_bytes() == (root / "struck" / file).read_bytes(), file
    assert replay_rows(root / "calm") == replay_rows(root / "struck")
    print(f"inline: {struck} kills, {time.monotonic() - began:.0f} s: rows, weights and buffer equal the calm run's")


def rows_so_far(directory: Path) -> bytes:
    path = directory / "events.jsonl"
    return path.read_bytes() if path.exists() else b""


def replay_rows(directory: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(directory / "replay.sqlite") as file:
        return file.execute(
            "select seq, data from rows join bodies using (seq) where gone is null order by seq"
        ).fetchall()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="strikes on the local run")
    parser.add_argument("--inline-kills", type=int, default=15, help="kills of the inline run")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    for number, (what, kills) in enumerate(((inline_chaos, asked.inline_kills), (local_chaos, asked.kills))):
        with tempfile.TemporaryDirectory() as root:
            try:
                what(Path(root), kills, asked.seed + number)
            except AssertionError:
                log = Path(root) / "log"
                print(log.read_text()[-4000:] if log.exists() else "", file=sys.stderr)
                raise


if __name__ == "__main__":
    main()
