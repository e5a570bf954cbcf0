import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Trajectory
from steelyard.searcher.step_labels import StepLabels, placed, step_ends

TEXT = "a=1\n\n b = 2 \nc"


def of(completion, *, prompt=2):
    """One character a token, after a prompt."""
    tokens = np.array([*[0] * prompt, *map(ord, completion)], np.int32)
    action = np.arange(len(tokens)) >= prompt
    return Trajectory("p", tokens, action, np.zeros(len(tokens), np.float32), 0, "", Sampling(), "stop")


def episode(completion):
    return Episode.of(Prompt("p", "q:", {"answer": "2"}), completion, of(completion))


def decode(tokens):
    return "".join(map(chr, tokens))


def test_a_step_ends_with_its_last_letter():
    assert [TEXT[:end] for end in step_ends(TEXT)] == ["a=1", "a=1\n\n b = 2", TEXT]
    assert step_ends(" \n") == step_ends("") == []


def test_labels_stand_at_the_last_tokens_of_their_steps():
    reward_T = placed(of(TEXT), TEXT, [1.0, -1.0, 0.5], decode)
    assert {int(i): float(reward_T[i]) for i in np.flatnonzero(reward_T)} == {2 + 2: 1.0, 2 + 10: -1.0, 2 + 13: 0.5}


def test_tokens_of_several_letters_and_a_cut_completion():
    pieces = ["a=", "1\n", "b"]
    tokens = np.array([9, 0, 1, 2], np.int32)
    t = of("xyz", prompt=1).replace(tokens_T=tokens)
    told = placed(t, "a=1\nb", [1.0, -1.0], lambda some: "".join(pieces[i] for i in some))
    assert told.tolist() == [0, 0, 1, -1]


@pytest.fixture
def functions(tmp_path):
    source = tmp_path / "steps.py"
    source.write_text(
        "def good(prompts, completions, answer):\n"
        "    return [[1 if a in line else -1 for line in c.splitlines() if line.strip()]"
        " for c, a in zip(completions, answer)]\n"
        "def few(prompts, completions, **columns): return [[1]] * len(completions)\n"
        "def fails(prompts, completions, **columns): return 1 / 0\n"
    )
    return str(source)


def test_a_function_labels_steps_in_a_process_of_its_own(functions):
    with StepLabels(f"{functions}:good") as labels:
        episodes = [episode("1\n2"), episode("")]
        [first, empty] = labels([e.trajectory.replace(reward=1.0) for e in episodes], episodes, decode)
    assert first.reward_T.tolist() == [0, 0, -1, 0, 1]
    assert empty.reward_T.tolist() == [0, 0]
    assert first.reward == 1.0


def test_what_breaks_the_contract_ends_the_run_and_a_failure_takes_the_reward(functions):
    episodes = [episode("1\n2")]
    with StepLabels(f"{functions}:few") as labels, pytest.raises(SteelyardError, match=r"a completion of 2 lines"):
        labels([episodes[0].trajectory], episodes, decode)
    with StepLabels(f"{functions}:fails") as labels:
        [t] = labels([episodes[0].trajectory.replace(reward=1.0)], episodes, decode)
    assert t.reward is None
    assert "ZeroDivisionError" in t.info["error"]
