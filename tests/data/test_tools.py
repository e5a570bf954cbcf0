"""Who is asked: a model behind the engine, and a function in a process of its own."""

import pytest

from steelyard.core import FaultError, Sampling, SteelyardError
from steelyard.data import Generator, Judge, Question, Tools
from steelyard.data.function_judge import FunctionJudge
from steelyard.data.writer import PolicyWriter
from steelyard.policy import Policy


@pytest.fixture(scope="module")
def writer(tiny_model_dir):
    return PolicyWriter(Policy.load(str(tiny_model_dir("llama"))), "tiny", Sampling(1.0, 6))


QUESTIONS = [Question(text, (f"r{i}", "say"), sample) for i, text in enumerate(("1+2=", "44")) for sample in (0, 1)]


def test_an_answer_follows_from_its_question_and_seed_alone(writer):
    assert isinstance(writer, Generator)
    said = writer(QUESTIONS, 3)
    assert len(set(said)) > 1
    assert writer(QUESTIONS[::-1], 3) == said[::-1]
    assert [writer([question], 3)[0] for question in QUESTIONS] == said
    assert writer(QUESTIONS, 4) != said
    assert writer([], 3) == []
    with pytest.raises(SteelyardError, match="two questions have one address"):
        writer([QUESTIONS[0], QUESTIONS[0]], 3)


def test_a_function_judges_in_its_own_process(tmp_path):
    (tmp_path / "own_judge.py").write_text(
        "def length(prompts, completions):\n"
        "    return [None if not c else len(c) for c in completions]\n"
        "def short(prompts, completions):\n"
        "    return [1.0]\n"
        "def breaks(prompts, completions):\n"
        "    raise ValueError('no')\n"
    )
    with FunctionJudge(f"{tmp_path}/own_judge.py:length") as judge:
        assert isinstance(judge, Judge)
        assert judge(["a", "b"], ["", "xyz"]) == [None, 3.0]
        assert judge([], []) == []
    with (
        FunctionJudge(f"{tmp_path}/own_judge.py:short") as judge,
        pytest.raises(SteelyardError, match=r"it returned \["),
    ):
        judge(["a", "b"], ["x", "y"])
    with FunctionJudge(f"{tmp_path}/own_judge.py:breaks") as judge, pytest.raises(FaultError, match=r"it failed .*no"):
        judge(["a"], ["x"])
    with pytest.raises(SteelyardError, match="--judge: 'length' names no function"):
        FunctionJudge("length")


def test_a_reward_function_is_a_judge(tmp_path):
    """It gets columns as lists; where the prompt is chat messages, so is the completion."""
    (tmp_path / "own_judge.py").write_text(
        "def right(prompts, completions, answer, **columns):\n"
        "    said = [c if isinstance(c, str) else c[0]['role'] + c[0]['content'] for c in completions]\n"
        "    return [float(s == a) for s, a in zip(said, answer)]\n"
    )
    with FunctionJudge(f"{tmp_path}/own_judge.py:right") as judge:
        tools = Tools(judge=judge)
        columns = {"answer": ["2", "3", "assistant2"], "place": [1, 2, None]}
        asked = [{"role": "user", "content": "1+1="}]
        assert tools.rate(["1+1=", "1+1=", asked], ["2", "2", "2"], columns) == [1.0, 0.0, 1.0]
        with pytest.raises(SteelyardError, match="--rows: prompts would hide an argument of the judge"):
            tools.rate(["a"], ["b"], {"prompts": ["c"]})
        with pytest.raises(SteelyardError, match=r"declare it as f\(prompts, completions, \*\*columns\)"):
            tools.rate(["a"], ["b"])


def test_without_a_tool_it_is_said_which_flag_is_missing():
    with pytest.raises(SteelyardError, match="--generator: is missing"):
        Tools().generate(QUESTIONS)
    with pytest.raises(SteelyardError, match="--judge: is missing"):
        Tools().rate(["a"], ["b"])
