"""Rows of a user's own, a run's records and exported replays: as JSONL and as Parquet, each wrong in every way."""

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cli.wrong.entry import Harm, Wrong, flip, put, tear, write
from cli.wrong.world import NEW

ROW = '{"prompt": "1+1=", "answer": 2}'
BIG = 50 * 2**20
BAD = "18+1=\xe9".encode("latin-1")

PARQUET = f"{NEW} --path rows.parquet"
LOAD = "replay run --prompts 0 --load out.parquet"


def rows(*lines: str | bytes) -> Harm:
    """The rows of `train rows`."""
    return write("good.jsonl", b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))


def among(line: str) -> Harm:
    """A line more, after rows that are right."""
    return lambda world: (world / "good.jsonl").write_text(f"{(world / 'good.jsonl').read_text()}\n{line}")


def table(name: str = "rows.parquet", **columns: Any) -> Harm:
    """A Parquet file of these columns."""
    return lambda world: pq.write_table(pa.table(columns), world / name)


def column(name: str, values: Any) -> Harm:
    """The exported replay with another column; left out for None."""

    def do(world: Path) -> None:
        data = pq.read_table(world / "out.parquet")
        place = data.schema.get_field_index(name)
        column = None if values is None else values(data[name].to_pylist())
        data = data.remove_column(place) if column is None else data.set_column(place, name, column)
        pq.write_table(data, world / "out.parquet")

    return do


def not_text(*values: bytes) -> pa.Array:
    """A column that says it is text, and is not."""
    return pa.array(values, pa.binary()).view(pa.string())


def last(value: Any) -> Any:
    """Values of a column with another last one."""
    return lambda values: pa.array([*values[:-1], value])


def each(value: Any, kind: Any = None) -> Any:
    """Values of a column that are all the same."""
    return lambda values: pa.array([value] * len(values), kind)


def steps(value: Any, kind: Any = None) -> Any:
    """A column of lists that are as long as they were, with the same value at each step."""
    return lambda values: pa.array([[value] * len(steps) for steps in values], kind and pa.list_(kind))


def messages(content: bytes) -> pa.Array:
    """A column of chat messages, one in each row, whose text is none."""
    fields = [pa.array(["user"]), not_text(content)]
    return pa.ListArray.from_arrays(
        pa.array([0, 1], pa.int32()), pa.StructArray.from_arrays(fields, ["role", "content"])
    )


def nested(depth: int, value: Any) -> Any:
    """`value` in so many lists."""
    for _ in range(depth):
        value = [value]
    return value


MALFORMED_JSONL = [
    Wrong(NEW, "good.jsonl, line 2: it is not a JSON object", rows(ROW, '{"prompt": ')),
    Wrong(NEW, "line 1: it is not a JSON object: Expected `object`, got `array`", rows("[1, 2]")),
    Wrong(NEW, "line 1: it is not a JSON object", rows(ROW + ROW)),
    Wrong(NEW, "line 1: it is not a JSON object", rows("{'prompt': '1+1=', 'answer': 2}")),
    Wrong(NEW, "line 1: there is no answer: column 'answer' is nan", rows('{"prompt": "1+1=", "answer": NaN}')),
    Wrong(NEW, "line 3: it is not a JSON object", rows(ROW, "", '{"prompt": "1+1=",}')),
    Wrong("report run", "metrics.jsonl: line 2 is not a JSON object",
          write("run/metrics.jsonl", '{"step": 1}\n{\n{}\n')),
    Wrong("repeat run", "events.jsonl: is not what a run writes", write("run/events.jsonl", '{"event": 1}\n[]\n')),
    Wrong("train --resume stopped", "metrics.jsonl: has no row that ends at byte",
          write("stopped/metrics.jsonl", "x" * 9999)),
]  # fmt: skip

EMPTY_JSONL = [
    Wrong(NEW, "good.jsonl: it holds no rows", rows("")),
    Wrong(NEW, "good.jsonl: it holds no rows", rows("", " ", "\t", "")),
    Wrong(NEW, "good.jsonl: it holds no rows", rows(b"\xef\xbb\xbf")),
    Wrong(NEW, "line 1: there is no prompt or question or problem; its columns are none", rows("{}")),
    Wrong(NEW, "line 1: there is no prompt: column 'prompt' is null", rows('{"prompt": null, "answer": 1}')),
    Wrong(NEW, "line 1: there is no prompt: column 'prompt' is empty", rows('{"prompt": " ", "answer": 1}')),
    Wrong(NEW, "line 1: there is no prompt: column 'prompt' is empty", rows('{"prompt": [], "answer": 1}')),
    Wrong("report run", "is not a run directory", write("run/config.json", "{}")),
    Wrong("train --resume stopped", "metrics.jsonl: has 0 bytes of", write("stopped/metrics.jsonl", "")),
    Wrong("train --resume stopped", "events.jsonl: has 0 bytes of", write("stopped/events.jsonl", "")),
]  # fmt: skip

