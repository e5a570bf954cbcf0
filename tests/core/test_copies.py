"""What is handed to code that is not ours shares nothing with the original."""

import threading

import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, Trajectory
from steelyard.core.copies import own, own_episodes, own_prompt

TESTS = [{"in": [1, 2]}, {"in": [3]}]


def episode():
    T = np.ones(2, np.int32)
    trajectory = Trajectory("p", T, T > 0, T.astype(np.float32), 0, "d", Sampling(), "stop", info={"turns": [1]},
                            reward_T=T.astype(np.float32), reward_parts={"a": 1.0})  # fmt: skip
    return Episode.of(Prompt("p", [{"role": "user", "content": "q"}], {"tests": TESTS}), "x", trajectory)


def spoil(e):
    e.prompt.columns["tests"][0]["in"].append("spoiled")
    e.prompt.columns["new"] = 1
    e.prompt.text[0]["content"] = "spoiled"
    e.prompt.text.append({})
    e.trajectory.tokens_T[:] = 7
    e.trajectory.action_T[:] = False
    e.trajectory.logp_behaviour_T[:] = 7
    e.trajectory.reward_T[:] = 7
    e.trajectory.info["turns"].append(7)
    e.trajectory.reward_parts["a"] = 7.0


def test_changes_of_a_copy_change_nothing_else():
    one = episode()
    first, second = own_episodes([one, one])
    spoil(first)
    for e in (one, second):
        assert e.prompt == Prompt("p", [{"role": "user", "content": "q"}], {"tests": [{"in": [1, 2]}, {"in": [3]}]})
        assert e.trajectory.tokens_T.tolist() == [1, 1]
        assert e.trajectory.action_T.all()
        assert e.trajectory.logp_behaviour_T.tolist() == e.trajectory.reward_T.tolist() == [1.0, 1.0]
        assert (e.trajectory.info, e.trajectory.reward_parts) == ({"turns": [1]}, {"a": 1.0})


def test_a_copied_prompt_keeps_its_labels_and_its_place():
    """Curricula get copies: without its label a row of a file has no domain."""
    prompt = Prompt("p", "q", {"topic": "b"}, {"domain": 1}, place="x.jsonl row 3")
    copy = own_prompt(prompt)
    assert (copy, copy.place) == (prompt, prompt.place)
    dict.update(copy.labels, domain=7)  # pyright: ignore
    assert prompt.labels == {"domain": 1}


@pytest.mark.parametrize("value", [1, "a", None, True, 2.5, b"x"])
def test_what_cannot_change_is_not_copied(value):
    assert own(value) is value


def test_what_cannot_be_copied_is_given_as_it_is():
    lock = threading.Lock()
    assert own(lock) is lock
