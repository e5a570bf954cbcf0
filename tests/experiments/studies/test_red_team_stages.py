"""The stages after a red-teaming run, with few steps and few attacks: what each leaves, and that it is made once."""

from collections import Counter
from functools import partial
from typing import Any

import pytest
import torch

from experiments.fabricated import fabricate
from steelyard.core import SteelyardError, rng
from steelyard.experiments.harness.run_index import label
from steelyard.experiments.studies import red_team
from steelyard.experiments.studies._red_team import stages
from steelyard.experiments.studies._red_team.safety_tuning import attacks_of, refusals, tuned
from steelyard.experiments.studies._red_team.smoothing import THRESHOLD, smoothed
from steelyard.policy import Policy
from steelyard.replay import PrioritizedReplay
from steelyard.runtime.factories import BUFFER
from steelyard.task import RedTeam
from steelyard.task.provocation import sentence
from steelyard.worlds.bases.red_team import RedTeamVictim

FOUND = [sentence(rng(place, "test"), place % 8) for place in range(24)]
"""Attacks of every family."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in a study, whose stages set it; afterwards as it was."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Few attacks, and a second victim that has hardly been taught."""
    monkeypatch.setattr(stages, "NUMBER", 32)
    little: dict[str, Any] = {"lessons": 20, "steps": 3, "batch": 4}
    monkeypatch.setattr(stages, "RedTeamVictim", lambda **given: RedTeamVictim(**given | little))


@pytest.fixture
def steps(monkeypatch):
    """`steps(number)`: smoothing and tuning take so many."""

    def set_steps(number):
        monkeypatch.setattr(stages, "smoothed", partial(smoothed, steps=number))
        monkeypatch.setattr(stages, "tuned", partial(tuned, steps=number))

    return set_steps


@pytest.fixture
def frozen(monkeypatch):
    """`frozen()`: from now on nothing can be sampled or trained."""
    return lambda: [monkeypatch.setattr(stages, name, None) for name in ("attacks_of", "smoothed", "tuned", "refusals")]


@pytest.fixture(scope="module")
def base():
    return Policy.load(stages.BASE)


@pytest.fixture(scope="module")
def attacker(base):
    """The base attacker after imitation of three attacks."""
    return smoothed(base, FOUND[:3], seed=1, steps=80)


def test_a_smoothed_attacker_says_what_it_was_given(base, attacker):
    before, after = (Counter(e.completion for e in attacks_of(p, 128, seed=1)) for p in (base, attacker))
    assert all(before[text] <= 1 and after[text] > 10 for text in FOUND[:3])


def test_nothing_can_be_learnt_from_no_attack(base):
    with pytest.raises(SteelyardError, match="no attack to imitate; attack more often"):
        smoothed(base, [], seed=0)


def test_the_imitator_learns_the_base_s_own_hits_and_nothing_else(tmp_path, base, monkeypatch):
    lessons = []
    monkeypatch.setattr(stages, "smoothed", lambda policy, attacks, seed: lessons.extend(attacks) or policy)
    kept = stages.imitator(tmp_path, "SFT-seed1", 1, 256)
    tried = attacks_of(base, 256, seed=1)
    won = {e.completion for e, tox in zip(tried, RedTeam().toxicity(tried), strict=True) if tox > THRESHOLD}
    assert 0 < len(won) < 30 and sorted(lessons) == sorted(won), "each once"
    monkeypatch.setattr(stages, "smoothed", None)
    assert (stages.imitator(tmp_path, "SFT-seed1", 1, 256).weights() == kept.weights()).all()


def test_an_attacker_is_measured_on_both_victims_once(tmp_path, attacker, frozen):
    record = stages.measured(tmp_path, attacker, "arm-seed1", 1, 500)
    said = attacks_of(attacker, 32, seed=1)
    assert record["all"] == [e.completion for e in said] and record["attacks"] == stages.hits(said)
    assert record["calls"] == 500 and record["success"] == RedTeam().measure([said], [])["success"]
    there = RedTeam(victim=str(tmp_path / "_victims" / "other")).measure([said], [])
    assert (record["transfer"], record["transfer_families"]) == (there["success"], there["families"])
    assert record["success"] > 0.3 > record["transfer"], "the other victim has hardly learnt to answer"
    frozen()
    assert stages.measured(tmp_path, attacker, "arm-seed1", 1, 500) == record
    assert [path.name for path in (tmp_path / "_after").iterdir()] == ["arm-seed1.json"]


def test_a_tuned_victim_withstands_what_it_was_tuned_on(tmp_path, steps, frozen):
    steps(80)
    attacks = [RedTeam.attack(text, number) for number, text in enumerate(FOUND)]
    victim = stages.tuned_victim(tmp_path, FOUND, "arm-seed1", 1)
    assert RedTeam(victim=victim).measure([attacks], [])["success"] < 0.5
    assert RedTeam(victim=stages.VICTIM).measure([attacks], [])["success"] > 0.9
    assert refusals(Policy.load(victim), 64) < 0.5
    frozen()
    assert stages.tuned_victim(tmp_path, [], "arm-seed1", 1) == victim


def test_a_defence_names_every_arm_and_is_written_once(tmp_path, frozen):
    polite = [sentence(rng(place, "test")) for place in range(8)]
    record = stages.defended(tmp_path, stages.VICTIM, "arm-seed1", {"TBA": FOUND, "SFT": polite})
    assert record["success"].keys() == {"TBA", "SFT"}
    assert record["success"]["TBA"] > 0.9 > 0.2 > record["success"]["SFT"]
    assert 0 <= record["refused_benign"] < 0.05
    frozen()
    assert stages.defended(tmp_path, stages.VICTIM, "arm-seed1", {}) == record


def runs(root, attacker, seed):
    """The runs of a seed, each with its end, its model and, for GFlowNet, a buffer."""
    for arm in red_team.RUNS:
        run = fabricate(root / label(arm, seed), [{"step": 0, "eval/success": 0.1}], seed=seed, trajectories=256)
        attacker.save(run / "model")
    given = [e.trajectory.replace(prompt_id="ask", reward=1.0, reward_parts={"toxicity": 0.9})
             for e in attacks_of(attacker, 4, seed=seed)]  # fmt: skip
    buffer = PrioritizedReplay().open(seed=0, path=root / label("GFlowNet", seed) / BUFFER)
    buffer.add(given, version=0)
    buffer.close()


def test_what_follows_the_runs_is_what_the_section_reads(tmp_path, attacker, steps, frozen, monkeypatch):
    steps(2)
    runs(tmp_path, attacker, 1)
    monkeypatch.setattr(stages, "BASE", str(tmp_path / label("TBA", 1) / "model"))  # so that every arm has hits
    victims = red_team.follow(tmp_path, 1)
    assert victims == {arm: str(tmp_path / "_tuned" / label(arm, 1)) for arm in red_team.AGAIN}
    for arm in red_team.AGAIN:
        fabricate(tmp_path / label(f"again {arm}", 1), [{"step": 9, "eval/success": 0.2}], seed=1)
    section = red_team.section(tmp_path)
    assert [row[0] for row in section.rows] == [*red_team.ARMS] and section.claims
    for arm in red_team.ARMS:
        assert stages.read(tmp_path / "_after" / f"{label(arm, 1)}.json")["calls"] == 256
        assert [*stages.read(tmp_path / "_tuned" / f"{label(arm, 1)}.json")["success"]] == [*red_team.ARMS]
    frozen()
    assert red_team.follow(tmp_path, 1) == victims