HUGE_JSONL = [
    Wrong(NEW, "good.jsonl, line 1: it has 52428827 bytes, and a row at most 16777216",
          rows(b'{"prompt": "' + b"1" * BIG + b'", "answer": 1}')),
    Wrong(NEW, "good.jsonl, line 1: it has 52428800 bytes", rows(b"x" * BIG)),
    Wrong(NEW, "c18, c19 and 999980 more; name a column", rows(json.dumps({f"c{i}": 0 for i in range(10**6)}))),
    Wrong(NEW, "line 1: it is not a JSON object", rows('{"prompt": ' + "[" * 10**6)),
    Wrong(NEW, "line 1: it is not a JSON object", rows('{"a":' * 10**5 + "1" + "}" * 10**5)),
    Wrong(NEW, "100001 tokens and 6 to generate exceed", among(json.dumps({"prompt": "1" * 10**5, "answer": 1}))),
    Wrong(NEW, "line 1: column 'answer' holds a number out of range",
          rows('{"prompt": "1+1=", "answer": ' + "9" * 10**6 + "}")),
    Wrong(NEW, "line 5001: it is not a JSON object", rows(*[ROW] * 5000, "{")),
    Wrong("report run", "metrics.jsonl: line 1 is not a JSON object",
          write("run/metrics.jsonl", "[" * 10**6 + "\n{}\n")),
    Wrong("repeat run", "events.jsonl: is not what a run writes", write("run/events.jsonl", "[" * 10**6 + "\n")),
]  # fmt: skip

NOT_UTF8_JSONL = [
    Wrong(NEW, "line 1: it is not UTF-8 text; save the file as UTF-8", rows(b'{"prompt": "\xe9", "answer": 1}')),
    Wrong(NEW, "line 1: it is not UTF-8", rows(ROW.encode("utf-16"))),
    Wrong(NEW, "line 2: it is not UTF-8", rows(ROW, b'{"prompt": "\xc3')),
    Wrong(NEW, "line 1: it is not UTF-8", rows(b'{"prompt": "\xed\xa0\x80", "answer": 1}')),
    Wrong(NEW, "line 1: it is not UTF-8", rows(gzip.compress(ROW.encode(), mtime=0))),
    Wrong(NEW, "line 1: column 'prompt' holds half a character", rows('{"prompt": "\\ud800", "answer": 1}')),
    Wrong("report run", "line 1 is not a JSON object", write("run/eval.jsonl", b'{"step": "\xe9"}\n{}\n')),
    Wrong("repeat run", "events.jsonl: is not what a run writes", write("run/events.jsonl", b'{"event": "\xe9"}\n')),
    Wrong("eval run", "config.json: is damaged", write("run/config.json", b'{"recipe": "\xe9"}')),
]  # fmt: skip

WRONG_COLUMN_JSONL = [
    Wrong(NEW, "there is no prompt or question or problem; its columns are text; name", rows('{"text": "1+1="}')),
    Wrong(NEW, "rename 'promt' to 'prompt'", rows('{"promt": "1+1=", "answer": 2}')),
    Wrong(
        NEW,
        "line 1: it has tools of its own; leave the column out",
        rows('{"prompt": [{"role": "user", "content": "1+1="}], "answer": "2", "tools": [{"type": "function"}]}'),
    ),
    Wrong(NEW, "there is no answer or solution or ground_truth", rows('{"prompt": "1+1="}')),
    Wrong(NEW, "rename 'anwser' to 'answer'", rows('{"prompt": "1+1=", "anwser": 2}')),
    Wrong(NEW, "line 2: there is no prompt or question or problem", rows(ROW, '{"answer": 2}')),
    Wrong(NEW, "line 1: the prompt is neither text nor chat messages", rows('{"prompt": 11, "answer": 2}')),
    Wrong(NEW, "the prompt is neither text nor chat", rows('{"prompt": [{"role": "user"}], "answer": 2}')),
    Wrong(f"{NEW} --reward rewards.py:right", "the column 'completions' hides an argument",
          rows(*(f'{{"prompt": "{i}=", "answer": {i}, "completions": 1}}' for i in range(20)))),
    Wrong("report run", "metrics.jsonl: ", write("run/metrics.jsonl", '{"step": 1, "batch/staleness": 3}\n' * 2)),
]  # fmt: skip

