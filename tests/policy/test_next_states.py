import pytest
import torch

from steelyard.policy.next_states import next_states
from steelyard.worlds.sync_loop import tiny_policy

POLICY = tiny_policy("abc", seed=0, width=16, layers=1, context=8)


def test_a_row_is_read_as_if_it_were_alone():
    rows = [POLICY.encode(text) for text in ("ab", "abcab", "c")]
    alone = torch.cat([next_states(POLICY, [row]) for row in rows])
    assert next_states(POLICY, rows) == pytest.approx(alone, abs=1e-5)


def test_the_next_token_follows_from_it():
    rows = [POLICY.encode("abc")]
    logits_NTV = POLICY.model(torch.tensor(rows)).logits
    assert POLICY.head(next_states(POLICY, rows)).detach() == pytest.approx(logits_NTV[:, -1].detach(), abs=1e-5)


def test_many_rows_keep_their_order():
    rows = [POLICY.encode("abcabca"[: 1 + n % 7]) for n in range(70)]
    found_ND = next_states(POLICY, rows)
    assert found_ND.shape == (70, 16)
    assert not found_ND.requires_grad
    assert found_ND[63:70] == pytest.approx(found_ND[:7], abs=1e-5)


def test_no_rows_have_no_states():
    assert next_states(POLICY, []).shape == (0, 16)
