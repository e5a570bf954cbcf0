import os

import pytest

from steelyard.core import FaultError, SteelyardError
from steelyard.experiments.harness import proof_block, proof_seed, proving
from steelyard.experiments.harness.evidence import looks, read
from steelyard.experiments.harness.proof_index import load
from steelyard.experiments.harness.proof_seed import AskedSeed, SeedJob, SeedResult
from steelyard.experiments.harness.proving import ProofSettings, command_of, prove
from steelyard.experiments.harness.time_left import TimeLeft
from steelyard.experiments.harness.variation import varied

PROOF = """
"What a toy measures."
import random
from steelyard.experiments.harness import Claim, Proof

def measure(seed, quick, arms):
    {body}

PROOF = Proof(proves=("toy",), ours="ours", control="off", equal="nothing", measure=measure,
              arms={{"base": 0.0, "ours": {effect}, "off": {off}}}, setting=False, quick=True,
              claims=(Claim("more", metric="score", baseline="base", min_effect=0.1),))
"""
ARMS = """
    for arm in arms:
        draw = random.Random(f"{{seed}} {{arm.name}}")
        yield arm.name, {{"score": 1 + arm.settings + draw.gauss(0, {noise})}}
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """Writes a proof module and returns its name; it can be imported here and in child processes."""
    place = tmp_path / "proofs"
    place.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(place), os.environ.get("PYTHONPATH")])))
    monkeypatch.syspath_prepend(str(place))

    def write(name: str, body: str = "", *, effect=0.5, off=0.0, noise=0.01) -> str:
        text = PROOF.format(body=body or ARMS.format(noise=noise).strip(), effect=effect, off=off)
        (place / f"{name}.py").write_text(text)
        return name

    return write


@pytest.fixture
def at_hand(monkeypatch):
    """Measures seeds in this process, at once: a process of its own takes seconds to begin."""

    def carry_out(jobs, directory, at_a_time, say):
        return [one(job) for job in jobs]

    def one(job):
        setting, arms = varied(load(job.module), job.variation, quick=job.quick)
        found = dict(load(job.module).measure(job.seed, setting, arms))
        return SeedResult(job.seed, job.quick, {}, found, dict.fromkeys(found, 1.0))

    monkeypatch.setattr(proving, "carry_out", carry_out)


def told(lines: list):
    return lines.append


@pytest.mark.parametrize(
    ("name", "settings", "verdict", "control"),
    [
        ("toy_nothing", {"effect": 0.0}, "not shown", "not shown"),
        ("toy_noise", {"effect": 0.5, "noise": 1.0, "off": -9.0}, "too noisy", "not shown"),
        ("toy_control", {"off": 0.5}, "not shown", "shown"),
    ],
)
def test_what_is_not_shown_has_one_block(at_hand, toy, tmp_path, name, settings, verdict, control):
    record = prove({name: toy(name, **settings)}, ProofSettings(jobs=2), tmp_path / "out", told([]))[name]
    if verdict == "too noisy":
        assert record.first.claims[0].verdict in ("too noisy", "not shown")  # of noise nobody knows which
    else:
        assert (record.first.verdict, record.first.claims[0].control_verdict) == (verdict, control)
    assert (record.first.seeds, record.later) == ([0, 1, 2], None)


def test_what_is_shown_is_measured_again_on_the_seeds_that_follow(at_hand, toy, tmp_path):
    out = tmp_path / "out"
    record = prove({"toy": toy("toy_effect")}, ProofSettings(jobs=2), out, told([]))["toy"]
    assert record.later is not None
    assert (record.first.verdict, record.later.verdict) == ("shown", "shown")
    assert (record.first.seeds, record.later.seeds) == ([0, 1, 2], [3, 4, 5])
    assert record.first.p is not None
    assert record.first.p < 0.001
    assert read(out / "toy.json") == record
    assert (out / "toy.svg").read_text().count("<circle") == 2 * 9
    assert [(look.block, look.seeds) for look in looks(out, "toy")] == [("first", [0, 1, 2]), ("later", [3, 4, 5])]
    assert record.looks == looks(out, "toy")
    assert record.scale is None
    assert record.code is not None
    assert {"python", "torch"} <= {*record.code.libraries}


def test_fewer_seeds_leave_those_of_the_first_block_alone(toy, tmp_path):
    proof = load(toy("toy_fewer"))
    assert ProofSettings(seeds=2).block(proof, later=True) == range(3, 5)
    assert ProofSettings(seeds=5).block(proof, later=True) == range(5, 10)
    assert ProofSettings(quick=True).block(proof, later=False) == range(900, 902)


def test_seeds_of_ones_own_are_no_look_and_are_not_replicated(at_hand, toy, tmp_path):
    out = tmp_path / "out"
    record = prove({"toy": toy("toy_own")}, ProofSettings(first_seed=900, jobs=2), out, told([]))["toy"]
    assert (record.first.seeds, record.first.verdict, record.later) == ([900, 901, 902], "shown", None)
    assert record.looks == looks(out, "toy") == []


def test_seeds_that_are_there_are_taken_and_a_changed_proof_is_measured_again(toy, tmp_path):
    module, out, lines = toy("toy_resumed"), tmp_path / "out", []
    prove({"toy": module}, ProofSettings(seeds=1), out, told([]))
    [kept_file] = (out / "toy" / "seed-0").glob("ours-*.json")
    before = kept_file.stat().st_mtime_ns
    prove({"toy": module}, ProofSettings(seeds=2, first_seed=0), out, told(lines))
    assert kept_file.stat().st_mtime_ns == before
    assert "toy seed 0: measured before" in lines
    toy("toy_resumed", noise=0.02)
    lines.clear()
    prove({"toy": module}, ProofSettings(seeds=2, first_seed=0), out, told(lines))
    assert sum("measured again: code that it uses has changed" in line for line in lines) == 2 * 3


def test_a_process_that_is_killed_loses_the_arm_that_it_was_at_and_no_other(toy, tmp_path):
    body = f"""
    import os, pathlib, signal
    for arm in arms:
        if arm.name == "ours" and not pathlib.Path({str(tmp_path / "mended")!r}).exists():
            os.kill(os.getpid(), signal.SIGKILL)
        yield arm.name, {{"score": arm.settings}}
    """.strip()
    module, out, lines = toy("toy_killed", body), tmp_path / "out", []
    with pytest.raises(SteelyardError):
        prove({"toy": module}, ProofSettings(seeds=1, jobs=1), out, told([]))
    [kept_file] = (out / "toy" / "seed-0").glob("base-*.json")
    before = kept_file.stat().st_mtime_ns
    (tmp_path / "mended").touch()
    prove({"toy": module}, ProofSettings(seeds=1, jobs=1), out, told(lines))
    assert kept_file.stat().st_mtime_ns == before
    assert lines[0] == "toy seed 0: 1 of 3 arms measured before"
    assert [line.split(",")[0] for line in lines[1:]] == ["toy seed 0: arm ours", "toy seed 0: arm off"]


def test_a_record_says_at_which_commits_its_seeds_were_measured(toy, tmp_path, monkeypatch):
    module, out = toy("toy_commits"), tmp_path / "out"
    monkeypatch.setattr(proof_seed, "commit", lambda: "earlier")
    assert (
        prove({"toy": module}, ProofSettings(seeds=2, first_seed=0), out, told([]))["toy"].first.seed_commits
        == ["earlier"] * 2
    )
    monkeypatch.setattr(proof_seed, "commit", lambda: "later")
    monkeypatch.setattr(proof_block, "commit", lambda: "judged")
    record = prove({"toy": module}, ProofSettings(seeds=3, first_seed=0), out, told([]))["toy"]
    assert (record.first.seed_commits, record.first.commit) == (["earlier", "earlier", "later"], "judged")
    assert record.code is not None
    assert str(load(module).measure.__code__.co_filename) in record.code.files


def test_quick_and_full_are_kept_apart(toy, tmp_path):
    module = toy("toy_quick", 'yield from ((arm.name, {"score": float(quick)}) for arm in arms)')
    quick = prove({"toy": module}, ProofSettings(quick=True, seeds=1), tmp_path / "out", told([]))["toy"]
    full = prove({"toy": module}, ProofSettings(seeds=1, first_seed=900), tmp_path / "out", told([]))["toy"]
    assert (quick.first.arms["ours"]["score"], full.first.arms["ours"]["score"]) == ([1.0], [0.0])
    assert (quick.first.seeds, quick.first.verdict, quick.first.p) == ([900], "direction disagrees", None)
    assert quick.first.claims[0].control_verdict is None
    assert quick.quick
    assert not full.quick


def test_what_goes_wrong_in_a_seed_is_one_line_that_names_it(toy, tmp_path):
    with pytest.raises(SteelyardError, match=r"toy seed 0: ZeroDivisionError.*; run it alone"):
        prove({"toy": toy("toy_raises", "yield 1 / 0")}, ProofSettings(seeds=1), tmp_path / "out", told([]))
    body = 'yield from ((arm.name, {"score": float("nan")}) for arm in arms)'
    with pytest.raises(SteelyardError, match="score of base is nan"):
        prove({"toy": toy("toy_nan", body)}, ProofSettings(seeds=1), tmp_path / "out", told([]))
    module = toy("toy_hangs", "import time; time.sleep(60); yield 1")
    with pytest.raises(FaultError, match=r"toy seed 3: has not ended within 5 s"):
        AskedSeed(SeedJob("toy", module, 3, False), tmp_path).measure(told([]), TimeLeft({}, {}, 1), deadline=5.0)
    with pytest.raises(SteelyardError, match="holds no PROOF"):
        load("steelyard.worlds.sync_loop")


def test_a_quick_run_says_whether_the_direction_agrees(at_hand, toy, tmp_path):
    quick = ProofSettings(quick=True, seeds=1, jobs=1)
    agrees = prove({"toy": toy("toy_agrees", effect=0.05, noise=0.0)}, quick, tmp_path / "a", told([]))["toy"]
    assert agrees.first.verdict == "direction agrees"  # above 0, though below the .1 that is claimed
    disagrees = prove({"toy": toy("toy_disagrees", effect=-0.05, noise=0.0)}, quick, tmp_path / "b", told([]))["toy"]
    assert disagrees.first.verdict == "direction disagrees"
    assert disagrees.first.claims[0].verdict == "direction disagrees"


def test_the_command_proves_it_again():
    assert command_of("topr", ProofSettings()) == "steelyard prove topr"
    settings = ProofSettings(seeds=5, first_seed=900, quick=True, jobs=1)
    assert command_of("topr", settings) == "steelyard prove topr --seeds 5 --first-seed 900 --quick"
