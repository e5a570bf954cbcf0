"""Somebody else's run directory is data: to look at it runs nothing that it names, and what it says is text."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from multiprocessing import Pipe
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from steelyard.cli import main
from steelyard.cli.progress import Progress
from steelyard.core import Sampling, Trajectory, from_bytes, to_bytes
from steelyard.policy import Policy
from steelyard.recipes import load
from steelyard.report import curve_text, write_report
from steelyard.runtime import Records, describe, to_json
from steelyard.runtime.local.pipe import receive_down, receive_up

FEW = ["--prompts", "1", "--samples", "1"]
NAME = "</title><script>alert(1)</script><img src=x onerror=alert(1)>\x1b]0;owned\x07\x9b2J\u202e'\"&{{7*7}}"
ROWS = [
    {"step": s, "version": s, "eval/accuracy": 0.5, "eval/accuracy_low": 0.4, "eval/accuracy_high": 0.6, NAME: 1.0,
     "eval/styles": {NAME: 1.0}, "eval/correct_styles": {NAME: 1.0}}
    for s in range(3)
]  # fmt: skip


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """The settings and the model of a run, as such a run would have left them."""
    directory = tmp_path_factory.mktemp("run")
    run = load("arithmetic")
    run = replace(run, task=replace(run.task, problems=64, held_out=16))
    Policy.load(run.model).save(directory / "model")
    (directory / "config.json").write_text(to_json(describe(run, "arithmetic")))
    return directory


@pytest.fixture
def run_dir(settings, tmp_path):
    """A run directory to poison: its model is a link, its settings are a copy."""
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "model").symlink_to(settings / "model")
    (directory / "config.json").write_bytes((settings / "config.json").read_bytes())
    return directory


def poison(run_dir, **entries):
    config = json.loads((run_dir / "config.json").read_text())
    config["run"] |= entries
    (run_dir / "config.json").write_text(json.dumps(config))


def complaint(capsys, *words):
    """The one line that the command says on its way out with exit code 2."""
    capsys.readouterr()
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert said.startswith("steelyard: ")
    assert said.count("\n") == 1
    return said


# Code that a run names


@pytest.mark.parametrize("part", ["task", "objective", "replay", "curriculum"])
@pytest.mark.parametrize("command", ["eval", "sample"])
def test_a_module_that_a_run_names_is_not_imported(run_dir, canary, capsys, monkeypatch, command, part):
    """Neither from the run directory nor from the working directory, though both are on the path."""
    (run_dir / "stranger.py").write_text(canary.code)
    monkeypatch.chdir(run_dir)
    monkeypatch.syspath_prepend(str(run_dir))
    poison(run_dir, **{part: {"method": "stranger", "module": "stranger"}})
    said = complaint(capsys, command, run_dir)
    assert "'stranger' cannot be imported on the word of a file" in said
    assert not canary.sang


def test_nor_in_a_process_of_its_own(run_dir, canary):
    """`python -m` puts the working directory first on the path."""
    (run_dir / "stranger.py").write_text(canary.code)
    poison(run_dir, objective={"method": "stranger", "module": "stranger"})
    words = [sys.executable, "-m", "steelyard", "eval", "."]
    done = subprocess.run(words, cwd=run_dir, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert not canary.sang


@pytest.mark.parametrize("place", ["{run}/stranger.py:f", "stranger:f", "stranger.py:f", "os:system"])
def test_a_reward_that_a_run_names_is_not_run_by_looking(run_dir, canary, capsys, monkeypatch, place):
    (run_dir / "stranger.py").write_text(canary.code)
    monkeypatch.chdir(run_dir)
    poison(run_dir, reward=place.format(run=run_dir))
    assert main(["sample", str(run_dir), *FEW, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out.splitlines()[-1])["samples"][0]["reward"] is None
    assert "to run it here, give --reward" in said.err
    assert not canary.sang


def test_a_reward_that_the_user_names_is_run(run_dir, canary, capsys, monkeypatch):
    (run_dir / "stranger.py").write_text(canary.code)
    monkeypatch.chdir(run_dir)
    assert main(["sample", str(run_dir), *FEW, "--reward", "stranger:f", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["samples"][0]["reward"] == 1.0
    assert canary.sang


# Settings that are hard to read

DEEP = '{"recipe": "a", "run": ' + '{"a":' * 100_000 + "1" + "}" * 100_001


LONG = '{"recipe": "' + "x" * 10**7
OTHER = ["[]", "null", '"x"', '{"recipe": 3, "run": [3]}', '{"run": {}}', "\x00"]


@pytest.mark.parametrize("text", [DEEP, "[" * 200_000, LONG, *OTHER], ids=lambda text: text[:12])
@pytest.mark.parametrize("command", ["eval", "sample", "train --resume"])
def test_settings_that_are_none(run_dir, capsys, command, text):
    (run_dir / "config.json").write_text(text)
    complaint(capsys, *command.split(), run_dir)


@pytest.mark.parametrize(
    "entries",
    [
        {"max_steps": {"method": "grpo", "module": "steelyard.objective.grpo"}},
        {"optimizer": {"method": "grpo", "module": "steelyard.objective.grpo"}},
        {"max_steps": 10**400},
        {"model": "../../../etc"},
        {"model": "/etc/passwd"},
        {"objective": {"method": ["x"]}},
        {"objective": {"method": "grpo", "module": {"a": 1}}},
    ],
)
def test_settings_of_other_kinds(run_dir, capsys, entries):
    poison(run_dir, **entries)
    complaint(capsys, "eval", run_dir, "--base", *FEW)


# Names that would be paths


@pytest.mark.parametrize("name", ["../../outside", "/tmp/outside", "a/../../b", "..", "x\0y"])
def test_no_name_from_data_leads_out_of_the_run(tmp_path, name):
    inside = tmp_path / "deep" / "run"
    t = trajectory().replace(prompt_id=name, info={"error": name, "completion": name})
    with Records(inside, config={"recipe": name, "run": {}}) as records:
        records.write("samples", {"step": 0, "prompt": name, "completion": name, "reward": 1.0})
        records.write("eval", {"step": 0, "eval/styles": {name: 1.0}})
        records.quarantine([t])
    write_report(inside)
    everything = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.parent for path in everything} == {Path("deep/run")}
    assert {path.name for path in everything} >= {"config.json", "samples.jsonl", "quarantine.jsonl", "report.html"}


def test_a_link_in_the_place_of_the_report_is_not_followed(run_dir, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("report.html", "report.html.partial"):
        (run_dir / name).symlink_to(precious)
    assert write_report(run_dir).read_text(encoding="utf-8").startswith("<!doctype")
    assert precious.read_text() == "mine"


# The page


class Elements(HTMLParser):
    """What a browser would make of the page."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text = set(), [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