FILES_OF_ROWS = [
    Wrong(NEW.replace("--path good.jsonl", ""), "rows.path: no file is named"),
    Wrong(f"{NEW} --path none.jsonl", "none.jsonl: there is no such file"),
    Wrong(f"{NEW} --path text.txt", "text.txt: .txt is not read"),
    Wrong(f"{NEW} --path full", "full: there is no such file"),
    Wrong(f"{NEW} --held-out-share 1", "rows.held_out_share: is 1.0; use more than 0, less than 1"),
    Wrong(f"{NEW} --prompt-template Q", "rows.prompt_template: is 'Q'; use a text with {prompt} where the prompt goes"),
    Wrong(f"{NEW} --stop=", "--stop: has no value; write --stop '"),
    Wrong(f"{NEW} --stop --dry-run", "--stop: has no value"),
    Wrong(NEW, "all 1 prompts fall in 'train', none in 'held-out'", rows(ROW)),
    Wrong(f"{NEW} --prompt-template Q:{{prompt}}", "a template cannot be put around chat",
          among('{"prompt": [{"role": "user", "content": "1"}], "answer": 1}')),
    Wrong(NEW, "has no chat template", among('{"prompt": [{"role": "user", "content": "1"}], "answer": 1}')),
]  # fmt: skip

MALFORMED_PARQUET = [
    Wrong(PARQUET, "rows.parquet: it is not a Parquet file", put("rows.parquet", "text.txt")),
    Wrong(PARQUET, "rows.parquet: it is not a Parquet file", put("rows.parquet", "good.jsonl")),
    Wrong(f"{NEW} --path out.parquet", "it is not a Parquet file", tear("out.parquet")),
    Wrong(LOAD, "out.parquet: cannot be read as Parquet", put("out.parquet", "text.txt")),
    Wrong(LOAD, "out.parquet: cannot be read as Parquet", tear("out.parquet")),
    Wrong(LOAD, "out.parquet: cannot be read as Parquet", tear("out.parquet", 0.99)),
    Wrong(LOAD, "CRC checksum verification failed", flip("out.parquet", 0.3)),
    Wrong(LOAD, "cannot be read as Parquet", write("out.parquet", b"PAR1" + b"\xff" * 200 + b"\xff\xff\xff\x7fPAR1")),
    Wrong("replay run --load none.parquet", "none.parquet: cannot be read as Parquet"),
    Wrong("replay run --load full", "full: cannot be read as Parquet"),
]  # fmt: skip

EMPTY_PARQUET = [
    Wrong(PARQUET, "rows.parquet: it is not a Parquet file", write("rows.parquet", "")),
    Wrong(PARQUET, "rows.parquet: it holds no rows", table(prompt=pa.array([], pa.string()))),
    Wrong(PARQUET, "rows.parquet: it holds no rows", table()),
    Wrong(PARQUET, "row 1: there is no prompt: column 'prompt' is null", table(prompt=pa.nulls(3), answer=[1, 2, 3])),
    Wrong(PARQUET, "row 1: there is no prompt: column 'prompt' is empty", table(prompt=["", ""], answer=[1, 2])),
    Wrong(PARQUET, "row 1: there is no prompt: column 'prompt' is empty", table(prompt=[[], []], answer=[1, 2])),
    Wrong(LOAD, "cannot be read as Parquet", write("out.parquet", "")),
    Wrong(LOAD, "has no column prompt_id", table("out.parquet")),
    Wrong(LOAD, "column digest: has nulls", column("digest", lambda values: pa.nulls(len(values), pa.string()))),
    Wrong(LOAD, "its lists differ in length", column("tokens", each([], pa.list_(pa.int32())))),
]  # fmt: skip

HUGE_PARQUET = [
    Wrong(PARQUET, "row 1: column 'prompt' is longer than 16777216", table(prompt=["1" * BIG, "1="], answer=[1, 2])),
    Wrong(PARQUET, "column 19 and 9980 more; name a column", table(**{f"column {i}": [i] for i in range(10**4)})),
    Wrong(PARQUET, "Parquet schema too deeply nested", table(prompt=[nested(90, 1)], answer=[1])),
    Wrong(PARQUET, "row 5001: there is no prompt: column 'prompt' is empty",
          table(prompt=[*["1+1="] * 5000, ""], answer=[2] * 5001)),
    Wrong(PARQUET, "100001 tokens and 6 to generate exceed",
          table(prompt=["1" * 10**5, *(f"{i}=" for i in range(40))], answer=[1] * 41)),
    Wrong(LOAD, "its info is not a JSON object", column("info", last("[" * 10**6))),
    Wrong(LOAD, "its info is not a JSON object", column("info", last("1" * BIG))),
    Wrong(LOAD, "has no column prompt_id", table("out.parquet", **{f"column {i}": [i] for i in range(10**4)})),
    Wrong(LOAD, "Integer value out of bounds", column("version", each(2**70, pa.decimal128(38)))),
]  # fmt: skip

