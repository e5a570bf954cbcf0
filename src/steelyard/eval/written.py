"""Completions that stand in a file, scored as those of a run are: a verifier is tried before anything is trained.

A row has `prompt` (or `question`, `problem`), `completion`, and the columns that the verifier needs; `columns` may hold
these too. It may say `finish`: "stop", or "length" for a completion that was cut off. Without columns of its own a row
gets those of the task's prompt of the same text. Rows of a task of several turns may give the policy's `turns`.

    reward      None where the verifier failed; `error` then says how
    read        what was taken for the answer, and in `read_from` where it stood
    seconds     the row's share of the time of its batch: as in a run, 64 completions are scored together
"""

import inspect
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, cast

import msgspec
import numpy as np

from steelyard.core import (
    Episode,
    Interactive,
    Prompt,
    Reward,
    Sampling,
    Score,
    SteelyardError,
    Task,
    Trajectory,
    Truncates,
    require,
)
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.eval.answers import CHUNK
from steelyard.searcher.scoring import attach_score, reading_of, scores_of
from steelyard.task.base import Text, key_of, make_prompt
from steelyard.task.columns import Columns
from steelyard.task.files import read_rows

OWN = ("completion", "finish", "columns", "turns")
"""What of a row is no column of its prompt."""
_FAULTS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What a verifier raises at a row that it was not made for."""


class _Row(msgspec.Struct):
    prompt: Text
    completion: str | list[JsonObject]
    columns: JsonObject
    finish: Literal["stop", "length"] | None = None
    turns: list[str] | None = None


@dataclass(frozen=True)
class Written:
    """A completion of a file."""

    where: str
    """The file and the line, for messages."""
    episode: Episode
    turns: tuple[str, ...] = ()
    """The policy's turns, where the task has several."""


@dataclass(frozen=True)
class Scored:
    """What came of one row."""

    written: Written
    score: Score
    reward: float | None
    error: str | None
    seconds: float

    def row(self) -> JsonObject:
        """All of it as JSON values; what was not there is left out, but for the reward."""
        parts = {"parts": dict(self.score.parts)} if self.score.parts else {}
        read = {"read": None, "read_from": "", **reading_of(self.score)}
        return {"reward": self.reward, **read, "seconds": self.seconds, "error": self.error, **parts}


def read_written(path: str, task: Task, *, lookup: bool = True) -> list[Written]:
    """The rows of a JSONL or Parquet file.

    Args:
        path: the file.
        task: whose prompts lend their columns to rows without any.
        lookup: look for these prompts.

    Raises:
        SteelyardError: the file cannot be read, or a row lacks something.
    """
    named = getattr(task, "columns", None)
    roles = named if isinstance(named, Columns) else Columns()
    rows = [(f"{path}, {place}", _parsed(row, roles, f"{path}, {place}")) for place, row in read_rows(path)]
    known = _known(task) if lookup and any(not row.columns for _, row in rows) else {}
    found = []
    for where, row in rows:
        own = make_prompt(row.prompt, row.columns)
        prompt = own if row.columns else known.get(key_of(row.prompt), own)
        said = _said(row.completion, where)
        found.append(Written(where, written_episode(prompt, said, row.finish), tuple(row.turns or [said])))
    return found


def score_written(written: Sequence[Written], task: Task, reward: Reward | None = None) -> list[Scored]:
    """Score completions in the order of the file, by the task's verifier or by `reward`.

    Raises:
        SteelyardError: a row has not what the verifier needs, or a reward function breaks its contract.
    """
    score = task.score if reward is None else reward
    if isinstance(task, Interactive):
        written = [_played(task, one) for one in written]
    found: list[Scored] = []
    for start in range(0, len(written), CHUNK):
        some = written[start : start + CHUNK]
        began = time.monotonic()
        scores = _scores(some, score)
        share = (time.monotonic() - began) / len(some)
        found += [_of(one, said, share) for one, said in zip(some, scores, strict=True)]
    return found


def written_episode(prompt: Prompt, completion: str, finish: Literal["stop", "length"] | None = None) -> Episode:
    """The episode of a text that nobody sampled, one token for each character; how it ended may be unknown."""
    text = f"{prompt.text}{completion}"
    tokens_T = np.array([ord(c) for c in text], np.int32)
    action_T = np.arange(len(text)) >= len(text) - len(completion)
    none_T = np.zeros(len(text), np.float32)
    said = Trajectory(prompt.id, tokens_T, action_T, none_T, 0, "", Sampling(), finish or "stop", logp_ref_T=none_T)
    return Episode(prompt, completion, said, finish=finish)


