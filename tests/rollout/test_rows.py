import numpy as np
import pytest
import torch

from rollout.drawn import requests_for
from steelyard.rollout import cache
from steelyard.rollout.prefix_cache import PrefixCache
from steelyard.rollout.prefixes import Prefixes
from steelyard.rollout.rows import Rows
from steelyard.rollout.running_rows import moves

PROMPTS = {"a": (5, 14, 6), "b": (9,)}
STEPS = 3


@pytest.fixture(params=[False, True], ids=["in columns", "apart"])
def rows(request, network, monkeypatch):
    """Room for 3 rows of 12 columns, in blocks of 2."""
    monkeypatch.setattr(cache, "WIDTH", 2)
    return Rows(network, 3, 12, Prefixes(network, 3, 3) if request.param else None)


def _let_in(rows, requests, first=0.0):
    """With uniforms that say whose they are: 0.1 for the first row, 0.2 for the next, and 0.01 more at each step."""
    rows.make_room(3, STEPS)
    for part, index, read in PrefixCache(rows._network).read(requests, None):
        uniform_MS = first + 0.1 * np.arange(1, len(part) + 1)[:, None] + 0.01 * np.arange(STEPS)
        rows.admit(part, index, read, uniform_MS)


@torch.inference_mode()
def _write(rows, tokens, version=0):
    return rows.write(torch.tensor(tokens), -torch.tensor(tokens) / 10, version).tolist()


@torch.inference_mode()
def _advance(rows):
    rows.advance()


@torch.inference_mode()
def _end(rows, which):
    return rows.end(np.array(which))


def _logits(llama, tokens):
    with torch.no_grad():
        return llama.head(llama.backbone(input_ids=torch.tensor([list(tokens)]))[0])[0, -1]


def test_from_prompt_to_end(rows, llama):
    requests = requests_for(1, PROMPTS)
    _let_in(rows, requests)
    assert (rows.running, rows.free) == (2, 1)
    torch.testing.assert_close(rows.uniform_N.tolist(), [0.1, 0.2])
    for row, prompt in enumerate(PROMPTS.values()):
        torch.testing.assert_close(rows.logits_NV[row], _logits(llama, prompt), atol=1e-4, rtol=1e-4)
    assert _write(rows, [7, 8]) == [False, False]
    _advance(rows)
    torch.testing.assert_close(rows.uniform_N.tolist(), [0.11, 0.21])
    for row, prompt in enumerate(PROMPTS.values()):
        torch.testing.assert_close(rows.logits_NV[row], _logits(llama, [*prompt, 7 + row]), atol=1e-4, rtol=1e-4)
    assert _write(rows, [10, 11], 2) == [False, False]
    (ended,) = _end(rows, [0])
    assert ended.request == requests[0]
    assert ended.tokens_T.dtype == np.int32
    assert ended.tokens_T.tolist() == [5, 14, 6, 7, 10]
    assert ended.logp.tolist() == pytest.approx([-0.7, -1.0])
    assert ended.versions.tolist() == [0, 2]
    # The last row has taken its place, and goes on.
    assert rows.running == 1
    _advance(rows)
    torch.testing.assert_close(rows.logits_NV[0], _logits(llama, [9, 8, 11]), atol=1e-4, rtol=1e-4)
    assert _write(rows, [12], 2) == [True]
    (ended,) = _end(rows, [0])
    assert (ended.request, ended.tokens_T.tolist()) == (requests[1], [9, 8, 11, 12])
    assert ended.versions.tolist() == [0, 2, 2]
    assert rows.running == 0


def test_columns_that_run_out_move_to_the_front(rows):
    """One row after another is let in, always with another one running, for longer than there are columns."""
    requests = requests_for(20, PROMPTS)
    moved, columns, ended = 0, [], []
    _let_in(rows, [requests.pop()])
    for step in range(24):
        done = np.flatnonzero(_write(rows, [4 + step % 20] * rows.running, step))
        ended += _end(rows, done) if len(done) else []
        _advance(rows)
        if step % 2 == 0:
            _let_in(rows, [requests.pop()])
        moved += bool(columns) and rows.column <= columns[-1]
        columns.append(rows.column)
    assert moved > 1
    assert max(columns) < 12
    assert len(ended) > 8
    for row in ended:
        first = row.versions[0]
        assert row.versions.tolist() == [first, first + 1, first + 2]
        assert row.tokens_T.tolist() == [*row.request.tokens, *(4 + v % 20 for v in row.versions)]


def test_a_row_that_is_let_in_does_not_see_what_was_there_before(rows, llama):
    _let_in(rows, requests_for(1, PROMPTS))
    _write(rows, [7, 8])
    _advance(rows)
    _let_in(rows, requests_for(2, PROMPTS)[1:2], first=0.5)
    torch.testing.assert_close(rows.uniform_N.tolist(), [0.11, 0.21, 0.6])
    _write(rows, [4, 5, 6])
    _advance(rows)
    for row, tokens in enumerate([(5, 14, 6, 7, 4), (9, 8, 5), (5, 14, 6, 6)]):
        torch.testing.assert_close(rows.logits_NV[row], _logits(llama, tokens), atol=1e-4, rtol=1e-4)


def test_the_last_rows_move_to_the_places_of_those_that_ended():
    places, movers = moves(np.array([1, 4]), running=5)
    assert (places.tolist(), movers.tolist()) == ([1], [3])