def test_what_a_run_says_is_text_on_its_page(tmp_path):
    run = tmp_path / "run"
    config = {
        "recipe": NAME,
        "seed": NAME,
        "command": [NAME],
        "version": NAME,
        "commit": NAME,
        "run": {NAME: {NAME: NAME}},
    }
    chat = [{"role": NAME, "content": NAME}]
    with Records(run, config=config) as records:
        for row in ROWS:
            records.write("eval", row)
            records.write(
                "metrics", {"step": row["step"], "batch/staleness": {"0": 1}, NAME: NAME, "learner/loss": NAME}
            )
            records.write("timing", {"step": row["step"], "seconds": NAME})
        for prompt, reward in ((NAME, 1.0), (chat, NAME)):
            records.write(
                "samples", {"step": NAME, "prompt": prompt, "completion": NAME, "reward": reward, "style": NAME}
            )
        records.write_json("result.json", {"runtime": NAME, "seconds": NAME})
    page = write_report(run).read_text(encoding="utf-8")
    elements = Elements(page)
    assert not {"script", "img", "iframe", "object", "embed", "base", "form", "link"} & elements.tags
    assert not [(key, value) for key, value in elements.attributes if key.startswith("on") or key in ("src", "action")]
    assert "<script" not in page
    assert "\x1b" not in page
    assert elements.text.count("<script>alert(1)</script>") > 8


# The terminal


def test_what_a_run_says_is_text_on_a_terminal(run_dir, capsys, monkeypatch):
    monkeypatch.setattr(Policy, "decode", lambda *_: f"{NAME}\n 1.00  forged")
    assert main(["sample", str(run_dir), *FEW, "--prompt", "1+\x1b[2J2="]) == 0
    out = capsys.readouterr().out
    assert "␛]0;owned␇" in out
    assert "1+␛[2J2=" in out
    assert not any(c in out for c in "\x1b\x07\x9b\u202e")
    assert "\n   1.00  forged" in out  # indented: no line of its own


def test_nor_does_the_progress_obey(capsys):
    box = io.StringIO()
    with Progress(3, NAME, Console(file=box, force_terminal=False, width=200)) as progress:
        for row in ROWS:
            progress.watch("eval", row)
    assert not any(c in box.getvalue() for c in "\x1b\x07\x9b\u202e")
    assert "<script>" in box.getvalue()
    assert not any(c in curve_text(ROWS) for c in "\x1b\x07\x9b\u202e")


# Messages


def trajectory():
    tokens, action, logp = np.arange(3, dtype=np.int32), np.array([False, True, True]), np.zeros(3, np.float32)
    return Trajectory("p", tokens, action, logp, 0, "d", Sampling(), "stop")


FIELDS = msgspec.msgpack.decode(to_bytes(trajectory()))
NUMBERS = {place for place, right in enumerate(FIELDS) if isinstance(right, int)} | {5}  # the fifth is the reward


@pytest.mark.parametrize("place", range(len(FIELDS)))
def test_a_trajectory_of_other_types_is_refused(place):
    for wrong in ({3: [1]}, [None] * 9, *(() if place in NUMBERS else (-7,)), *(() if place in (0, 7) else ("stopp",))):
        data = msgspec.msgpack.encode([*FIELDS[:place], wrong, *FIELDS[place + 1 :]])
        with pytest.raises(msgspec.MsgspecError):
            from_bytes(data)


JUNK = [b"", b"\xc1", b"cos\nsystem\n(S'touch canary'\ntR.", b"\x80\x04", b"\xdd\xff\xff\xff\xff", b"\x91" * 100_000]
JUNK += [msgspec.msgpack.encode(x) for x in ({"type": "Evil"}, {"type": "Draw", "items": 3}, ["End"], 7, "End", None)]

READERS = [receive_up, lambda pipe: receive_down(pipe, 5.0, "test"), lambda pipe: from_bytes(pipe.recv_bytes())]


@pytest.mark.parametrize("data", JUNK)
@pytest.mark.parametrize("receive", READERS)
def test_what_is_no_message_is_refused_and_not_run(data, receive, canary, monkeypatch):
    monkeypatch.chdir(canary.path.parent)
    ours, theirs = Pipe()
    with ours, theirs:
        theirs.send_bytes(data)
        with pytest.raises((msgspec.MsgspecError, RecursionError)):
            receive(ours)
    assert not canary.sang
    assert [*canary.path.parent.iterdir()] == []