def _of(one: Written, score: Score, seconds: float) -> Scored:
    kept = attach_score(one.episode.trajectory, score)
    return Scored(one, score, kept.reward, kept.info.get("error"), seconds)


def _scores(some: Sequence[Written], score: Reward) -> list[Score]:
    """The scores of a batch; where it raises, of each row alone, so that the row at fault is named."""
    try:
        return scores_of([one.episode for one in some], score)
    except (SteelyardError, *_FAULTS):
        return [_alone(one, score) for one in some]


def _alone(one: Written, score: Reward) -> Score:
    with _row_named(one):
        try:
            return scores_of([one.episode], score)[0]
        except _FAULTS as error:
            return _fault(one, error)


@contextmanager
def _row_named(one: Written) -> Iterator[None]:
    """An error of the block says of which row it is."""
    try:
        yield
    except SteelyardError as error:
        where = error.where if error.where.startswith(one.where) else f"{one.where}: {error.where}"
        raise type(error)(error.what, where=where, hint=error.hint) from error


def _fault(one: Written, error: Exception) -> Score:
    """What a row's own error comes to: no reward, unless the row lacks a column.

    Raises:
        SteelyardError: it does.
    """
    column = error.args[0] if isinstance(error, KeyError) and error.args else None
    if isinstance(column, str) and column not in one.episode.prompt.columns:
        what = f"its prompt is none of the task's, and it has no column {column!r}"
        raise SteelyardError(what, where=one.where, hint="add the columns that the verifier needs") from error
    return Score(None, error=f"{type(error).__name__}: {error}")


def _known(task: Task) -> Mapping[str, Prompt]:
    """The task's prompts by their text; none where it names no file to read."""
    if getattr(task, "path", None) == "":
        return {}
    try:
        every = [prompt for split in ("held-out", "train") for prompt in task.prompts(split)]
    except SteelyardError:
        if getattr(task, "fetches", None) is None:
            raise
        return {}  # what cannot be downloaded lends nothing; not every verifier needs columns
    return {key_of(cast(Text, prompt.text)): prompt for prompt in every}


def _parsed(row: JsonMapping, roles: Columns, where: str) -> _Row:
    """A row by its parts; whatever is no part of its own is a column of the prompt."""
    name = next((name for name in roles.prompts if name in row), "prompt")
    for needed in (name, "completion"):
        hint = "give every row a prompt and a completion"
        require(needed in row, f"it has no {needed!r}", where=where, hint=hint)
    inner = row.get("columns")
    nested = inner if isinstance(inner, dict) else {}
    is_own = inner is None or isinstance(inner, dict)
    own = {"prompt", *(OWN if is_own else [part for part in OWN if part != "columns"])}
    columns = {column: value for column, value in row.items() if column not in own and column != name} | nested
    answer = next((columns[other] for other in roles.answers if columns.get(other) is not None), None)
    columns |= {} if answer is None or "answer" in columns else {"answer": answer}
    parts = {part: row.get(part) for part in ("completion", "finish", "turns")}
    try:
        return msgspec.convert({**parts, "prompt": row[name], "columns": columns}, _Row)
    except msgspec.ValidationError as error:
        hint = 'write texts, and "stop" or "length" as finish'
        raise SteelyardError(str(error), where=where, hint=hint) from error


def _said(completion: str | list[JsonObject], where: str) -> str:
    """A completion's text, also where it is the one message of an assistant."""
    if isinstance(completion, str):
        return completion
    content = completion[-1].get("content") if completion else None
    said = completion[-1].get("role", "assistant") == "assistant" if completion else False
    hint = "end it with the assistant's message"
    require(said or not completion, "the completion's last message is not the assistant's", where=where, hint=hint)
    if not isinstance(content, str):
        raise SteelyardError("the completion is no text", where=where, hint="write it as a string")
    return content


def _played(task: Interactive, one: Written) -> Written:
    """The row with what the environment says to the policy's turns."""
    with _row_named(one):
        try:
            outcome = _outcome(task, one)
        except _FAULTS as error:
            outcome = _fault(one, error)
    return replace(one, episode=replace(one.episode, outcome=outcome))


def _outcome(task: Interactive, one: Written) -> Score:
    environment = task.environment(one.episode.prompt, 0)
    hint = "score a run of it instead"
    first = environment.reset(one.episode.prompt)
    require(not inspect.isawaitable(first), "it is asynchronous", where="environment", hint=hint)
    for turn in one.turns:
        said = environment.step(turn)
        require(not inspect.isawaitable(said), "it is asynchronous", where="environment", hint=hint)
        if isinstance(said, Score):
            return said
    if isinstance(environment, Truncates):
        return environment.truncate("")
    return Score(None, error=f"its environment waits for more after {len(one.turns)} turns: give them as `turns`")
