"""A file of one's own: read, split, scored; and every way a file can be wrong, in one line."""

import json
import math
import random
import re

import pyarrow
import pyarrow.parquet
import pytest

from steelyard.core import SteelyardError, Task, decode, encode
from steelyard.reward import FunctionReward
from steelyard.task import Rows
from steelyard.task.base import AGAIN, DISAGREE, MERGED
from steelyard.task.rows import HELD_OUT_TOO, UNREADABLE

ROWS = [{"question": f"What is {i}+{i}?", "answer": f"{i}+{i}={2 * i}\n#### {2 * i}", "level": i} for i in range(60)]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def gsm8k(tmp_path):
    return write(tmp_path / "rows.jsonl", ROWS)


def test_prompts_in_the_files_order_with_their_columns(gsm8k):
    task = Rows(gsm8k, held_out_share=0.3, prompt_template="Q: {prompt} A:")
    assert isinstance(task, Task)
    train, held = task.prompts("train"), task.prompts("held-out")
    assert len(train) + len(held) == 60
    assert not {p.id for p in train} & {p.id for p in held}
    levels = [p.columns["level"] for p in train]
    assert levels == sorted(levels)
    first = train[0]
    assert first.text == f"Q: What is {levels[0]}+{levels[0]}? A:"
    assert first.columns == {"answer": ROWS[levels[0]]["answer"], "level": levels[0]}
    assert task.prompts("train") == train


def test_shuffling_the_file_moves_no_prompt(gsm8k, tmp_path):
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    other = Rows(write(tmp_path / "shuffled.jsonl", shuffled))
    for split in ("train", "held-out"):
        assert {p.id for p in Rows(gsm8k).prompts(split)} == {p.id for p in other.prompts(split)}


def test_a_template_changes_ids_but_moves_no_prompt(gsm8k):
    plain, templated = Rows(gsm8k), Rows(gsm8k, prompt_template="{prompt}!")
    assert [p.columns for p in plain.prompts("held-out")] == [p.columns for p in templated.prompts("held-out")]
    assert not {p.id for p in plain.prompts("train")} & {p.id for p in templated.prompts("train")}


def test_answers_are_checked_by_value(gsm8k, answered):
    with Rows(gsm8k) as task:
        prompt = task.prompts("train")[3]
        right = 2 * prompt.columns["level"]
        completions = [f"#### {right}", f"\\boxed{{{right}.0}}", f"it is {right + 1}", "", "\\frac{}{"]
        assert [s.value for s in task.score([answered(prompt, c) for c in completions])] == [1.0, 1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("column", ["answer", "solution", "ground_truth"])
def test_parquet_and_the_names_of_the_answer(tmp_path, answered, column):
    path = tmp_path / "rows.parquet"
    rows = [{"prompt": f"half of {i}", column: f"{i}/2"} for i in range(40)]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    with Rows(str(path)) as task:
        prompt = task.prompts("train")[0]
        half = int(prompt.text.split()[-1]) / 2
        assert [s.value for s in task.score([answered(prompt, str(half)), answered(prompt, "0.25")])] == [1.0, 0.0]


def test_chat_messages_and_a_reward_by_name(tmp_path, answered):
    (tmp_path / "mine.py").write_text(
        "def length(prompts, completions, level, **columns):\n"
        "    assert prompts[0][0]['role'] == 'user'\n"
        "    return [float(len(c[0]['content']) + l) for c, l in zip(completions, level)]\n"
    )
    rows = [{"prompt": [{"role": "user", "content": f"go {i}"}], "level": 100} for i in range(40)]
    task = Rows(write(tmp_path / "rows.jsonl", rows), needs_answer=False)
    prompt = task.prompts("train")[0]
    assert prompt.text[0]["role"] == "user"
    with FunctionReward(f"{tmp_path}/mine.py:length") as reward:
        assert [s.value for s in reward([answered(prompt, "abc"), answered(prompt, "")])] == [103.0, 100.0]
    (score,) = task.score([answered(prompt, "abc")])
    assert score.value is None


def test_a_byte_order_mark_blank_lines_and_duplicates_are_fine(tmp_path):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(row) for row in ROWS]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n\r\n".join([*lines, *lines]).encode())
    task = Rows(str(path))
    assert len(task.prompts("train")) + len(task.prompts("held-out")) == 60


