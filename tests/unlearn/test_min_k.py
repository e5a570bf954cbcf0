import numpy as np
import pytest

from steelyard.core import Prompt
from steelyard.task.answered import Answered
from steelyard.unlearn import MinK
from steelyard.unlearn.material import Material
from steelyard.unlearn.min_k import AT_ONCE, least_likely, token_logp
from steelyard.worlds.sync_loop import demonstration, imitate, tiny_policy

FACTS = [("a:", "xy"), ("b:", "yx"), ("c:", "zz")]
UNSEEN = [("a:", "zy"), ("b:", "xx"), ("c:", "yz")]


def rows_of(pairs):
    return [Answered(Prompt(prompt, prompt), answer) for prompt, answer in pairs]


@pytest.fixture(scope="module")
def taught():
    policy = tiny_policy("abcxyz:", seed=0, width=16, layers=1, heads=2, context=8)
    imitate(policy, FACTS, steps=250, batch=6, learning_rate=1e-2, seed=0)
    return policy


def test_by_hand():
    # Two of five numbers are 40 %; a share that is no whole number of tokens is rounded up.
    logp_T = np.array([-1.0, -4.0, -2.0, -3.0, -0.5])
    assert least_likely(logp_T, 0.4) == -3.5
    assert least_likely(logp_T, 0.2) == -4.0
    assert least_likely(logp_T, 0.3) == -3.5
    assert least_likely(logp_T, 1.0) == pytest.approx(-2.1)


def test_the_numbers_of_tokens_are_those_of_whole_rows(taught):
    given = [demonstration(taught, Prompt(p, p), text) for p, text in FACTS * AT_ONCE]
    found = token_logp(taught, given)
    assert len(found) == len(given) > AT_ONCE
    for t, logp_T in zip(given[:3], found, strict=False):
        logp_V = taught.next_logp(_rows(t))[0]
        each = [float(logp_V[i - 1, t.tokens_T[i]]) for i in np.flatnonzero(t.action_T)]
        assert logp_T == pytest.approx(each, abs=1e-5)


def _rows(t):
    import torch

    return torch.from_numpy(t.tokens_T.astype(np.int64))[None]


def test_what_is_known_is_told_from_what_was_never_seen(taught):
    table = MinK().measure(taught, Material(rows_of(FACTS), held_out=rows_of(UNSEEN)))
    assert table.number("membership", "auc") == 1.0
    assert table.number("membership", "forgotten") == 3
    same = MinK(k=1.0).measure(taught, Material(rows_of(FACTS), held_out=rows_of(FACTS)))
    assert same.number("membership", "auc") == 0.5
    assert same.number("membership", "forgotten_logp") == same.number("membership", "held_out_logp")


def test_it_says_what_it_lacks():
    assert MinK().lacks(Material([], held_out=rows_of(FACTS))) == "rows to be forgotten"
    assert "--held-out FILE" in MinK().lacks(Material(rows_of(FACTS)))
    assert not MinK().lacks(Material(rows_of(FACTS), held_out=rows_of(UNSEEN)))
