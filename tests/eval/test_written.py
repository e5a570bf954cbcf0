"""Completions of a file: read, scored in the file's order, and what is wrong is named by its line."""

import json

import pytest

from steelyard.core import Score, SteelyardError
from steelyard.eval.written import read_written, score_written
from steelyard.reward import ExactAnswer, reward_function
from steelyard.task import Arithmetic, Guessing, Rows
from steelyard.task.columns import Columns


@pytest.fixture
def file(tmp_path):
    def file(*rows):
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    return file


def rewards(path, task, reward=None):
    return [row.reward for row in score_written(read_written(path, task), task, reward)]


def test_rows_have_their_own_columns_and_keep_their_order(file):
    rows = [{"prompt": f"{i}?", "answer": str(i), "completion": f"#### {i % 3}"} for i in range(130)]
    assert rewards(file(*rows), Rows(), ExactAnswer()) == [float(i == i % 3) for i in range(130)]


@pytest.mark.parametrize(
    "row",
    [
        {"question": "q", "solution": "so #### 7"},
        {"problem": "q", "ground_truth": 7},
        {"prompt": "q", "columns": {"answer": "7"}},
        {"prompt": [{"role": "user", "content": "q"}], "answer": "7"},
        {"prompt": "q", "answer": "7", "finish": "stop"},
        {"prompt": "q", "answer": "7", "finish": None},
    ],
)
@pytest.mark.parametrize("completion", ["#### 7", [{"role": "assistant", "content": "#### 7"}]])
def test_the_usual_names_of_columns(file, row, completion):
    assert rewards(file({**row, "completion": completion}), Rows(), ExactAnswer()) == [1.0]


def test_a_prompt_of_the_task_needs_no_columns(file):
    task = Arithmetic(problems=8, held_out=4)
    known = [*task.prompts("train")[:2], task.prompts("held-out")[0]]
    rows = [{"prompt": p.text, "completion": str(p.columns["answer"])} for p in known]
    assert rewards(file(*rows), task) == [1.0] * 3
    assert rewards(file({**rows[0], "finish": "length"}), task) == [0.0]
    assert rewards(file({**rows[0], "answer": -1}), task) == [0.0]  # its own columns come first


def test_a_reward_needs_what_it_asks_for_and_no_more(file):
    def brief(prompts, completions, **columns):
        return [None if c == "bad" else -float(len(c)) for c in completions]

    path = file({"prompt": "q", "completion": "abc"}, {"prompt": "q", "completion": "bad"})
    good, bad = score_written(read_written(path, Rows()), Rows(), reward_function([brief]))
    assert (good.row()["reward"], good.row()["parts"], good.row()["error"]) == (-3.0, {"brief": -3.0}, None)
    assert bad.row()["reward"] is None
    assert bad.row()["error"] == "reward 'brief': it gave None for this completion"


def test_what_was_read_and_how_it_ended(file):
    def reader(episodes):
        return [Score(1.0, read=f"{e.completion} {e.finish}", read_from="text") for e in episodes]

    path = file({"prompt": "q", "completion": "a", "finish": "length"}, {"prompt": "q", "completion": "b"})
    rows = [row.row() for row in score_written(read_written(path, Rows()), Rows(), reward_function(reader))]
    assert [(row["read"], row["read_from"]) for row in rows] == [("a length", "text"), ("b None", "text")]
    assert all(row["seconds"] >= 0 for row in rows)


