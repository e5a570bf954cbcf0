"""A stranger's first hour, timed: `python benchmarks/strangers_path.py`, or `make stranger`.

Clones the committed state of this repository into a directory of its own, and does there what the pages say, with what
they say: `make demo` (README), a reward function of one's own on rows of one's own (README), an environment of one's
own (docs/environments.md), an objective of one's own that passes the suite and is trained (examples/an_objective.py,
docs/add-a-method.md), and a look at the first run in a browser (docs/watch.md): in chromium by Playwright where both
are here, else at what the server answers. Code and commands are taken out of the pages, with fewer steps. Prints one
table of seconds by the clock, installation included, and exits with 1 where a step failed.
"""

import argparse
import http.client
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
DEADLINE_S = 1800.0
"""Seconds that a step may take."""
DEMO = "runs/demo"
FEWER = {
    "--max-steps": "3",
    "--num-prompts": "8",
    "--search-prompts": "8",
    "--num-generations": "8",
    "--max-completion-length": "16",
    "--replay.warmup": "64",
    "--evaluation.prompts": "32",
    "--evaluation.sampled-prompts": "4",
    "--evaluation.samples": "2",
}
"""Flags of a run that is to show that something works, not that it learns."""
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class StepError(Exception):
    """A step did not do what its page says."""


def read(page: str) -> str:
    """A page of the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def said(page: str, pattern: str) -> str:
    """What a page says: the first group of a pattern, over several lines.

    Raises:
        StepError: it says nothing of the kind.
    """
    found = re.search(pattern, read(page), re.MULTILINE | re.DOTALL)
    if found is None:
        raise StepError(f"{page} does not say {pattern!r}")
    return found[1]


def own_reward() -> str:
    """The reward function of README's example."""
    return said("README.md", r"^(def brief\(.*?)\n\n\n")


def rows() -> str:
    """Forty sums as JSON lines, a prompt and an answer each."""
    made = [{"prompt": f"{a}+7-{b}+9=", "answer": str(a + 16 - b)} for a in range(1, 9) for b in range(1, 6)]
    return "".join(json.dumps(row) + "\n" for row in made)


def rows_command() -> list[str]:
    """README's command for rows of one's own, with the shipped model and the function."""
    words = shlex.split(said("README.md", r"`(steelyard train rows --model DIR --path questions\.jsonl)`"))
    words[words.index("DIR")] = "steelyard/arithmetic"
    return [*words, "--reward", "mine.py:brief", *(word for pair in FEWER.items() for word in pair)]


def own_game() -> str:
    """The class that docs/environments.md plays with."""
    lines = said("docs/environments.md", r"^(    import random\n.*?)^\S").splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines) + "\n"


def game_command() -> list[str]:
    """Its command, with fewer steps."""
    text = said("docs/environments.md", r"^    (steelyard train text-game --model steelyard/guessing .*?)\n\n")
    words = shlex.split(text.replace("\\\n", " "))
    few = {name: FEWER[name] for name in ("--max-steps", "--num-prompts", "--search-prompts")} | {"--games": "64"}
    return [words[0], *(few.get(before, word) for before, word in pairwise(words))]


