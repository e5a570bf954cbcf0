import numpy as np
import pytest

from steelyard.objective import Reinforce
from steelyard.worlds import base_cache, code_reached
from steelyard.worlds.file_lock import held
from steelyard.worlds.sync_loop import imitate, tiny_policy

PAIRS = [("a", "b"), ("b", "a")]
LESSONS = {"steps": 3, "batch": 2, "learning_rate": 1e-2, "seed": 0}


@pytest.fixture
def kept(tmp_path):
    base_cache.use(tmp_path)
    yield tmp_path
    base_cache.use(None)


def taught(**changes):
    policy = tiny_policy("ab", seed=0, width=8, layers=1, heads=2, context=8)
    return policy, imitate(policy, PAIRS, **(LESSONS | changes))


def test_a_kept_base_is_the_fresh_one_bit_for_bit(kept):
    fresh, metrics = taught()
    again, same = taught()
    assert len([*kept.glob("*.safetensors")]) == 1
    base_cache.use(None)
    without, others = taught()
    assert metrics == same == others
    assert np.array_equal(fresh.weights(), again.weights())
    assert np.array_equal(fresh.weights(), without.weights())


def test_other_lessons_are_another_model(kept):
    for changes in ({}, {"seed": 1}, {"learning_rate": 2e-2}, {"objective": Reinforce()}):
        taught(**changes)
    assert len([*kept.glob("*.safetensors")]) == 4


def test_it_is_taught_again_where_code_that_taught_it_has_changed_or_it_is_damaged(kept, monkeypatch):
    first, _ = taught()
    file = next(kept.glob("*.safetensors"))
    before = file.stat().st_mtime_ns
    monkeypatch.setattr(code_reached, "changed", lambda kept: ["learner/learner.py"])
    taught()
    after = file.stat().st_mtime_ns
    assert after > before
    monkeypatch.undo()
    file.write_bytes(b"no model")
    again, _ = taught()
    assert np.array_equal(first.weights(), again.weights())


def test_what_a_kept_base_has_reached_counts_for_who_takes_it(kept):
    taught()
    with code_reached.recording() as code:
        code.enter("arm")
        taught()
        assert code_reached.PACKAGE / "learner" / "adamw.py" in code.files("arm")


def test_the_oldest_go_where_there_are_too_many(kept, monkeypatch):
    monkeypatch.setattr(base_cache, "MOST", 2)
    for seed in range(4):
        taught(seed=seed)
    assert len([*kept.glob("*.safetensors")]) == 2


def test_a_lock_is_for_one_and_free_again(tmp_path):
    with held(tmp_path / "a.lock") as mine, held(tmp_path / "a.lock", wait=0.15) as other:
        assert (mine, other) == (True, False)
    with held(tmp_path / "a.lock") as mine:
        assert mine