def test_the_turns_of_an_episode_are_played(file):
    game = {"prompt": "20-34:", "number": 25}
    rows = [{**game, "completion": "25"}, {**game, "completion": "nonsense"}, {**game, "completion": "24"},
            {**game, "completion": "", "turns": ["30", "22", "25"]}]  # fmt: skip
    assert rewards(file(*rows), Guessing()) == [1.0, 0.0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"completion": "1"}, "line 2: it has no 'prompt'"),
        ({"prompt": "q"}, "line 2: it has no 'completion'"),
        ({"prompt": "q", "completion": 5}, "line 2: Expected"),
        ({"prompt": 5, "completion": "a"}, "line 2: Expected"),
        ({"prompt": "q", "completion": "a", "finish": "cut"}, "line 2: Invalid enum value 'cut'"),
        ({"prompt": "q", "completion": []}, "line 2: the completion is no text"),
        ({"prompt": "q", "completion": "a"}, "line 2: column 'answer'"),
    ],
)
def test_what_is_wrong_is_named_by_its_line(file, row, says):
    with pytest.raises(SteelyardError, match=says) as caught:
        rewards(file({"prompt": "q", "answer": "7", "completion": "#### 7"}, row), Rows(), ExactAnswer())
    assert "\n" not in str(caught.value)


def test_a_task_that_misses_a_column_says_which(file):
    with pytest.raises(SteelyardError, match="line 1: its prompt is none of the task's, and it has no column 'answer'"):
        rewards(file({"prompt": "1+1=", "completion": "2"}), Arithmetic(problems=8, held_out=4))


def test_a_verifier_that_breaks_on_one_row_costs_that_row(file):
    def fragile(episodes):
        return [Score(1.0 / len(e.completion)) for e in episodes]

    path = file({"prompt": "q", "completion": "ab"}, {"prompt": "q", "completion": ""})
    whole, broken = score_written(read_written(path, Rows()), Rows(), reward_function(fragile))
    assert whole.reward == 0.5
    assert (broken.reward, broken.error) == (None, "ZeroDivisionError: float division by zero")


def test_a_game_without_its_column_is_named_by_its_line(file):
    with pytest.raises(SteelyardError, match="line 1: its prompt is none of the task's, and it has no column 'number'"):
        rewards(file({"prompt": "somewhere", "completion": "25"}), Guessing())


def test_a_data_set_that_cannot_be_downloaded_lends_no_columns(file):
    def brief(prompts, completions, **columns):
        return [-float(len(c)) for c in completions]

    path = file({"prompt": "q", "completion": "abc"})
    task = Rows(path="no-such/data-set")
    assert rewards(path, task, reward_function(brief)) == [-3.0]
    with pytest.raises(SteelyardError, match="line 1: column 'answer'"):
        rewards(path, task)


def test_roles_of_columns_are_the_tasks(file):
    path = file({"topic": "t", "q": "6*7?", "a": "42", "completion": "#### 42"})
    assert rewards(path, Rows(columns=Columns(prompt="q", answer="a"))) == [1.0]


def test_no_columns_of_its_own_is_no_column(file):
    path = file({"prompt": "q", "completion": "#### 7", "columns": {}})
    (row,) = read_written(path, Rows(), lookup=False)
    assert dict(row.episode.prompt.columns) == {}


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({}, "no right answer; add a column 'answer'"),
        ({"answer": None}, "no right answer; its value is null"),
        ({"target": "7"}, "no right answer; choose one of target"),
    ],
)
def test_a_missing_right_answer_says_how_to_mend_it(file, columns, says):
    with pytest.raises(SteelyardError, match="line 1: column 'answer'") as raised:
        rewards(file({"prompt": "q", "completion": "#### 7", **columns}), Rows(), ExactAnswer())
    assert says in str(raised.value)


def test_the_last_message_is_the_assistants(file):
    said = [{"role": "assistant", "content": "#### 8"}, {"role": "user", "content": "#### 7"}]
    with pytest.raises(SteelyardError, match="line 1: the completion's last message is not the assistant's"):
        rewards(file({"prompt": "q", "completion": said, "answer": "7"}), Rows(), ExactAnswer())


def test_a_line_is_named_once(file):
    with pytest.raises(SteelyardError) as raised:
        rewards(file({"prompt": "12+3=", "completion": "15"}), Arithmetic())
    assert str(raised.value).count("line 1") == 1