NOT_UTF8_PARQUET = [
    Wrong(PARQUET, "rows.parquet, rows 1 to 2: column 'prompt' is damaged: Invalid UTF8",
          table(prompt=not_text(BAD, b"1+1="), answer=[1, 2])),
    Wrong(PARQUET, "column 'answer' is damaged", table(prompt=["2+2=", "1+1="], answer=not_text(BAD, b"2"))),
    Wrong(PARQUET, "column 'source' is damaged",
          table(prompt=["2+2=", "1+1="], answer=[1, 2], source=not_text(b"a", BAD))),
    Wrong(PARQUET, "column 'prompt' is damaged", table(prompt=not_text("1=".encode("utf-16"), b"\xff"), answer=[1, 2])),
    Wrong(PARQUET, "column 'prompt' is damaged", table(prompt=messages(BAD), answer=[1])),
    Wrong(LOAD, "out.parquet", column("prompt_id", lambda values: not_text(*[BAD] * len(values)))),
    Wrong(LOAD, "out.parquet", column("info", lambda values: not_text(*[BAD] * len(values)))),
    Wrong(LOAD, "out.parquet", column("digest", lambda values: not_text(*[BAD] * len(values)))),
    Wrong(LOAD, "out.parquet", column("finish", lambda values: not_text(*[BAD] * len(values)))),
]  # fmt: skip

WRONG_COLUMN_PARQUET = [
    Wrong(PARQUET, "there is no prompt or question or problem; its columns are text", table(text=["1+1="])),
    Wrong(PARQUET, "rename 'promt' to 'prompt'", table(promt=["1+1="], answer=[1])),
    Wrong(PARQUET, "there is no answer or solution or ground_truth", table(prompt=["1+1="])),
    Wrong(PARQUET, "the prompt is neither text nor chat messages", table(prompt=[11], answer=[1])),
    Wrong(PARQUET, "the prompt is neither text nor chat messages", table(prompt=[b"1+1="], answer=[1])),
    Wrong("replay run --load rows.parquet", "has no column prompt_id", table(prompt=["1+1="], answer=[1])),
    Wrong(LOAD, "has no column tokens", column("tokens", None)),
    Wrong(LOAD, "'one' as a scalar of type int64", column("version", each("one"))),
    Wrong(LOAD, "'a' as a scalar of type int32", column("tokens", each(["a"]))),
    Wrong(LOAD, "its lists differ in length; give each one entry per step", column("tokens", each([1]))),
    Wrong(LOAD, "0.500000 was truncated converting to int32", column("tokens", steps(0.5))),
    Wrong(LOAD, "tokens", column("tokens", steps(-1, pa.int32()))),
    Wrong(LOAD, "finish is 'tired'; use stop, length, error", column("finish", last("tired"))),
    Wrong(LOAD, "its info is not a JSON object", column("info", last("[1]"))),
    Wrong(LOAD, "temperature", column("temperature", last(-1.0))),
    Wrong(LOAD, "max_tokens", column("max_tokens", last(-1))),
    Wrong(LOAD, "version", column("version", last(-1))),
    Wrong(LOAD, "import the trajectories of one run at a time", column("digest", last("0" * 16))),
    Wrong("replay other --load out.parquet", "a version names one set of weights"),
]  # fmt: skip

KINDS = {
    "malformed JSONL": MALFORMED_JSONL,
    "empty JSONL": EMPTY_JSONL,
    "huge JSONL": HUGE_JSONL,
    "JSONL that is not UTF-8": NOT_UTF8_JSONL,
    "JSONL with wrong columns": WRONG_COLUMN_JSONL,
    "files of rows and their settings": FILES_OF_ROWS,
    "malformed Parquet": MALFORMED_PARQUET,
    "empty Parquet": EMPTY_PARQUET,
    "huge Parquet": HUGE_PARQUET,
    "Parquet that is not UTF-8": NOT_UTF8_PARQUET,
    "Parquet with wrong columns": WRONG_COLUMN_PARQUET,
}
