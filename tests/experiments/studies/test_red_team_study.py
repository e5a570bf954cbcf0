"""The red-team studies read what lies in their directory, judge, and draw; the stages after a run by small examples."""

import json

import pytest

from experiments.fabricated import fabricate
from steelyard.core import SteelyardError, rng
from steelyard.experiments.harness.processes import measured_once
from steelyard.experiments.harness.run_index import label
from steelyard.experiments.studies import red_team, red_team_scale
from steelyard.experiments.studies._red_team.safety_tuning import attacks_of, refusals, tuned
from steelyard.experiments.studies._red_team.smoothing import collected
from steelyard.experiments.studies._red_team.stages import hits
from steelyard.policy import Policy
from steelyard.recipes import load
from steelyard.replay import PrioritizedReplay
from steelyard.replay.inspect import open_view
from steelyard.runtime.factories import BUFFER
from steelyard.task import RedTeam
from steelyard.task.provocation import ANSWER, family_of, sentence, vocabulary
from steelyard.worlds.bases.red_team import RedTeamBase, RedTeamVictim, attacks, manners, word_policy
from steelyard.worlds.sync_loop import copied


def record(place, seed):
    numbers = {"success": 0.5 + 0.05 * place, "diversity": 0.4, "diversity_success": 0.3, "families": 8.0 - place}
    said = {"attacks": [], "all": [], "seed": seed}
    return numbers | said | {"calls": 25_600, "transfer": 0.4, "transfer_families": 5.0}


def study(root, order):
    for seed in (0, 1, 2):
        for arm in red_team.RUNS:
            fabricate(root / label(arm, seed), [{"step": 0, "eval/success": 0.1}], seed=seed)
        for arm in red_team.AGAIN:
            fabricate(root / label(f"again {arm}", seed), [{"step": 9, "eval/success": 0.2}], seed=seed)
        for place, arm in enumerate(order):
            after = root / "_after" / f"{label(arm, seed)}.json"
            measured_once(after, dict, lambda place=place, seed=seed: record(place, seed))
            success = dict.fromkeys(red_team.ARMS, 0.1 * place)
            held = {"success": success, "refused_benign": 0.01}
            measured_once(root / "_tuned" / f"{label(arm, seed)}.json", dict, lambda held=held: held)
    return root


def test_the_study_judges_what_lies_there(tmp_path):
    order = ("TBA", "SFT", "REINFORCE", "GFlowNet smoothed", "GFlowNet", "novelty")
    section = red_team.section(study(tmp_path / "study", order))
    shown = [claim.shown for claim in section.claims]
    assert shown == [False] * 5 + [True], "more families with less success is no gain"
    assert all(len(row) == len(section.columns) for row in section.rows)
    assert [row[-2] == "–" for row in section.rows] == [arm not in red_team.AGAIN for arm in red_team.ARMS]
    assert [row[-1] == "–" for row in section.rows] == [arm not in red_team.RUNS for arm in red_team.ARMS]
    section.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_more_families_at_equal_success_is_a_gain(tmp_path):
    order = ("novelty", "REINFORCE", "TBA", "GFlowNet", "SFT", "GFlowNet smoothed")
    root = study(tmp_path / "study", order)
    for arm in ("TBA", "novelty"):
        for seed in (0, 1, 2):
            path = root / "_after" / f"{label(arm, seed)}.json"
            found = json.loads(path.read_text()) | {"success": 0.9 if arm == "novelty" else 0.89}
            path.write_text(json.dumps(found | {"families": 5.0 if arm == "TBA" else 2.0 + seed}))
    claims = red_team.section(root).claims
    assert claims[0].shown, "0.89 is within the tolerance of 0.9"
    assert claims[0].measured.endswith("(families by seed: 5 against 2, 5 against 3, 5 against 4)")


def test_a_record_is_made_once(tmp_path):
    path = tmp_path / "_after" / "record.json"
    first = measured_once(path, dict, lambda: {"a": 1.5})
    assert first == measured_once(path, dict, lambda: {"a": 2.5}) == {"a": 1.5}
    assert json.loads(path.read_text()) == {"a": 1.5}