BAD = {
    "empty": (b"", "it holds no rows"),
    "blank": (b"\n \n", "it holds no rows"),
    "malformed": (b'{"prompt": "a", "answer": "1"}\n{"prompt": \n', "line 2: it is not a JSON object"),
    "an array": (b'[{"prompt": "a", "answer": "1"}]', "line 1: it is not a JSON object"),
    "a number": (b"3", "line 1: it is not a JSON object"),
    "deep": (b"[" * 100_000, "line 1: it is not a JSON object"),
    "latin-1": ('{"prompt": "a", "answer": "1"}\n{"prompt": "\xe9"}'.encode("latin-1"), "line 2: it is not UTF-8"),
    "no prompt": (b'{"promt": "a", "answer": "1"}', "its columns are promt, answer; rename 'promt' to 'prompt'"),
    "no answer": (
        b'{"prompt": "a", "label": "1"}',
        "no answer or solution or ground_truth; its columns are prompt, label",
    ),
    "null answer": (b'{"prompt": "a", "answer": null}', "there is no answer"),
    "no columns": (b"{}", "its columns are none"),
    "blank prompt": (b'{"prompt": " ", "answer": "1"}', "line 1: there is no prompt: column 'prompt' is empty"),
    "no messages": (b'{"question": [], "answer": "1"}', "line 1: there is no prompt: column 'question' is empty"),
    "bad chat": (b'{"prompt": [{"role": "user"}], "answer": "1"}', "neither text nor chat messages"),
    "one prompt": (b'{"prompt": "a", "answer": "1"}', "all 1 prompts fall in"),
}


@pytest.mark.parametrize(("content", "says"), BAD.values(), ids=BAD.keys())
def test_a_wrong_file_is_one_clear_line(tmp_path, content, says):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(SteelyardError) as caught:
        Rows(str(path)).prompts("train")
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_parquet_file(tmp_path):
    path = tmp_path / "rows.parquet"
    path.write_text("not parquet")
    with pytest.raises(SteelyardError, match="it is not a Parquet file"):
        Rows(str(path)).prompts("train")


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "no file is named"),
        ("no/such.jsonl", "no such file"),
        (".", "no such file"),
        (__file__, "'.py' is not read"),
    ],
)
def test_a_wrong_path(path, says):
    with (
        pytest.raises(SteelyardError, match=says.replace("'", "")) if "'" not in says else pytest.raises(SteelyardError)
    ):
        Rows(path).prompts("train")


def test_a_template_around_chat_messages(tmp_path):
    path = write(tmp_path / "rows.jsonl", [{"prompt": [{"role": "user", "content": "a"}], "answer": "1"}])
    with pytest.raises(SteelyardError, match="around chat messages"):
        Rows(path, prompt_template="Q: {prompt}").prompts("train")


@pytest.mark.parametrize(
    "wrong",
    [{"held_out_share": 0.0}, {"held_out_share": 1.0}, {"prompt_template": "Q"}, {"timeout_s": 0.0}],
)
def test_ranges(wrong):
    with pytest.raises(SteelyardError, match=r"rows\."):
        Rows(**wrong)


def test_settings_survive_a_round_trip(gsm8k):
    task = Rows(gsm8k, needs_answer=False)
    task.prompts("train")  # what is remembered is not a setting
    assert decode(json.loads(json.dumps(encode(task)))) == task
    assert hash(decode(encode(task))) == hash(task)


def test_rows_with_one_question_and_other_columns_are_all_kept(tmp_path):
    """Of 60 rows 48 were dropped without a word."""
    rows = [{"prompt": f"q{i % 12}", "answer": "1", "context": f"c{i}"} for i in range(60)]
    task = Rows(write(tmp_path / "rows.jsonl", [*rows, *rows[:3]]))
    splits = [task.prompts(split) for split in ("train", "held-out")]
    every = [p for prompts in splits for p in prompts]
    assert sorted(p.columns["context"] for p in every) == sorted(row["context"] for row in rows)
    assert len({p.id for p in every}) == 60
    assert not {p.text for p in splits[0]} & {p.text for p in splits[1]}, "equal questions are on one side"
    assert task.notes == {AGAIN: 48, MERGED: 3}


def test_the_first_row_of_a_question_keeps_its_id_and_the_others_theirs(tmp_path):
    rows = [{"prompt": f"q{i % 12}", "answer": str(i)} for i in range(24)]
    few, many = (Rows(write(tmp_path / f"{n}.jsonl", some)) for n, some in enumerate((rows[:12], rows)))
    ids = [{p.id for split in ("train", "held-out") for p in task.prompts(split)} for task in (few, many)]
    assert ids[0] < ids[1]
    assert many.notes == {AGAIN: 12, DISAGREE: 12}
    again = Rows(write(tmp_path / "again.jsonl", [*rows[:12], *rows[:11:-1]]))
    assert {p.id for split in ("train", "held-out") for p in again.prompts(split)} == ids[1]


