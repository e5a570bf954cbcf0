"""The ecosystem's reward functions, in this process and in a worker, well-behaved and not."""

import asyncio

import hostile_rewards
import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Reward, Sampling, Score, SteelyardError, Trajectory, from_bytes, to_bytes
from steelyard.reward import EnvironmentReward, ExactAnswer, FunctionReward, reward_function
from steelyard.searcher.scoring import attach_score

BOTH = pytest.mark.parametrize("named", [False, True], ids=["callable", "named"])


def make(name, named, **settings):
    return FunctionReward(f"hostile_rewards:{name}" if named else getattr(hostile_rewards, name), **settings)


@BOTH
def test_columns_arrive_as_lists(episode, named):
    with make("answers", named) as reward:
        assert isinstance(reward, Reward)
        scores = reward([episode("a", answer="a"), episode("b", answer="a"), episode("c")])
        assert [s.value for s in scores] == [1.0, 0.0, 0.0]
        assert reward([]) == []


@BOTH
def test_asynchronous_functions(episode, named):
    with make("later", named) as reward:
        assert [s.value for s in reward([episode("a"), episode("abc")])] == [1.0, 3.0]


def test_asynchronous_functions_inside_a_running_loop(episode):
    async def notebook():
        return make("later", False)([episode("ab")])

    assert asyncio.run(notebook())[0].value == 2.0


@BOTH
def test_chat_prompts_get_chat_completions(episode, named):
    messages = [{"role": "user", "content": "greet"}]
    with make("chat", named) as reward:
        assert [s.value for s in reward([episode("hi", text=messages), episode("no", text=messages)])] == [1.0, 0.0]


@BOTH
def test_what_is_no_finite_number_is_no_reward(episode, named):
    with make("odd_numbers", named) as reward:
        scores = reward([episode(c) for c in "abcdefg"])
    assert [s.value for s in scores] == [None, None, None, None, 1e18, 1.0, 0.0]
    assert [bool(s.error) for s in scores] == [True] * 4 + [False] * 3
    assert scores[0].error == "reward 'hostile_rewards:odd_numbers': it gave nan for this completion" or not named
    assert "None" in scores[3].error


@BOTH
@pytest.mark.parametrize("name", ["huge_number", "cancelled", "say_exit", "recurse"])
def test_what_goes_wrong_with_a_value_is_no_reward(episode, named, name):
    with make(name, named) as reward:
        (score,) = reward([episode("a")])
    assert score.value is None
    assert score.error


@BOTH
def test_decimals_and_integers_beyond_64_bits(episode, named):
    with make("decimals_and_large", named) as reward:
        scores = reward([episode(text) for text in "abc"])
    assert [s.value for s in scores] == [0.5, 2.0**70, 1.0]


@BOTH
def test_numbers_of_numpy(episode, named):
    with make("numpy_numbers", named) as reward:
        assert [s.value for s in reward([episode("a"), episode("b")])] == [0.5, 2.0]


@BOTH
def test_an_exception_fails_the_batch_and_says_why(episode, named):
    with make("raise_error", named) as reward:
        scores = reward([episode("a"), episode("b")])
    assert [s.value for s in scores] == [None, None]
    assert all("raise_error" in s.error and "KeyError" in s.error and "\n" not in s.error for s in scores)


