"""A model that reads: sums of hidden states against transformers' own, and each comparison by itself."""

import numpy as np
import pytest
import torch

from steelyard.core import Prompt, SteelyardError
from steelyard.data import Comparison, Reader
from steelyard.data.reader import PolicyReader, overlap
from steelyard.learner import demonstration
from steelyard.policy import Policy

COMPARISONS = [Comparison("1+2=", "3", "44"), Comparison("1+2=", "44", "3"), Comparison("5=", "5", "5")]


@pytest.fixture(scope="module")
def policy(tiny_model_dir):
    return Policy.load(str(tiny_model_dir("llama")))


def summed(policy, prompt, completion):
    """The sum of what transformers calls the last hidden states, from the prompt's last token to the last but one."""
    row = demonstration(policy, Prompt("", prompt), completion)
    with torch.no_grad():
        tokens_NT = torch.from_numpy(row.tokens_T[None].astype(np.int64))
        hidden_TD = policy.backbone(input_ids=tokens_NT, use_cache=False)[0][0]
    first = len(policy.encode(prompt))
    return hidden_TD[first - 1 : -1].double().sum(0), len(row.tokens_T) - first


def test_it_is_the_sum_of_the_states_that_predict_the_answer(policy):
    reader = PolicyReader(policy, "tiny")
    assert isinstance(reader, Reader)
    for asked, found in zip(COMPARISONS, reader(COMPARISONS), strict=True):
        (chosen_D, chosen), (rejected_D, rejected) = (
            summed(policy, asked.prompt, said) for said in (asked.chosen, asked.rejected)
        )
        assert (found.chosen_tokens, found.rejected_tokens) == (chosen, rejected)
        assert found.dot == pytest.approx(float(chosen_D @ rejected_D), rel=1e-4, abs=1e-4)
        assert found.square == pytest.approx(float(chosen_D @ chosen_D), rel=1e-4)


def test_equal_completions_have_no_score_and_order_turns_the_dot_product_round(policy):
    first, second, same = PolicyReader(policy, "tiny")(COMPARISONS)
    assert first.dot == pytest.approx(second.dot, rel=1e-5)
    assert same.dot == pytest.approx(same.square, rel=1e-5)


def test_each_comparison_is_read_once(policy, monkeypatch):
    reader = PolicyReader(policy, "tiny")
    first = reader(COMPARISONS)
    monkeypatch.setattr("steelyard.data.reader.action_states", None)
    assert reader(COMPARISONS[::-1]) == first[::-1]
    assert reader([]) == []


def test_what_is_too_long_is_refused(policy):
    with pytest.raises(SteelyardError, match=r"--reader: '1\+2=' and its answer have \d+ tokens, and the context"):
        PolicyReader(policy, "tiny")([Comparison("1+2=", "3" * policy.context_length, "4")])


def test_overlap_by_hand():
    found = overlap(np.array([[1.0, 0.0], [2.0, 1.0]]), np.array([[1.0, 2.0]]))
    assert (found.dot, found.square, found.chosen_tokens, found.rejected_tokens) == (5.0, 10.0, 2, 1)
