r"""Prompts and answers from your own file or from the hub, checked as `reward/math.py` says.

    r(y | x) = [ final answer of y  ==  answer of x ]

Rows have a column `prompt`, `question` or `problem` (a string or chat messages) and, unless `needs_answer` is false, a
column `answer`, `solution` or `ground_truth`, or verl's `reward_model`; `columns` names others. The answer in a worked
solution is its last `\boxed{}` (as in MATH), else the text after its last `####` (as in GSM8K). All columns but the
prompt's are passed to a reward function.

Rows that are equal in all columns are merged. Rows with one question and other columns are prompts of their own, which
the split keeps on one side: it is by hash of the question, so shuffling the file does not change it, unless `held_out`
names the held-out data; a question in both is then held out and not trained on. What is merged or left out is counted
in `notes`.
Source: the columns that Hugging Face data sets and TRL have in common.
"""

import gc
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

from steelyard.core import Episode, Positive, Prompt, Score, ShareInside, SteelyardError, method, require
from steelyard.core.columns import is_message
from steelyard.core.foreign_rows import with_prompt
from steelyard.reward import AnswerCheck, Closable, MathVerify
from steelyard.reward.final_answer import MARKER
from steelyard.reward.gold import gold_problem
from steelyard.task.base import (
    PlainText,
    PromptTemplate,
    Text,
    key_of,
    make_prompt,
    split_by_hash,
    take_split,
    tell_apart,
    worded,
)
from steelyard.task.columns import Columns, column_of, is_missing, number_domains
from steelyard.task.files import DataRow, read_directory, read_rows
from steelyard.task.hub import is_hub_id, read_hub

Keyed = tuple[str, Prompt]
"""A prompt, after the string that decides its split."""
HELD_OUT_TOO = "rows left out of training because their question is held out"
UNREADABLE = "rows left out because their answer cannot be read"


def prompt_of(value: Any, column: str, where: str) -> Text:
    """A row's prompt, which must be text or chat messages.

    Raises:
        SteelyardError: it is neither, or empty.
    """
    if isinstance(value, str) and value.strip():
        return value
    hint = "write the prompt, or leave the row out"
    require(not is_missing(value), f"there is no prompt: column {column!r} is null", where=where, hint=hint)
    blank = value == [] or (isinstance(value, str) and not value.strip())
    require(not blank, f"there is no prompt: column {column!r} is empty", where=where, hint=hint)
    chat = isinstance(value, list) and all(map(is_message, value))
    hint = 'write a text, or chat messages as [{"role": "user", "content": "..."}]'
    require(chat, "the prompt is neither text nor chat messages", where=where, hint=hint)
    return value


def _why_unreadable(value: object, column: str) -> str | None:
    """Why a right answer cannot be read, or None where it can."""
    if is_missing(value):
        return f"there is no answer: column {column!r} is {'null' if value is None else 'nan'}"
    if isinstance(value, str) and "box" not in value and value.rpartition(MARKER)[2].strip():
        return None  # as nearly every text of a large file
    problem = gold_problem(value)
    return None if problem is None else f"column {column!r}: {problem}"


def _refusal(refused: Sequence[tuple[str, str]]) -> SteelyardError:
    """The error of rows whose answers cannot be read: the first, and where the others are."""
    where, why = refused[0]
    others = [place.rpartition(", ")[2] for place, _ in refused[1:4]]
    rest = f" and {len(refused) - 4} more" if len(refused) > 4 else ""
    more = f" (also in {', '.join(others)}{rest})" if others else ""
    hint = "mend the rows, or leave them out with --unreadable-answers drop"
    return SteelyardError(why + more, where=where, hint=hint)


class _Data(NamedTuple):
    """What was read."""

    splits: Mapping[str, Sequence[Prompt]]
    domains: Mapping[str | int, int]
    notes: Mapping[str, int]


_OF_PROMPTS = (
    "task-ids",
    "task-splits",
    "task-repeatable",
    "scores-each",
    "scores-finite",
    "scores-alone",
    "scores-parts",
    "scores-steps",
)
NO_FILE: Mapping[str, str] = dict.fromkeys(_OF_PROMPTS, "without a file there are no prompts")
"""Exemptions of a task that reads a file: by default it names none."""


