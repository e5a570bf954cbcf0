import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.decode import CNTP, DecodeRule


def logits(*p: float) -> torch.Tensor:
    return torch.tensor([p]).log()


def test_it_is_a_rule():
    assert isinstance(CNTP(), DecodeRule)


def test_candidates_by_hand():
    # H = ln 2 = 0.693: share (0.693 - 0.01) / 1.49 = 0.458, of nine 4.13, so 1 + 4.
    assert CNTP().num_candidates(logits(0.5, 0.5, 0.0)).tolist() == [5]
    assert CNTP().num_candidates(logits(1.0, 0.0, 0.0)).tolist() == [1], (
        "a token that was cut off has no part in the entropy"
    )
    assert CNTP().num_candidates(torch.zeros(2, 64)).tolist() == [10, 10], "above 1.5 nats there are no more"
    assert CNTP(n_min=3).num_candidates(logits(1.0, 0.0)).tolist() == [3]


def test_the_least_perplexity_by_hand():
    long, short = np.log(np.array([0.5, 0.9, 0.9], np.float32)), np.log(np.array([0.6], np.float32))
    # PPL: (0.5 0.9 0.9)^(-1/3) = 1.35 against 1 / 0.6 = 1.67, though the long one is less probable as a whole.
    assert CNTP().choose([short, long]) == 1
    assert CNTP().choose([long, short, long]) == 0, "the first of equals"


def test_what_ends_a_candidate():
    assert all(CNTP().closes(text) for text in (",", "end.", "\n", "?)"))
    assert not any(CNTP().closes(text) for text in ("", "a", ", ", ".5"))
    assert CNTP(ends=";").closes(";")
    assert not CNTP(ends="").closes(".")


def test_with_one_candidate_it_never_asks_for_more():
    assert CNTP(n_max=1).num_candidates(torch.zeros(3, 64)).tolist() == [1, 1, 1]


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=9), st.floats(0.1, 5))
def test_more_entropy_never_means_fewer_candidates(logits, temperature):
    logits_NV = torch.tensor([logits])
    cold, hot = (int(CNTP().num_candidates(logits_NV / t)) for t in (temperature, 2 * temperature))
    assert 1 <= cold <= hot <= 10
    shifted = int(CNTP().num_candidates(logits_NV.double().float() + 1.0))
    assert abs(shifted - int(CNTP().num_candidates(logits_NV))) <= 1  # rounding may cross a floor


@pytest.mark.parametrize("wrong", [{"n_min": 0}, {"n_max": 0}, {"low": 2.0}, {"low": -1.0}, {"high": math.nan}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(SteelyardError, match="cntp"):
        CNTP(**wrong)
