import json
import os
from dataclasses import replace

import pytest
from scipy import stats

from steelyard.core import FaultError, SteelyardError
from steelyard.experiments.harness import Claim, Proof, proof_seed, proving
from steelyard.experiments.harness import proof_record as kept
from steelyard.experiments.harness.claim import half_width, judge
from steelyard.experiments.harness.proof_index import load, proof_modules
from steelyard.experiments.harness.proof_record import check_publishable, published, read
from steelyard.experiments.harness.proof_seed import SeedJob, SeedResult, measure
from steelyard.experiments.harness.proving import ProofSettings, command_of, prove, record_of

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


def told(lines: list):
    return lines.append


@pytest.mark.parametrize(
    ("name", "settings", "verdict", "control"),
    [
        ("toy_effect", {}, "shown", "not shown"),
        ("toy_nothing", {"effect": 0.0}, "not shown", "not shown"),
        ("toy_noise", {"effect": 0.5, "noise": 1.0, "off": -9.0}, "too noisy", "not shown"),
        ("toy_control", {"off": 0.5}, "not shown", "shown"),
    ],
)
def test_the_verdict_of_a_whole_proof(toy, tmp_path, name, settings, verdict, control):
    lines: list[str] = []
    record = prove({name: toy(name, **settings)}, ProofSettings(jobs=2), tmp_path / "out", told(lines))[name]
    if verdict == "too noisy":
        assert record.claims[0].verdict in ("too noisy", "not shown")  # of noise nobody knows which
        assert record.claims[0].verdict != "shown"
    else:
        assert (record.verdict, record.control) == (verdict, control)
    assert record.seeds == [0, 1, 2]
    assert read(tmp_path / "out" / f"{name}.json") == record
    assert (tmp_path / "out" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert sum("arm ours" in line for line in lines) == 3


def test_seeds_that_are_there_are_taken_and_a_changed_proof_is_measured_again(toy, tmp_path):
    module, out, lines = toy("toy_resumed"), tmp_path / "out", []
    prove({"toy": module}, ProofSettings(seeds=1), out, told([]))
    before = (out / "toy" / "seed-0.json").stat().st_mtime_ns
    prove({"toy": module}, ProofSettings(seeds=2), out, told(lines))
    assert (out / "toy" / "seed-0.json").stat().st_mtime_ns == before
    assert "toy seed 0: measured before" in lines
    toy("toy_resumed", effect=0.7)
    lines.clear()
    prove({"toy": module}, ProofSettings(seeds=2), out, told(lines))
    assert sum("measured again" in line for line in lines) == 2


def test_a_record_says_at_which_commits_its_seeds_were_measured(toy, tmp_path, monkeypatch):
    module, out = toy("toy_commits"), tmp_path / "out"
    monkeypatch.setattr(proof_seed, "commit", lambda: "earlier")
    assert prove({"toy": module}, ProofSettings(seeds=2), out, told([]))["toy"].seed_commits == ["earlier"] * 2
    _without("commit", out / "toy" / "seed-0.json")  # as it was written before seeds had one
    monkeypatch.setattr(proof_seed, "commit", lambda: "later")
    monkeypatch.setattr(proving, "commit", lambda: "judged")
    record = prove({"toy": module}, ProofSettings(seeds=3), out, told([]))["toy"]
    assert (record.seed_commits, record.commit) == ([None, "earlier", "later"], "judged")
    _without("seed_commits", out / "toy.json")
    assert read(out / "toy.json").seed_commits == []


def _without(name: str, file):
    file.write_text(json.dumps({key: value for key, value in json.loads(file.read_text()).items() if key != name}))


def test_quick_and_full_are_kept_apart(toy, tmp_path):
    module = toy("toy_quick", 'yield from ((arm.name, {"score": float(quick)}) for arm in arms)')
    quick = prove({"toy": module}, ProofSettings(quick=True), tmp_path / "out", told([]))["toy"]
    full = prove({"toy": module}, ProofSettings(), tmp_path / "out", told([]))["toy"]
    assert (quick.arms["ours"]["score"], full.arms["ours"]["score"]) == ([1.0] * 2, [0.0] * 3)
    assert quick.quick
    assert not full.quick


def test_what_goes_wrong_in_a_seed_is_one_line_that_names_it(toy, tmp_path):
    with pytest.raises(SteelyardError, match=r"toy seed 0: ZeroDivisionError.*; run it alone"):
        prove({"toy": toy("toy_raises", "yield 1 / 0")}, ProofSettings(seeds=1), tmp_path / "out", told([]))
    body = 'yield "ours", {"score": float("nan")}'
    with pytest.raises(SteelyardError, match="score of ours is nan"):
        prove({"toy": toy("toy_nan", body)}, ProofSettings(seeds=1), tmp_path / "out", told([]))
    module = toy("toy_hangs", "import time; time.sleep(60); yield 1")
    with pytest.raises(FaultError, match=r"toy seed 3: has not ended within 5 s"):
        measure(SeedJob("toy", module, 3, False), "", told([]), deadline=5.0)
    with pytest.raises(SteelyardError, match="holds no PROOF"):
        load("steelyard.worlds.sync_loop")


def arms(**scores: float) -> dict:
    return {arm: {"score": score} for arm, score in scores.items()}


def test_an_effect_by_hand():
    seeds = {0: arms(ours=3.0, base=2.0), 1: arms(ours=5.0, base=2.0)}
    claim = Claim("more", "score", "base", 0.5)
    found = judge(claim, seeds, "ours")
    assert found.effect == (1.0, 3.0)
    assert found.mean == 2.0
    assert found.interval == pytest.approx((2 - 6.313752, 2 + 6.313752))  # t(.95, 1) = 6.3138, sd / sqrt(2) = 1
    assert found.verdict == "too noisy"
    assert judge(replace(claim, relative=True), seeds, "ours").effect == (0.5, 1.5)
    assert judge(replace(claim, lower_is_better=True), seeds, "ours").effect == (-1.0, -3.0)
    assert judge(replace(claim, baseline=4.0), seeds, "ours").effect == (-1.0, 1.0)
    assert judge(claim, {0: seeds[0]}, "ours").verdict == "too noisy", "one seed has no interval"
    with pytest.raises(SteelyardError, match="no 'score' of 'theirs'"):
        judge(claim, seeds, "theirs")
    zero = {0: arms(ours=1.0, base=0.0)}
    with pytest.raises(SteelyardError, match="baseline is 0"):
        judge(replace(claim, relative=True), zero, "ours")


def test_the_interval_is_scipys():
    values = [0.3, 0.1, 0.7, 0.2]
    low, high = stats.t.interval(0.9, 3, loc=0.325, scale=stats.sem(values))
    assert half_width(values) == pytest.approx((high - low) / 2)


def proof_of(claim: Claim) -> Proof:
    def nothing(seed, setting, arms):
        yield "ours", {}

    arms = dict.fromkeys(("ours", "base", "off", "other"))
    return Proof(("toy",), "ours", "off", "all", (claim,), nothing, arms, setting=None, quick=None)


def test_a_criterion_is_what_decides_and_nothing_else():
    claim = Claim("more", "score", "base", 0.5)
    proof = proof_of(claim)
    assert replace(proof, equal="words").criterion == proof.criterion
    assert replace(proof, first_seed=7).criterion == proof.criterion
    for field, value in (("min_effect", 0.4), ("metric", "other"), ("lower_is_better", True), ("baseline", "off")):
        assert replace(proof, claims=(replace(claim, **{field: value}),)).criterion != proof.criterion


@pytest.fixture
def record(monkeypatch, tmp_path):
    proof = proof_of(Claim("more", "score", "base", 0.5))
    seeds = [
        SeedResult(s, False, "", arms(ours=2.0, base=1.0, off=1.0), {"ours": 30.0, "base": 30.0}) for s in range(3)
    ]
    monkeypatch.setattr(kept, "RECORDS", tmp_path)
    kept.published.cache_clear()
    yield record_of("toy", proof, seeds, command="", jobs=2)
    kept.published.cache_clear()


def test_what_may_be_published(record, tmp_path):
    import msgspec

    assert record.core_minutes == 3.0
    assert record.minutes == 1.5
    check_publishable(record, 0)
    for changed, why in (
        ({"quick": True}, "quick run"),
        ({"seeds": [0, 1]}, "has 2 seeds"),
        ({"seeds": [900, 901, 902]}, "leave --first-seed out"),
    ):
        with pytest.raises(SteelyardError, match=why):
            check_publishable(msgspec.structs.replace(record, **changed), 0)
    earlier = msgspec.structs.replace(record, criterion="another", seeds=[2, 3, 4])
    (tmp_path / "toy.json").write_bytes(msgspec.json.encode(earlier))
    kept.published.cache_clear()
    with pytest.raises(SteelyardError, match=r"seeds \[2\] were seen under the old one; raise first_seed"):
        check_publishable(record, 0)
    check_publishable(msgspec.structs.replace(record, seeds=[5, 6, 7]), 5)


def test_the_command_proves_it_again():
    assert command_of("topr", ProofSettings()) == "steelyard prove topr"
    settings = ProofSettings(seeds=5, first_seed=900, quick=True, jobs=1)
    assert command_of("topr", settings) == "steelyard prove topr --seeds 5 --first-seed 900 --quick"


def test_published_records_were_judged_by_the_criteria_of_today():
    for id, module in proof_modules().items():
        record = published(id)
        assert record is not None, f"{id} was never published"
        proof = load(module)
        assert record.criterion == proof.criterion, f"{id}: the criterion changed; raise first_seed, prove again"
        assert not record.quick
        assert set(record.arms) >= {proof.ours, proof.control}
        check_publishable(record, proof.first_seed, proof.seeds)
