"""A reward function is tried before a run begins: what would end every run is found, failures are let pass."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import steelyard
from steelyard.core import Prompt, SteelyardError
from steelyard.objective import VarGradTB
from steelyard.runtime import Run
from steelyard.task import Arithmetic, Calculator, Rows
from steelyard.training.preflight import check_columns, preflight

RUN = Run(task=Arithmetic(problems=8, held_out=4), objective=VarGradTB(), model="steelyard/arithmetic")


@pytest.fixture
def said(tmp_path: Path):
    """A run whose reward is the function `f` with this body, after it has been tried."""

    def carry_out(body: str, run: Run = RUN) -> None:
        (tmp_path / "mine.py").write_text(f"def f(prompts, completions, **columns): {body}\n")
        preflight(replace(run, reward=f"{tmp_path}/mine.py:f"))

    return carry_out


def test_it_sees_two_prompts_with_their_columns_and_nothing_written(said, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    said(f"open({str(calls)!r}, 'a').write(repr([prompts, completions, columns])); return [None, 0.5]")
    prompts = RUN.task.prompts("train")[:2]
    columns = {name: [p.columns[name] for p in prompts] for name in prompts[0].columns}
    assert eval(calls.read_text()) == [[p.text for p in prompts], ["", ""], columns]  # once


def test_where_there_is_none_nothing_is_tried() -> None:
    preflight(replace(RUN, task=Rows("no-such-file.jsonl")))


@pytest.mark.parametrize("body", ["raise ValueError", "return completions[0][0]", "return [float('nan'), None]",
                                  "import os; os._exit(3)"])  # fmt: skip
def test_a_failure_on_nothing_is_not_held_against_it(said, body: str) -> None:
    said(body)


@pytest.mark.parametrize(
    ("body", "what"), [("return 1.0", "a float, not a list"), ("return [1.0]", "1 rewards for 2"),
                       ("return ['a', 'b']", "is a str"), ("return [[]", "cannot be loaded: SyntaxError")]
)  # fmt: skip
def test_what_would_end_every_run_is_refused(said, body: str, what: str) -> None:
    with pytest.raises(SteelyardError, match=what):
        said(body)


def test_columns_that_hide_an_argument(said, tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}=", "answer": i, "completions": ""} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SteelyardError, match="the column 'completions' hides an argument"):
        said("return [1.0, 1.0]", replace(RUN, task=Rows(str(tmp_path / "rows.jsonl"))))


@pytest.mark.parametrize("runtime", ["inline", "local"])
def test_a_run_with_a_reward_that_cannot_be_imported_leaves_nothing(tmp_path: Path, runtime: str) -> None:
    with pytest.raises(SteelyardError, match="No module named 'nomodule'"):
        steelyard.train(RUN, reward="nomodule:f", runtime=runtime, output_dir=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def rows_run(tmp_path: Path, rows: list[dict[str, object]]) -> Run:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return replace(RUN, task=Rows(str(tmp_path / "rows.jsonl")))


def test_a_column_of_a_late_row_that_hides_an_argument(said, tmp_path: Path) -> None:
    rows = [{"prompt": f"{i}=", "answer": i} | ({"prompts": 1} if i == 37 else {}) for i in range(40)]
    with pytest.raises(SteelyardError, match=r"rows.jsonl, line 38: the column 'prompts' hides an argument"):
        said("return [1.0, 1.0]", rows_run(tmp_path, rows))


def test_a_column_of_a_late_row_that_the_function_does_not_take(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(prompts, completions, answer): return [1.0] * len(prompts)\n")
    rows = [{"prompt": f"{i}=", "answer": i} | ({"note": "x"} if i > 30 else {}) for i in range(40)]
    with pytest.raises(SteelyardError, match=r"does not take these arguments: .*note"):
        preflight(replace(rows_run(tmp_path, rows), reward=f"{tmp_path}/mine.py:f"))


def test_a_column_that_cannot_be_sent_is_named_with_its_row() -> None:
    fine = Prompt("a", "1=", {"answer": 10**30})
    wrong = Prompt("b", "2=", {"answer": 1, "image": object()}, place="pictures, row 2")
    check_columns([fine])
    with pytest.raises(SteelyardError, match="pictures, row 2: column 'image' cannot be passed"):
        check_columns([fine, wrong])


def test_what_stands_in_the_program_itself_runs_in_its_own_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Arithmetic, "__module__", "__main__")
    preflight(replace(RUN, runtime="inline"))
    with pytest.raises(SteelyardError, match=r"task: Arithmetic stands in the program itself.*move it into a module"):
        preflight(RUN)


def test_a_reward_may_ask_for_environments_where_there_are_some(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def f(environments, **columns): return [1.0 for e in environments]\n")
    run = replace(RUN, reward=f"{tmp_path}/mine.py:f")
    preflight(replace(run, task=Calculator()))
    with pytest.raises(SteelyardError, match="missing a required argument: 'environments'"):
        preflight(run)


def test_objects_that_cannot_be_reset_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Calculator, prompt: Prompt) -> None:
        raise KeyError("stock")

    monkeypatch.setattr(Calculator, "just_reset", broken)
    with pytest.raises(SteelyardError, match=r"cannot be made and reset: KeyError: 'stock'; see that reset takes"):
        preflight(replace(RUN, task=Calculator(), reward="builtins:print"))


def test_a_callable_sees_no_objects_of_other_processes(tmp_path: Path) -> None:
    def f(environments: list[object], **columns: object) -> list[float]:
        return [1.0 for _ in environments]

    with pytest.raises(SteelyardError, match=r"asks for environments.*name it as module:function"):
        steelyard.train("calculator", reward=f, output_dir=str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
