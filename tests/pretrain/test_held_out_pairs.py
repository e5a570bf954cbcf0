import numpy as np
import pytest

from steelyard.core import Prompt
from steelyard.policy import Policy
from steelyard.pretrain.held_out_pairs import given_pair, measures, pair_logp
from steelyard.task.preferences import Preference


def test_by_hand():
    first = np.array([[-2.0, -3.0], [-4.0, -1.0], [-2.0, -2.0]])
    now = np.array([[-1.0, -3.5], [-5.0, -4.0], [-2.0, -2.0]])
    # Margins: 1 + 0.5, -1 + 3, 0.
    assert measures(now, first) == {
        "eval/preference_accuracy": pytest.approx(2.5 / 3),
        "eval/preference_margin": pytest.approx(3.5 / 3),
        "eval/chosen_logp": pytest.approx(-8 / 3),
        "eval/rejected_logp": pytest.approx(-9.5 / 3),
        "eval/displaced": pytest.approx(1 / 3),
    }


def test_what_does_not_end_has_no_end(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("gpt2")))
    whole, begun = (Preference(Prompt("x", "1+1="), "2", "10", chosen_ends=ends) for ends in (True, False))
    ended, rejected = pair_logp(policy, [whole])[0]
    open_, same = pair_logp(policy, [begun])[0]
    assert same == pytest.approx(rejected, rel=1e-6)
    assert open_ - ended > 0.01  # by how unlikely the end is
    [chosen, _] = given_pair(policy, begun)
    assert policy.decode(chosen.completion_T) == "2"
    assert chosen.completion_T.tolist() == given_pair(policy, whole)[0].completion_T.tolist()[:-1]


def test_log_probabilities_are_sums_over_tokens_with_the_end(tiny_model_dir):
    import torch

    policy = Policy.load(str(tiny_model_dir("gpt2")))
    [[chosen, rejected]] = pair_logp(policy, [Preference(Prompt("x", "1+1="), "2", "10")])
    for said, found in (("2", chosen), ("10", rejected)):
        tokens = [*policy.tokenizer.encode("1+1=" + said, add_special_tokens=False), 0]
        logp = policy.next_logp(torch.tensor([tokens]))[0]
        assert found == pytest.approx(sum(float(logp[i - 1, tokens[i]]) for i in range(4, len(tokens))), rel=1e-5)
