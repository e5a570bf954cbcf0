import copy

import numpy as np
import pytest
from scipy import stats

from steelyard.core import Prompt
from steelyard.learner import Adam, Learner
from steelyard.objective import SFT
from steelyard.policy import LoRA, Policy
from steelyard.task.answered import Answered
from steelyard.unlearn import Relearning
from steelyard.unlearn.audit import answers_logp, mean_logp, truth_ratio
from steelyard.unlearn.material import Material
from steelyard.unlearn.relearning import split_of
from steelyard.unlearn.two_sided_audit import question
from steelyard.worlds.sync_loop import demonstration, tiny_policy

ROWS = [Answered(Prompt(p, f"{p}:"), p.upper(), ("Z",)) for p in "dcab"]


@pytest.fixture
def policy():
    return tiny_policy("abcdABCDZ:", seed=0, width=16, layers=1, heads=2, context=8)


def test_the_first_rows_by_id_are_learned_and_the_rest_is_asked(policy):
    table = Relearning(rows=2, steps=3, learning_rate=1e-2).measure(policy, Material(ROWS))
    taught = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    learner = Learner(taught, SFT(), Adam(), learning_rate=1e-2)
    for _ in range(3):
        learner.step([[demonstration(policy, Prompt(p, f"{p}:"), p.upper())] for p in "ab"])
    for name, one in (("rest_before", policy), ("rest_after", taught)):
        rest = [demonstration(one, Prompt(p, f"{p}:"), p.upper()) for p in "cd"]
        assert table.number(name, "logp") == pytest.approx(mean_logp(one, rest).mean())
        assert table.number(name, "questions") == 2
    gain = table.number("rest_after", "logp") - table.number("rest_before", "logp")
    assert table.number("rest_after", "gain") == pytest.approx(gain / 3)
    assert table.number("rest_before", "gain") is None


def test_the_policy_stays_as_it_is_adapters_too(policy, tiny_model_dir):
    rows = [Answered(Prompt(f"{n}+1=", f"{n}+1="), str(n + 1)) for n in range(4)]
    adapted = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2))
    for one, material in ((policy, Material(ROWS)), (adapted, Material(rows))):
        before = one.weights().copy()
        table = Relearning(steps=2, learning_rate=1e-2).measure(one, material)
        assert np.array_equal(one.weights(), before)
        assert table.number("rest_after", "logp") != table.number("rest_before", "logp")


def test_forget_quality_is_against_the_retrained_models_ratios_of_the_rest(policy):
    never = tiny_policy("abcdABCDZ:", seed=1, width=16, layers=1, heads=2, context=8)

    def ratios(one, rows):
        return truth_ratio(answers_logp(one, [question(one, row) for row in rows]))

    table = Relearning(rows=1, steps=1).measure(policy, Material(ROWS, retrained_N=ratios(never, ROWS)))
    rest = [row for row in ROWS if row.prompt.id != "a"]
    expected = stats.ks_2samp(ratios(policy, rest), ratios(never, rest)).pvalue
    assert table.number("rest_before", "quality") == pytest.approx(expected)
    assert Relearning(steps=1).measure(policy, Material(ROWS)).number("rest_before", "quality") is None


def test_at_most_half_is_learned_and_what_is_lacking_is_said():
    assert split_of(ROWS, 8) == ([2, 3], [1, 0])
    assert Relearning().lacks(Material(ROWS[:1])) == "two rows to be forgotten with different prompts"
    assert Relearning().lacks(Material([ROWS[0], ROWS[0]])) == "two rows to be forgotten with different prompts"
    assert Relearning(steps=0).lacks(Material(ROWS)) == "steps (relearning-steps is 0)"
    assert not Relearning().lacks(Material(ROWS))