@method("rows", exemptions=NO_FILE)
@dataclass(frozen=True)
class Rows(Closable):
    """The task of a JSONL or Parquet file, or of a data set of the hub."""

    OWN_DATA: ClassVar[str] = "--path questions.jsonl"

    path: str = ""
    """JSONL or Parquet file, directory with SPLIT*.parquet or .jsonl, or hub id; columns prompt (question, problem)
    and answer (or solution, ground_truth)."""
    subset: str = ""
    """Configuration of a data set of the hub, for example main."""
    split: str = "train"
    """Split of a data set of the hub that is trained on."""
    held_out: str = ""
    """File, or split of a data set of the hub, that is held out; empty holds a share of the prompts out instead."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the prompt."""
    prompt_template: PromptTemplate = "{prompt}"
    r"""Text around each prompt, for example "Q: {prompt}\nA:". On the command line \n, \t and \\ are a line break, a
    tab and a backslash."""
    needs_answer: bool = True
    """False for a file without answers, where --reward scores the completions."""
    timeout_s: Positive = 5.0
    """Deadline of the check of one answer (seconds)."""
    check: AnswerCheck = field(default_factory=AnswerCheck)
    """How strictly numbers are compared."""
    columns: Columns = field(default_factory=Columns)
    """Which column plays which role."""
    chat: bool = False
    """Make each question the message of a user, which the model's chat template renders."""
    system_prompt: PlainText = ""
    """Message of the system before a chat; empty for none. Escapes as in --prompt-template."""
    unreadable_answers: Literal["refuse", "drop"] = "refuse"
    """A row whose right answer is empty or cannot be read is refused, or dropped and counted."""

    @property
    def fetches(self) -> str | None:
        """The data set that may be downloaded from the hub; None if all files are local."""
        return self.path if is_hub_id(self.path) else None

    @property
    def extra(self) -> str:
        """What reads a data set of the hub."""
        return "datasets" if self.fetches else ""

    @property
    def notes(self) -> Mapping[str, int]:
        """How many rows were merged or left out, and why, as far as there are any."""
        return self._data.notes

    @property
    def domains(self) -> Mapping[str | int, int]:
        """Domain -> its number, where a column plays that role."""
        return self._data.domains

    @cached_property
    def _data(self) -> "_Data":
        collecting = gc.isenabled()
        gc.disable()  # all that is made here stays: a third of the time would go into looking for garbage
        try:
            return self._read_data()
        finally:
            if collecting:
                gc.enable()

    def _read_data(self) -> "_Data":
        rows = {"train": self._read(self.path, self.split)}
        if self.held_out:
            is_file = bool(Path(self.held_out).suffix)
            rows["held-out"] = self._read(self.held_out, "") if is_file else self._read(self.path, self.held_out)
        role = self.columns.domain
        every = [(where, row) for some in rows.values() for where, row in some] if role else []
        domains = number_domains((where, row.get(role)) for where, row in every)
        counts: Counter[str] = Counter()
        told = {split: tell_apart(self._prompts(some, domains, counts), counts) for split, some in rows.items()}
        splits = self._split(told, counts)
        return _Data(splits, domains, {name: number for name, number in counts.items() if number})

    def _split(self, told: Mapping[str, Iterator[Keyed]], counts: Counter[str]) -> Mapping[str, Sequence[Prompt]]:
        if "held-out" not in told:
            return split_by_hash(told["train"], self.held_out_share, where=self.path)
        held = list(told["held-out"])
        keys = {key for key, _ in held}
        known = list(told["train"])
        kept = [prompt for key, prompt in known if key not in keys]
        counts[HELD_OUT_TOO] = len(known) - len(kept)
        require(bool(kept), "every prompt is also held out", where=self.path, hint="name another --held-out")
        return {"train": tuple(kept), "held-out": tuple(prompt for _, prompt in held)}

    @cached_property
    def _reward(self) -> MathVerify:
        return MathVerify(self.columns.answer or "answer", timeout_s=self.timeout_s, check=self.check)

    def _read(self, path: str, split: str) -> list[tuple[str, DataRow]]:
        """The rows, each with its file and place."""
        if is_hub_id(path):
            rows = read_hub(path, self.subset, split)
        else:
            of_directory = bool(path) and Path(path).is_dir()
            rows = read_directory(path, self.subset, split) if of_directory else read_rows(path)
        return [(f"{path}, {place}", row) for place, row in rows]

    def _prompts(
        self, rows: Sequence[tuple[str, DataRow]], domains: Mapping[str | int, int], counts: Counter[str]
    ) -> Iterator[Keyed]:
        """The prompts, each with the string that decides its split: the question, whatever stands around it."""
        role = self.columns.domain
        refused: list[tuple[str, str]] = []
        for where, given in rows:
            row = with_prompt(given, where, self.columns.prompts)
            name = column_of(row, self.columns.prompts, "prompt", where)
            text = prompt_of(row[name], name, where)
            columns = {column: value for column, value in row.items() if column != name}
            if self.needs_answer:
                column = column_of(row, self.columns.answers, "answer", where)
                hint = "say which holds the right answer with --columns.answer"
                require(column != name, f"the prompt and the answer are both {name!r}", where=where, hint=hint)
                if (why := _why_unreadable(row[column], column)) is not None:
                    refused.append((where, why))
                    continue
                if is_missing(columns.get("answer")):
                    columns["answer"] = row[column]
            labels = {"domain": domains[row[role]] if role else None}
            prompt = worded(text, self.prompt_template, self.chat, self.system_prompt, where)
            yield key_of(text), make_prompt(prompt, columns, labels=labels, place=where)
        if refused and self.unreadable_answers == "refuse":
            raise _refusal(refused)
        counts[UNREADABLE] += len(refused)

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of "train" or "held-out", in the file's order.

        Raises:
            SteelyardError: the file is missing, malformed or lacks columns, or a split is empty.
        """
        return take_split(self._data.splits, split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; None if the check failed or was late, or there is no answer."""
        if not self.needs_answer:
            return [Score(None, error="the file has no answers")] * len(episodes)
        return self._reward(episodes)

    def demonstration(self, prompt: Prompt) -> str:
        """What the row's answer column holds, as it stands: for an objective that imitates, the worked solution."""
        hint = "write a solution into every row, or choose an objective that needs none"
        require(self.needs_answer, "the rows have no answers to learn from", where=prompt.where, hint=hint)
        return str(prompt.columns[self.columns.answer or "answer"])

    def close(self) -> None:
        """End the child processes that check answers."""
        self._reward.close()
