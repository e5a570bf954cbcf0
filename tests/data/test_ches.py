import json

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.data import CHES, Comparison, Overlap, Tools, records_of
from steelyard.data.ches import ches, length_normalised
from steelyard.data.work import BuildingWork

ROWS = [{"prompt": f"{n}+1=", "chosen": str(n + 1), "rejected": "1" * (n % 4 + 1), "from": n} for n in range(1, 9)]


class Sizes:
    """To whom two completions overlap by their lengths."""

    name = "sizes"

    def __call__(self, comparisons):
        return [Overlap(float(len(c.chosen) * len(c.rejected)), 1.0, 1, 1) for c in comparisons]


def built(settings, rows=ROWS, part=slice(None)):
    records = records_of((f"line {i}", row) for i, row in enumerate(rows, start=1))
    return settings.build(records[part], records, Tools(0, reader=Sizes()))


def test_by_hand():
    """S+ = (3, 1) of two tokens and S- = (1, 2) of one: <S+, S-> = 5, |S+|^2 = 10."""
    overlap = Overlap(5.0, 10.0, 2, 1)
    assert ches(overlap) == 5 - 10
    assert length_normalised(overlap) == 5 / 2 - 10 / 4


def test_of_single_tokens_both_scores_are_one():
    overlap = Overlap(0.3, 0.7, 1, 1)
    assert length_normalised(overlap) == ches(overlap)


def test_the_lowest_stay_with_their_columns_and_score():
    kept = built(CHES(keep=0.25))
    assert [(record.fields["from"], record.fields["ches"]) for record in kept] == [(4, 0.0), (8, 0.0)]
    assert kept[0].origin is not None
    assert kept[0].origin.asked == {"reader": "sizes"}
    everything = built(CHES(keep=1.0))
    assert [record.fields["from"] for record in everything] == [row["from"] for row in ROWS]


def test_at_least_one_stays_and_parts_make_the_whole():
    assert len(built(CHES(keep=0.001))) == 1
    settings = CHES(keep=0.5)
    parts = [record for i in range(0, 8, 3) for record in built(settings, part=slice(i, i + 3))]
    assert parts == built(settings)


def test_equal_scores_do_not_depend_on_the_order_of_the_rows():
    same = [row | {"rejected": "11"} for row in ROWS]
    forward, backward = (sorted(record.id for record in built(CHES(keep=0.3), rows)) for rows in (same, same[::-1]))
    assert forward == backward


def test_a_prompt_may_be_chat_messages_and_a_text_becomes_one():
    asked = []

    class Listening(Sizes):
        def __call__(self, comparisons):
            asked.extend(comparisons)
            return super().__call__(comparisons)

    message = [{"role": "user", "content": "1+1="}]
    rows = [{"prompt": prompt, "chosen": "2", "rejected": "3"} for prompt in ("1+1=", message)]
    records = records_of((f"line {i}", row) for i, row in enumerate(rows))
    CHES(chat=True).build(records, records, Tools(reader=Listening()))
    assert asked == [Comparison(message, "2", "3")] * 2


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, ROWS)))
    return path


def test_a_run_keeps_pairs_and_a_kill_changes_nothing(pairs, tmp_path, monkeypatch):
    few = {"rows": str(pairs), "reader": "steelyard/arithmetic", "builder": CHES(keep=0.5), "batch_size": 2}
    few["save_steps"] = 1
    whole = steelyard.train("ches", report=False, output_dir=str(tmp_path / "whole"), **few).run_dir
    kept = [json.loads(line) for line in (whole / "data" / "records.jsonl").read_text().splitlines()]
    assert len(kept) == 4
    assert all(np.isfinite(row["ches"]) for row in kept)
    assert kept[0]["record"]["asked"] == {"reader": "steelyard/arithmetic"}
    cut = tmp_path / "cut"
    cut_short(monkeypatch, BuildingWork, 2, "ches", output_dir=str(cut), **few)
    steelyard.resume(cut, report=False)
    assert (cut / "data" / "records.jsonl").read_bytes() == (whole / "data" / "records.jsonl").read_bytes()


@pytest.mark.parametrize(("flags", "said"), [
    ([], "--reader: is missing; name the model that is to be tuned"),
    (["--reader", "./nowhere"], "no such directory: './nowhere'"),
    (["--reader", "steelyard/arithmetic", "--keep", "0"], "ches.keep: is 0.0; use 1 or less, more than 0"),
    (["--reader", "steelyard/arithmetic", "--score", "edit"], "--score"),
    (["--reader", "steelyard/arithmetic", "--chosen-column", "best"], "there is no column 'best'"),
    (["--reader", "steelyard/arithmetic", "--chosen-column", "from"], "line 1: column 'from' is 1; write a text"),
    (["--reader", "steelyard/arithmetic", "--judge", "a:b"], "--judge: is given, and CHES asks none; leave it out"),
])  # fmt: skip
@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
def test_bad_input_is_one_line_and_nothing_is_written(flags, said, dry, pairs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "ches", "--rows", str(pairs), *flags, *dry]) == 2
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert line.startswith("steelyard: ")
    assert said in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.jsonl"]


def test_without_a_reader_the_flag_is_named():
    records = records_of([("line 1", ROWS[0])])
    with pytest.raises(SteelyardError, match="--reader: is missing"):
        CHES().build(records, records, Tools())
