import json
import os
import signal
import subprocess
import sys
import time

import pytest

from steelyard.cli import main, try_command
from steelyard.experiments.harness import evidence
from steelyard.experiments.harness.arm_result import ArmResult
from steelyard.experiments.harness.proof_seed import SeedResult

SLOW = """
"What a toy measures."
import time
from pathlib import Path
from steelyard.experiments.harness import Claim, Proof

def measure(seed, quick, arms):
    for arm in arms:
        while (seed, arm.name) == (901, "base") and not Path("go").exists():
            time.sleep(0.05)
        yield arm.name, {"score": arm.settings}

PROOF = Proof(proves=("toy",), ours="ours", control="off", equal="nothing", measure=measure,
              arms={"ours": 1.0, "off": 0.0, "base": 0.0}, setting=False, quick=True,
              claims=(Claim("more", metric="score", baseline="base", min_effect=0.1),))
"""
ARMS = ("ours", "off", "base")
RUN = """
import sys
from steelyard.cli import main, try_command

try_command.module_of = lambda id: ("topr", "toy_slow")
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("topp", "unknown method 'topp'; did you mean 'topr'"),
        ("shuffled", "shuffled: has no proof"),
        ("topr --seeds 3", "--seeds: [3] are no seeds for trials; try seeds from 900 on"),
        ("topr --seeds x", "--seeds: 'x' is no number"),
        ("topr --rates fast", "--rates: 'fast' is no number"),
        ("topr --rates 0", "--rates: a learning rate is above 0"),
        ("ucboost --rates 1e-3", "--rates: no arm of the proof of ucboost that is tried has a learning rate; leave it"),
        ("topr --set epochs", "--set: 'epochs' names no values; write FIELD=A,B"),
        ("topr --set epoch=3", "has a field 'epoch'; did you mean 'epochs'"),
        ("topr --set epochs=many", "epochs: refuses 'many'"),
        ("topr --arms top", "has no arm 'top'; did you mean 'topr'"),
    ],
)
def test_a_wrong_input_is_one_line_and_writes_nothing(words, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["try", *words.split()]) == 2
    assert line in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_grid_is_measured_told_and_kept(capsys, tmp_path, monkeypatch):
    asked = []

    def measured(jobs, directory, at_a_time, say, ended):
        asked.extend(jobs)
        results = [one(job) for job in jobs]
        for job, result in zip(jobs, results, strict=True):
            for arm, row in result.arms.items():
                ended(job, ArmResult(job.seed, arm, "", row, 1.0, {}, None))
        return results

    def one(job):
        gain = 0.4 if job.variation.rate == 3e-4 else 0.2
        value = {"topr": 0.2 + gain + job.seed / 1e4, "reinforce": 0.1, "positives-only": 0.3}
        arms = {arm: {"accuracy": v, "invalid": 0.01, "moved": 0.02} for arm, v in value.items()}
        return SeedResult(job.seed, job.quick, {}, arms, dict.fromkeys(arms, 1.0))

    monkeypatch.setattr(try_command, "carry_out", measured)
    monkeypatch.setattr(evidence, "in_source_tree", lambda: False)
    words = ["--arms", "topr,reinforce,positives-only", "--set", "epochs=5,6", "--rates", "1e-4,3e-4"]
    place = str(tmp_path / "out")
    assert main(["try", "topr", *words, "--seeds", "900,902", "--output-dir", place, "--json"]) == 0
    out = capsys.readouterr().out
    answer = json.loads(out.splitlines()[-1])
    assert len(asked) == 2 * 2 * 2
    assert [one["settings"] for one in answer["tried"]] == [{"epochs": "5"}, {"epochs": "6"}]
    first = answer["tried"][0]
    assert first["rates"] == {"topr": 3e-4, "reinforce": 1e-4, "positives-only": 1e-4}
    assert first["effects"]["TOPR is 30 points above untapered REINFORCE"] == pytest.approx([0.59, 0.5902])
    assert first["seeds_needed"] == 3
    assert "epochs=5 (2 seeds)" in out
    assert "together: 3 seeds a block" in out
    rows = (tmp_path / "out" / "trials" / "topr.jsonl").read_text().splitlines()
    assert len(rows) == 2 * 2 * 3 * 2


def _listen_to_ctrl_c() -> None:
    """Whoever is started in the background of a shell ignores it, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.long  # two runs of a real command
def test_ctrl_c_says_what_is_on_record_in_one_line_and_the_same_command_goes_on(tmp_path):
    """Three arms of a proof of one's own at two seeds: the sixth cell never ends, until the file `go` is there."""
    (tmp_path / "toy_slow.py").write_text(SLOW)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    words = [sys.executable, "-c", RUN, "try", "topr", "--jobs", "1", "--seeds", "900,901"]
    process = subprocess.Popen(
        words, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=_listen_to_ctrl_c
    )
    record = tmp_path / "runs" / "try" / "trials" / "topr.jsonl"
    while not record.exists() or len(record.read_text().splitlines()) < 5:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (line,) = [line for line in err.splitlines() if not line.startswith("  ")]
    assert "stopped by Ctrl-C; 5 of 6 cells (an arm at a seed) are on record in" in line
    (tmp_path / "go").touch()
    again = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert "topr seed 900: measured before" in again.stderr
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(row["arm"], row["seeds"]) for row in rows] == [(a, [s]) for s in (900, 901) for a in ARMS]
