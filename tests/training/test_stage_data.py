"""What the stages of a pipeline learn from: mixing by shares, what is held out, and what overlaps with it."""

import json
from dataclasses import replace

import pytest

from steelyard.core import SteelyardError
from steelyard.core.seeds import hash_share
from steelyard.recipes import find
from steelyard.task.base import key_of
from steelyard.training.pipeline import PipelineSettings, Stage
from steelyard.training.stage_data import LEFT_OUT, prepare, write

GIVEN = PipelineSettings()
LONG = "Ann has {n} pears and buys 4 more at the market today. How many has she?"


@pytest.fixture
def put(tmp_path):
    def write_rows(name, rows):
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))
        return str(tmp_path / name)

    return write_rows


def answered(prompts):
    return [{"prompt": prompt, "answer": "1"} for prompt in prompts]


def stage_of(*files, name="sft", **settings):
    return Stage(name, f"--{name}", files, replace(find("sft"), **settings))


def asked(rows):
    return [row.asked for row in rows]


def test_a_share_of_a_file_is_drawn_by_the_seed_and_stays_in_order(put, tmp_path):
    whole = put("a.jsonl", answered(f"{n}+1=" for n in range(20)))
    half = put("b.jsonl", answered(f"{n}-1=" for n in range(20)))
    [one] = prepare([stage_of(whole, f"{half}=0.5")], GIVEN).values()
    assert one.files == {whole: 20, half: 10}
    assert not one.notes
    taken = [text for text in asked([*one.train, *one.held_out]) if "-" in text]
    assert len(taken) == 10
    assert asked(one.train) == sorted(asked(one.train), key=lambda text: ("-" in text, int(text[:-3])))
    again = prepare([stage_of(whole, f"{half}=0.5")], GIVEN)["sft"]
    assert asked(again.train) == asked(one.train)
    other = prepare([stage_of(whole, f"{half}=0.5")], PipelineSettings(seed=1))["sft"]
    assert asked(other.train) != asked(one.train)


def test_at_least_one_row_is_taken(put):
    file = put("a.jsonl", answered(f"{n}+1=" for n in range(9)))
    more = put("b.jsonl", answered(["2-1="]))
    assert prepare([stage_of(file, f"{more}=0.01")], GIVEN)["sft"].files == {file: 9, more: 1}


def test_rows_are_held_out_by_the_hash_of_the_prompt(put):
    file = put("a.jsonl", answered(f"{n}+1=" for n in range(40)))
    one = prepare([stage_of(file, held_out_share=0.25)], GIVEN)["sft"]
    assert asked(one.held_out) == [f"{n}+1=" for n in range(40) if hash_share(key_of(f"{n}+1=")) <= 0.25]
    assert one.facts() == {
        "train": 40 - len(one.held_out),
        "held_out": len(one.held_out),
        "files": {file: 40},
        "notes": {},
    }


def test_what_any_stage_is_measured_by_no_stage_learns(put):
    """Equal prompts, and prompts in which only a number differs, in another stage."""
    first = put("a.jsonl", answered([*(f"{n}+1=" for n in range(9)), LONG.format(n=3)]))
    second = put("b.jsonl", answered(f"{n}-1=" for n in range(9)))
    held = put("held.jsonl", answered(["2+1=", LONG.format(n=5)]))
    stages = [stage_of(first), stage_of(second, name="later", held_out=held)]
    found = prepare(stages, GIVEN)
    own = asked(found["sft"].held_out)
    assert asked(found["later"].held_out) == ["2+1=", LONG.format(n=5)]
    expected = {LEFT_OUT["near"]: int(LONG.format(n=3) not in own), LEFT_OUT["equal"]: int("2+1=" not in own)}
    assert found["sft"].notes == {name: number for name, number in expected.items() if number}
    assert not {"2+1=", LONG.format(n=3)} & {*asked(found["sft"].train)}
    assert not found["later"].notes
    kept = prepare(stages, PipelineSettings(max_overlap=1.0))["sft"]
    assert LEFT_OUT["near"] not in kept.notes


def test_chats_are_compared_by_what_users_say(put):
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 1 ="}]
    file = put("a.jsonl", answered([chat, "3+1=", "4+1="]))
    held = put("held.jsonl", answered(["2+1="]))
    one = prepare([stage_of(file, held_out=held)], GIVEN)["sft"]
    assert one.notes == {LEFT_OUT["equal"]: 1}


def test_written_files_are_read_again_as_they_were_and_say_where_lines_came_from(put, tmp_path):
    rows = [{"prompt": f"{n}+1=", "answer": n, "more": {"é": [1.5, None]}} for n in range(9)]
    stages = [stage_of(put("a.jsonl", rows))]
    data = prepare(stages, GIVEN)
    (tmp_path / "out").mkdir()
    places = write(stages, data, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1-sft-held-out.jsonl", "1-sft.jsonl"]
    path = tmp_path / "out" / "1-sft.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert lines == [row.row for row in data["sft"].train]
    first = int(lines[0]["prompt"][0])
    assert places[str(path)][0] == f"{tmp_path / 'a.jsonl'}, line {first + 1}"


def test_the_column_of_the_prompt_and_a_run_on_rows(put):
    file = put("a.jsonl", [{"q": f"{n}+1=", "answer": "1"} for n in range(20)])
    run = find("rlvr")
    rows = replace(run.task.task, columns=replace(run.task.task.columns, prompt="q"), held_out_share=0.3)
    stage = Stage("rlvr", "--rows", (file,), replace(run, task=replace(run.task, task=rows)))
    one = prepare([stage], GIVEN)["rlvr"]
    assert asked(one.train)[0].endswith("+1=")
    placed = stage.on(model="m", path="p.jsonl", held_out="h.jsonl", output_dir="o", seed=3)
    assert (placed.model, placed.seed, placed.output_dir) == ("m", 3, "o")
    assert (placed.task.task.path, placed.task.task.held_out, placed.task.right) == ("p.jsonl", "h.jsonl", 10.0)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ((), "--sft: is missing"),
        (("nowhere.jsonl",), "nowhere.jsonl: there is no such file"),
        (("a.jsonl=0",), r"--sft: the share of a\.jsonl is 0; use more than 0"),
        (("a.jsonl=1.5",), r"the share of a\.jsonl is 1\.5"),
        (("a.jsonl=nan",), r"the share of a\.jsonl is nan"),
        (("a.jsonl=half",), "a.jsonl=half: there is no such file"),
        (("a.jsonl", "a.jsonl=0.5"), r"names a\.jsonl twice"),
    ],
)
def test_wrong_files(put, tmp_path, monkeypatch, files, said):
    monkeypatch.chdir(tmp_path)
    put("a.jsonl", answered(["1+1=", "2+1="]))
    with pytest.raises(SteelyardError, match=said):
        prepare([stage_of(*files)], GIVEN)


def test_wrong_rows_are_named_by_their_place(put):
    for rows, said in (
        ([{"answer": 1}], "line 1: there is no prompt or question or problem"),
        ([{"prompt": " "}], "line 1: there is no prompt"),
        (answered(["1+1="]), "nothing is left to train on"),
    ):
        with pytest.raises(SteelyardError, match=said):
            prepare([stage_of(put("a.jsonl", rows))], GIVEN)