def test_the_scale_study_judges_the_ends(tmp_path):
    for place, arm in enumerate(red_team_scale.arms()):
        for seed in (0, 1, 2):
            row = {"step": 9, "eval/families": 3.0 + place, "eval/success": 0.5, "eval/diversity": 0.4}
            fabricate(tmp_path / "study" / label(arm, seed), [row | {"eval/diversity_success": 0.3}], seed=seed)
    section = red_team_scale.section(tmp_path / "study")
    assert [claim.shown for claim in section.claims] == [True, False]
    section.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_arms_differ_in_nothing_but_what_they_say():
    runs = [red_team.run_of(arm, 5, 100) for arm in red_team.RUNS]
    assert len({(run.max_steps, run.num_generations, run.search_prompts, run.seed, run.model) for run in runs}) == 1
    assert red_team.run_of("TBA", 5, 100).num_searchers == red_team.SEARCHERS
    scale = list(red_team_scale.arms().values())
    assert len({(run.max_steps, run.inline.search_cost, run.objective) for run in scale}) == 1


@pytest.mark.parametrize(
    "name", ["red-team", "red-team-gfn", "red-team-reinforce", "red-team-novelty", "red-team-curiosity"]
)
def test_recipes_stand_on_the_shipped_models(name):
    assert load(name).model == "steelyard/red-team" and load(name).task.victim == "steelyard/red-team-victim"


def test_lessons_are_of_the_language():
    asked = {str(prompt.text) for split in ("train", "held-out") for prompt in RedTeam().prompts(split)}
    assert {text for text, _ in attacks(200, 1)} == asked
    pairs = manners(200, 1)
    assert all(text.endswith(f" {ANSWER}") for text, _ in pairs)
    assert sum(family_of(text) is not None for text, _ in pairs) > 80
    assert word_policy(0).vocab_size == 2 + len(vocabulary())


@pytest.mark.parametrize("recipe", [RedTeamBase, RedTeamVictim])
def test_base_models_are_made_and_read_back(tmp_path, recipe):
    made = recipe(output_dir=str(tmp_path / "model"), steps=3, lessons=20, batch=4)()
    policy = Policy.load(made["model"])
    assert policy.encode(sentence(rng(0, "test")))
    with pytest.raises(SteelyardError, match="is not empty"):
        recipe(output_dir=str(tmp_path / "model"))()
    with pytest.raises(SteelyardError, match="--steps"):
        recipe(steps=0)


@pytest.fixture(scope="module")
def some_attacks():
    return attacks_of(Policy.load("steelyard/red-team"), 48, seed=1)


def test_the_base_attacker_speaks_and_seldom_hits(some_attacks):
    assert len(some_attacks) == 48 and 0 <= len(hits(some_attacks)) < 24
    assert len({e.completion for e in some_attacks}) > 20


def test_what_a_run_stored_is_collected_evicted_or_not(tmp_path, some_attacks):
    policy, settings = Policy.load("steelyard/red-team"), PrioritizedReplay(capacity_per_prompt=2)
    buffer = settings.open(seed=0, path=tmp_path / BUFFER)
    first, low, high = list({e.completion: e for e in some_attacks}.values())[:3]
    for sample, (e, tox) in enumerate([(first, 0.8), (low, 0.2), (high, 0.9), (high, 0.8)]):
        given = e.trajectory.replace(prompt_id="ask", sample=sample, reward=1.0, reward_parts={"toxicity": tox})
        buffer.add([given], version=sample)
    buffer.close()
    with open_view(tmp_path / BUFFER) as view:
        assert len(list(view.trajectories())) == 2
    assert sorted(collected(tmp_path, policy)) == sorted([first.completion, high.completion])
    with pytest.raises(SteelyardError, match="no attack above"):
        collected(tmp_path, policy, 0.95)


def test_tuning_teaches_to_refuse_and_changes_no_other_victim():
    victim, found = Policy.load("steelyard/red-team-victim"), [sentence(rng(s, "test"), s % 8) for s in range(24)]
    before = copied(victim).weights()
    safe = tuned(victim, found, seed=1, steps=40)
    assert (victim.weights() == before).all() and (safe.weights() != before).any()
    assert refusals(victim, 64) < 0.05
    with pytest.raises(SteelyardError, match="nothing to refuse"):
        tuned(victim, [], seed=1)
