"""Building as a job: its file, a resume, and what it refuses."""

import json

import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError, encode
from steelyard.core.job import Job, Work
from steelyard.data import EFL, records_of
from steelyard.data.job import Building
from steelyard.data.work import BuildingWork
from steelyard.recipes import find
from steelyard.task.files import read_rows

ROWS = [{"text": f"text {i}", "label": f"class {i % 3}", "from": i} for i in range(7)]


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


def built(run):
    return records_of(read_rows(str(run / "data" / "records.jsonl")))


def test_a_run_writes_records_with_their_history(rows, tmp_path):
    run = steelyard.train("efl", rows=str(rows), output_dir=str(tmp_path / "run"), batch_size=3).run_dir
    found = built(run)
    assert len(found) == 14
    sources = {record.id: record for record in records_of((f"line {i}", row) for i, row in enumerate(ROWS))}
    for record in found:
        (source,) = (sources[id] for id in record.origin.sources)
        assert record.fields["premise"] == source.fields["text"]
        own = record.fields["hypothesis"] == f"It is {source.fields['label']}."
        assert record.fields["entailed"] == own
        assert record.origin.builder == json.loads(json.dumps(encode(EFL())))
    names = {path.name for path in run.iterdir()}
    assert {"config.json", "data.json", "metrics.jsonl", "eval.jsonl", "result.json", "report.html"} <= names
    data = json.loads((run / "data.json").read_text())
    assert (data["rows"], data["columns"]) == (7, "from, label, text")


def test_a_kill_and_a_resume_change_nothing(rows, tmp_path, monkeypatch):
    few = {"rows": str(rows), "batch_size": 2, "save_steps": 1, "seed": 5}
    whole = steelyard.train("efl", report=False, output_dir=str(tmp_path / "whole"), **few).run_dir
    cut = tmp_path / "cut"
    cut_short(monkeypatch, BuildingWork, 2, "efl", output_dir=str(cut), **few)
    text = rows.read_text()
    rows.write_text(text.replace("text 6", "text 66"))
    with pytest.raises(SteelyardError, match="--rows: the rows have changed since the run began"):
        steelyard.resume(cut)
    rows.write_text(text)
    steelyard.resume(cut, report=False)
    for name in ("data/records.jsonl", "metrics.jsonl", "eval.jsonl"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_what_was_built_is_built_from_again_with_its_whole_history(rows, tmp_path):
    first = steelyard.train("efl", report=False, rows=str(rows), output_dir=str(tmp_path / "one")).run_dir
    again = EFL(text_column="premise", label_column="entailed", template="Entailed: {label}")
    job = Building(builder=again, rows=str(first / "data" / "records.jsonl"))
    work = job.open()
    assert isinstance(job, Job) and isinstance(work, Work)
    assert work.facts["notes"] == {"rows that a builder made, whose history is kept": 14}
    work.step()
    assert {record.origin.sources[0] for record in work.built} == {record.id for record in built(first)}


@pytest.mark.parametrize(("flags", "said"), [
    ([], "--rows: is missing"),
    (["--rows", "nothing.jsonl"], "there is no such file"),
    (["--text-column", "txt"], "line 1: there is no column 'txt'; did you mean 'text'?, or name the column with"),
    (["--text-column", "from"], "line 1: column 'from' is 0; write a text"),
    (["--generator", "steelyard/arithmetic"], "--generator: is given, and EFL asks none; leave it out"),
    (["--judge", "a:b"], "--judge: is given, and EFL asks none; leave it out"),
    (["--descriptions", "rage", "x"], "efl.descriptions: describes rage, and no row is of that class"),
    (["--negatives", "0"], "efl.negatives: is 0"),
])  # fmt: skip
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
def test_bad_input_is_one_line_and_nothing_is_written(flags, said, dry, rows, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    named = [] if not flags or "--rows" in flags else ["--rows", str(rows)]
    assert main(["train", "efl", *named, *flags, *dry]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("steelyard: ")
    assert said in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.jsonl"]


def test_a_plan_shows_the_rows_and_a_run_has_no_model_to_measure(rows, tmp_path, capsys):
    assert main(["train", "efl", "--rows", str(rows), "--batch-size", "2", "--dry-run"]) == 0
    assert "data: rows 7, columns from, label, text" in capsys.readouterr().err
    run = steelyard.train("efl", report=False, rows=str(rows), output_dir=str(tmp_path / "run")).run_dir
    for command in ("eval", "sample"):
        assert main([command, str(run)]) == 2
        assert "made no model, but data; look into" in capsys.readouterr().err
    assert isinstance(find("efl"), Building)