@BOTH
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("too_few", "returned 1 rewards for 2 completions"),
        ("not_a_list", "returned a float, not a list"),
        ("strings", "reward 0 is a str, not a number"),
        ("no_columns", "does not take these arguments"),
    ],
)
def test_a_function_that_breaks_the_contract_is_an_error(episode, named, name, says):
    with make(name, named) as reward, pytest.raises(SteelyardError, match=says) as caught:
        reward([episode("a", level=1), episode("b", level=2)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hang_on_slow", "leave_on_die", "eat_memory"])
def test_no_failure_is_ever_a_reward_of_zero(episode, name):
    with make(name, True, timeout_s=1.0, memory_mb=512) as reward:
        scores = reward([episode("slow"), episode("die")])
    assert [s.value for s in scores] == [None, None]
    assert all(s.error for s in scores)


def test_a_file_by_its_path(episode, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("def f(prompts, completions, **columns):\n    return [2 for c in completions]\n")
    for name in ("mine.py:f", f"{tmp_path}/mine.py:f", "mine:f"):
        with FunctionReward(name) as reward:
            assert reward([episode("a")])[0].value == 2.0


def test_a_callable_runs_here(episode):
    seen = []

    def reward(prompts, completions, **columns):
        seen.append((prompts, completions, columns))
        return np.zeros(1).tolist()

    assert FunctionReward(reward)([episode("a", level=3)])[0].value == 0.0
    assert seen == [(["q"], ["a"], {"level": [3]})]


@pytest.mark.parametrize("name", ["nothing", ":f", "module:", "module:a b"])
def test_a_name_must_name_a_function(name):
    with pytest.raises(SteelyardError, match="names no function"):
        FunctionReward(name)


def test_a_name_that_cannot_be_imported(episode):
    with FunctionReward("no_such_module:f") as reward, pytest.raises(SteelyardError, match="no_such_module"):
        reward([episode("a")])


def test_a_column_must_not_hide_an_argument(episode):
    with pytest.raises(SteelyardError, match="'prompts' hides an argument"):
        make("answers", False)([episode("a", prompts="x")])


def test_reward_function_keeps_our_verifiers_and_wraps_the_rest():
    exact, wrapped = ExactAnswer(), EnvironmentReward("m:f")
    assert reward_function(exact) is exact
    assert reward_function(wrapped) is wrapped
    assert reward_function("m:f") == wrapped
    assert isinstance(reward_function(hostile_rewards.pid), FunctionReward)


def test_a_function_that_changes_its_arguments_changes_nothing_for_others(episode):
    def greedy(prompts, completions, tests, **columns):
        seen.append([list(t) for t in tests])
        for t in tests:
            t.append("mine")
        prompts.clear()
        completions.clear()
        return [float(len(t)) for t in tests]

    seen = []
    one = episode("a", tests=["t"])
    reward = FunctionReward(greedy)
    for _ in range(2):
        assert [s.value for s in reward([one, one])] == [2.0, 2.0]  # the samples of a prompt share its columns
    assert seen == [[["t"], ["t"]]] * 2
    assert one.prompt.columns == {"tests": ["t"]}


def test_nor_do_the_messages_of_a_chat_change(episode):
    def rude(prompts, completions, **columns):
        for messages in prompts:
            messages.append({"role": "user", "content": "more"})
        return [float(len(messages)) for messages in prompts]

    one = episode("a", text=[{"role": "user", "content": "q"}])
    assert [s.value for s in FunctionReward(rude)([one, one])] == [2.0, 2.0]
    assert one.prompt.text == [{"role": "user", "content": "q"}]


@BOTH
def test_the_full_signature_of_trl(named):
    """Tokens, the trainer's state and both ways to log, in an asynchronous function."""
    prompt = Prompt("p", "q", {"level": 3})
    tokens, action = np.array([7, 8, 9], np.int32), np.array([False, True, True])
    sampled = Trajectory("p", tokens, action, np.zeros(3, np.float32), 40, "digest", Sampling(), "stop")
    with make("of_trl", named, max_steps=100) as reward:
        (score,) = reward([Episode.of(prompt, "yes", sampled)])
    assert score == Score(120.0, {"share": 0.5, "length": 2.0}, info={"read": "YES"})
    kept = attach_score(sampled, score)
    assert (kept.reward_parts["length"], kept.info["read"]) == (2.0, "YES")


def test_completions_that_nobody_sampled_have_no_tokens(episode):
    told = []

    def reward(prompts, completions, completion_ids, trainer_state, **columns):
        told.append((completion_ids, trainer_state.global_step, columns))
        return [0.0]

    FunctionReward(reward)([Episode.written(Prompt("p", "q"), "")])
    FunctionReward(reward)([Episode.written(Prompt("p", "q"), "yes")])
    assert told == [([[]], 0, {}), ([None], 0, {})]


@BOTH
def test_an_extra_column_has_a_value_for_each_completion(episode, named):
    said = r"log_extra\('read'\) got 1 values for 2 completions"
    with make("too_few_extras", named) as reward, pytest.raises(SteelyardError, match=said):
        reward([episode("a"), episode("b")])


@BOTH
def test_what_is_logged_can_be_kept(episode, named):
    with make("logs_arrays", named) as reward:
        (score,) = reward([episode("a")])
    kept = from_bytes(to_bytes(attach_score(episode("a").trajectory, score)))
    assert (kept.reward, kept.info["read"]) == (1.0, [0, 1])
    said = r"log_extra\('read'\) got no plain data: a object cannot be sent.*; log numbers and texts"
    with make("logs_an_object", named) as reward, pytest.raises(SteelyardError, match=said):
        reward([episode("a")])
