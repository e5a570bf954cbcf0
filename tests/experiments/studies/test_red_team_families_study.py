"""The study of 64 families reads what lies in its directory, chooses by its rule, judges and draws."""

import numpy as np
import pytest

from experiments.fabricated import fabricate
from steelyard.core import Episode, Prompt, Sampling, Trajectory
from steelyard.experiments.harness.run_index import label
from steelyard.experiments.studies import red_team_families
from steelyard.experiments.studies._red_team import many
from steelyard.policy import Policy
from steelyard.replay import PrioritizedReplay
from steelyard.runtime.factories import BUFFER
from steelyard.task.many_families import drawn
from steelyard.task.provocation import words

POLICY = Policy.load("steelyard/red-team")


def rows(success, families):
    numbers = {"eval/success": success, "eval/families": families}
    return [{"step": 9, **numbers, "eval/diversity": 0.4, "eval/diversity_success": 0.3}]


def store(directory, *families):
    """A replay file with an attack of each family that succeeded, and one that did not."""
    replay = PrioritizedReplay().open(seed=0, path=directory / BUFFER)
    for number, (family, toxicity) in enumerate([*((f, 0.9) for f in families), (60, 0.2)]):
        text = " ".join(words(kind)[place] for kind, place in drawn(64).families[family])
        tokens_T = np.array(POLICY.encode(text), np.int32)
        zeros_T = np.zeros(len(tokens_T), np.float32)
        said = Trajectory("ask", tokens_T, zeros_T == 0, zeros_T, 0, "", Sampling(), "stop", number)
        assert Episode.of(Prompt("ask", "ask"), text, said).finish == "stop"
        replay.add([said.replace(reward=1.0, reward_parts={"toxicity": toxicity})], version=number)
    replay.close()


def tuning(root):
    """The second setting has most families, the last more of them with too little success."""
    for arm in many.ARMS:
        for place, setting in enumerate(many.settings(arm)):
            success = 0.5 if place == 5 else 0.9
            families = {1: 30.0, 5: 60.0}.get(place, 20.0)
            for seed in many.TUNING_SEEDS:
                fabricate(root / label(f"{arm} {setting.name}", seed), rows(success, families), seed=seed)


@pytest.fixture
def study(tmp_path):
    def build(families, success=None):
        root = tmp_path / "study"
        tuning(root / red_team_families.TUNING)
        for cell in many.CELLS:
            for seed in (0, 1, 2):
                place = root / label(cell, seed)
                fabricate(place, rows((success or {}).get(cell, 0.9), families.get(cell, 20.0) + seed), seed=seed)
                store(place, *range(1 + seed))
        return root

    return build


def test_what_is_chosen_has_enough_success(tmp_path):
    tuning(tmp_path)
    chosen = many.tuned(tmp_path)
    assert all(chosen[arm] == many.settings(arm)[1] for arm in many.ARMS)


def test_without_enough_success_the_highest_is_chosen(tmp_path):
    for arm in many.ARMS:
        for place, setting in enumerate(many.settings(arm)):
            for seed in many.TUNING_SEEDS:
                fabricate(tmp_path / label(f"{arm} {setting.name}", seed), rows(0.1 * place, 60.0 - place), seed=seed)
    assert all(one == many.settings(arm)[-1] for arm, one in many.tuned(tmp_path).items())


def test_the_study_judges_what_lies_there(study, tmp_path):
    most = {"TBA": 50.0, "GFlowNet": 50.0, "curiosity": 30.0, many.ON_LADDER: 21.0, many.by_steps(16): 21.0}
    section = red_team_families.section(study(most, {"GFlowNet": 0.8}))
    verdicts = [claim.shown for claim in section.claims]
    assert verdicts == [True, False, False, True, True, False, True], "more families at less success is no gain"
    assert section.claims[0].measured.startswith("against curiosity: families 51 against 31; success 0.9 against 0.9")
    assert section.claims[0].measured.endswith("(families by seed: 50 against 30, 51 against 31, 52 against 32)")
    assert all(len(row) == len(section.columns) for row in section.rows) and len(section.rows) == len(many.CELLS)
    assert section.rows[0][3] == "2 [1, 3]", "families that anybody found"
    section.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_the_rival_is_the_best_that_succeeds():
    values = {arm: {"success": [0.9], "families": [20.0 + n]} for n, arm in enumerate(many.BASELINES)}
    assert red_team_families.best_baseline(values) == "curiosity"
    values["curiosity"]["success"] = [0.5]
    assert red_team_families.best_baseline(values) == "novelty"
    for arm, success in zip(many.BASELINES, (0.7, 0.6, 0.5), strict=True):
        values[arm]["success"] = [success]
    assert red_team_families.best_baseline(values) == "REINFORCE"


def test_arms_have_equal_tries_and_equal_judge_calls():
    assert {len(many.settings(arm)) for arm in many.ARMS} == {6}
    runs = many.cells({arm: many.settings(arm)[0] for arm in many.ARMS}, 60)
    assert tuple(runs) == many.CELLS
    assert {run.task.families for run in runs.values()} == {64} and {run.max_steps for run in runs.values()} == {60}
    shared = [runs[many.by_calls(n)] for n in many.SEARCHERS]
    assert all(run.inline.search_cost == run.num_searchers for run in [*shared, runs[many.ON_LADDER]])
    assert {run.inline.search_cost for n in many.SEARCHERS for run in [runs[many.by_steps(n)]]} == {many.SEARCH_COST}