class Stranger:
    """Somebody with Python, git and make, in an empty directory.

    Args:
        place: the directory.
        python: the interpreter that `make` is given.
    """

    def __init__(self, place: Path, python: str) -> None:
        self.here = place / "steelyard"
        self.python = python
        self.log = place / "log.txt"
        self.demo: subprocess.Popen[bytes] | None = None
        self.seen = ""
        """How the page was looked at."""

    def clone(self) -> None:
        """Get the repository."""
        self._run("git", "clone", "--quiet", str(ROOT), str(self.here), cwd=self.here.parent)

    def install(self) -> None:
        """`make demo`, until everything is installed."""
        said("README.md", r"^(make demo)")
        words = ["make", "demo", f"PYTHON={self.python}", f"ARGS=--output-dir {DEMO}"]
        self.demo = self._start(words, self.here)
        self._until(lambda: (self.here / ".venv" / ".run").exists())

    def first_curve(self) -> None:
        """The same, until the first evaluation is on record."""
        self._until(lambda: any(self.here.glob(f"{DEMO}/eval.jsonl")) and self._rows("eval.jsonl") > 0)

    def end_of_demo(self) -> None:
        """The same, to its end."""
        assert self.demo is not None
        self._ended(self.demo, "make demo")

    def reward(self) -> None:
        """A reward of one's own on rows of one's own."""
        (self.here / "mine.py").write_text(own_reward() + "\n")
        (self.here / "questions.jsonl").write_text(rows())
        self._run(*rows_command(), "--output-dir", "runs/own-reward")

    def environment(self) -> None:
        """An environment of one's own."""
        (self.here / "my_game.py").write_text(own_game())
        self._run(*game_command(), "--output-dir", "runs/own-game")

    def check(self) -> None:
        """An objective of one's own passes the suite."""
        said("docs/add-a-method.md", r"`(steelyard check my_module:MyObjective)`")
        shutil.copy(self.here / "examples" / "an_objective.py", self.here / "my_objective.py")
        self._run("steelyard", "check", "my_objective:HuberTB")

    def objective(self) -> None:
        """And is trained."""
        said("examples/README.md", r"^    (python examples/a_task\.py)$")
        self._run("python", "my_objective.py")

    def watch(self) -> None:
        """The first run, in a browser."""
        process = self._start(["steelyard", "watch", DEMO], self.here, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            if not line.startswith("watch: "):
                raise StepError(f"steelyard watch says {line!r}")
            self.seen = looked_at(line.removeprefix("watch: ").strip())
        finally:
            self._end(process)

    def leave(self) -> None:
        """End what still runs."""
        if self.demo is not None:
            self._end(self.demo)

    def _rows(self, file: str) -> int:
        return (self.here / DEMO / file).read_bytes().count(b"\n")

    def _environment(self) -> Mapping[str, str]:
        """This one without what a make, another environment or this tree has put into it."""
        foreign = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES")
        kept = {name: value for name, value in os.environ.items() if name not in foreign}
        return {**kept, "PATH": f"{self.here / '.venv' / 'bin'}{os.pathsep}{kept['PATH']}"}

    def _start(self, words: Sequence[str], cwd: Path, stdout: int | None = None) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            out = log if stdout is None else stdout
            env = self._environment()
            return subprocess.Popen(words, cwd=cwd, env=env, stdout=out, stderr=log, start_new_session=True)

    def _run(self, *words: str, cwd: Path | None = None) -> None:
        process = self._start(words, cwd or self.here)
        try:
            self._ended(process, shlex.join(words))
        finally:
            self._end(process)

    def _ended(self, process: "subprocess.Popen[bytes]", what: str) -> None:
        try:
            code = process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            raise StepError(f"{what}: no end after {DEADLINE_S:g} s") from error
        if code:
            raise StepError(f"{what}: exit code {code}; {self._last_words()}")

    def _until(self, holds: Callable[[], bool]) -> None:
        assert self.demo is not None
        end = time.monotonic() + DEADLINE_S
        while not holds():
            if self.demo.poll() not in (None, 0):
                raise StepError(f"make demo: exit code {self.demo.returncode}; {self._last_words()}")
            if time.monotonic() > end:
                raise StepError(f"make demo: nothing after {DEADLINE_S:g} s")
            time.sleep(0.05)

    def _end(self, process: "subprocess.Popen[bytes]") -> None:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").split("\n")
        return " / ".join(line.strip() for line in lines if line.strip())[-300:]


def looked_at(url: str) -> str:
    """Look at a live page; returns with what."""
    if CHROMIUM is None or importlib.util.find_spec("playwright") is None:
        return _asked(url)
    from playwright.sync_api import Error, sync_playwright

    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(url)
            page.wait_for_selector("#accuracy svg.plot", timeout=120_000)
            state = page.locator("#state").inner_text()
            browser.close()
    except Error as error:
        raise StepError(f"chromium: {str(error).splitlines()[0]}") from error
    return f"the page in chromium, which says {state}"


def _asked(url: str) -> str:
    """Ask for the page and its runs, as a browser does."""
    place, _, token = url.removeprefix("http://").rstrip("/").partition("/")
    connection = http.client.HTTPConnection(place, timeout=60)
    for path, holds in ((f"/{token}/", b"<title>Steelyard watch</title>"), (f"/{token}/api/runs", b"arithmetic")):
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or holds not in body:
            raise StepError(f"the page answers {answer.status} without {holds.decode()!r}")
    connection.close()
    return "the page's HTML and its runs alone, since no browser is here"


class Step(NamedTuple):
    """A row of the table."""

    name: str
    how: str
    carry_out: Callable[[], None]
    needed: bool = False
    """Nothing goes on without it."""


def steps_of(stranger: Stranger) -> list[Step]:
    """The path, in order."""
    return [
        Step("the repository", "git clone", stranger.clone, needed=True),
        Step("installed", "make demo", stranger.install, needed=True),
        Step("first curve", "make demo", stranger.first_curve, needed=True),
        Step("the demo's end", "make demo", stranger.end_of_demo),
        Step("own reward, own JSONL", "steelyard train rows --reward mine.py:brief", stranger.reward),
        Step("own environment", "steelyard train text-game --game my_game.py:HigherLower", stranger.environment),
        Step("new objective passes", "steelyard check my_objective:HuberTB", stranger.check),
        Step("new objective trained", "python my_objective.py", stranger.objective),
        Step("the run in a browser", f"steelyard watch {DEMO}", stranger.watch),
    ]


def main() -> None:
    """Walk, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="interpreter that make is given")
    parser.add_argument("--keep", type=Path, help="directory to walk in, which stays; a temporary one else")
    asked = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as temporary:
        place = asked.keep or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        stranger = Stranger(place.resolve(), asked.python)
        print("| a stranger's path | by | seconds | since the beginning |\n|---|---|---|---|", flush=True)
        began = time.monotonic()
        try:
            for step in steps_of(stranger):
                start = time.monotonic()
                try:
                    step.carry_out()
                    took = f"{time.monotonic() - start:.1f}"
                except (StepError, OSError) as error:
                    failed = True
                    took = f"failed: {error}".replace("|", "/")
                print(f"| {step.name} | `{step.how}` | {took} | {time.monotonic() - began:.0f} |", flush=True)
                if failed and step.needed:
                    break
        finally:
            stranger.leave()
    if stranger.seen:
        print(f"\nWhat was looked at: {stranger.seen}.")
    raise SystemExit(int(failed))


if __name__ == "__main__":
    main()