def test_what_is_held_out_too_is_counted(tmp_path):
    train, held = (write(tmp_path / f"{n}.jsonl", rows) for n, rows in (("a", ROWS[:40]), ("b", ROWS[30:])))
    task = Rows(train, held_out=held)
    assert (len(task.prompts("train")), task.notes) == (30, {HELD_OUT_TOO: 10})


UNREADABLE_ANSWERS = {
    "null": (None, "there is no answer: column 'answer' is null"),
    "nan": (math.nan, "there is no answer: column 'answer' is nan"),
    "empty": ("", "column 'answer': the right answer is empty"),
    "blank": (" \n", "column 'answer': the right answer is empty"),
    "an empty list": ([], "column 'answer': the right answer is an empty list"),
    "nothing after the marker": (
        "so ####",
        "the text after the last #### of the right answer is empty",
    ),
    "an empty box": ("so \\boxed{}", "column 'answer': the right answer's last box is empty"),
    "an object": ({"a": 1}, "column 'answer': the right answer is an object"),
}


@pytest.mark.parametrize(("value", "says"), UNREADABLE_ANSWERS.values(), ids=UNREADABLE_ANSWERS.keys())
def test_a_right_answer_that_cannot_be_read_is_found_at_the_start(tmp_path, value, says):
    rows = [{"prompt": f"q{i}", "answer": value if i in (3, 7, 9) else "1"} for i in range(40)]
    path = write(tmp_path / "rows.jsonl", rows)
    with pytest.raises(SteelyardError, match=rf"line 4: .*{re.escape(says)}.* \(also in line 8, line 10\); mend"):
        Rows(path).prompts("train")
    task = Rows(path, unreadable_answers="drop")
    assert len(task.prompts("train")) + len(task.prompts("held-out")) == 37
    assert task.notes == {UNREADABLE: 3}


def test_null_and_nan_of_a_parquet_file(tmp_path):
    path = tmp_path / "rows.parquet"
    answers = [1.0, math.nan, None, *([2.0] * 37)]
    pyarrow.parquet.write_table(pyarrow.table({"prompt": [f"q{i}" for i in range(40)], "answer": answers}), path)
    with pytest.raises(SteelyardError, match=r"row 2: there is no answer: column 'answer' is nan \(also in row 3\)"):
        Rows(str(path)).prompts("train")


def test_questions_become_chats(gsm8k, tmp_path):
    plain, chat = (
        Rows(gsm8k, prompt_template="{prompt}\nA:", chat=on, system_prompt="Be brief." * on) for on in (False, True)
    )
    for split in ("train", "held-out"):  # the question decides, not what stands around it
        assert [p.columns for p in plain.prompts(split)] == [p.columns for p in chat.prompts(split)]
    first = chat.prompts("train")[0]
    assert first.text == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": plain.prompts("train")[0].text},
    ]


def test_a_system_prompt_needs_a_chat_without_one(gsm8k, tmp_path):
    with pytest.raises(SteelyardError, match=r"line 1: a system prompt cannot be put before plain text; add --chat"):
        Rows(gsm8k, system_prompt="Be brief.").prompts("train")
    system = {"role": "system", "content": "a"}
    rows = [{"prompt": [system, {"role": "user", "content": "b"}], "answer": "1"}]
    path = write(tmp_path / "chat.jsonl", rows)
    with pytest.raises(SteelyardError, match="line 1: it begins with a system message of its own"):
        Rows(path, system_prompt="Be brief.").prompts("train")


def test_parquet_of_verl_is_read_unchanged(tmp_path, answered):
    ask = [{"role": "user", "content": "1+1?"}]
    verl = {"data_source": "sums", "ability": "math", "extra_info": {"split": "train", "index": 7}}
    other = {**verl, "prompt": [{**ask[0], "content": "2+2?"}], "reward_model": {"style": "rule", "ground_truth": "4"}}
    rows = [{**verl, "prompt": ask, "reward_model": {"style": "rule", "ground_truth": "2"}}, other]
    paths = [tmp_path / name for name in ("train.parquet", "test.parquet")]
    for path, row in zip(paths, rows, strict=True):
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row]), path)
    with Rows(str(paths[0]), held_out=str(paths[1])) as task:
        (prompt,) = task.prompts("train")
        assert prompt.text == ask
        assert prompt.columns == {**verl, "reward_model": rows[0]["reward_model"], "answer": "2"}
        assert [score.value for score in task.score([answered(prompt, "It is 2."), answered(prompt, "3")])] == [1, 0]
