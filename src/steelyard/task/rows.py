r"""Prompts and answers from your own file or from the hub, checked as `reward/math.py` says.

    r(y | x) = [ final answer of y  ==  answer of x ]

Rows have a column `prompt`, `question` or `problem` (a string or chat messages) and, unless `needs_answer` is false, a
column `answer`, `solution` or `ground_truth`. The answer in a worked solution is its last `\boxed{}` (as in MATH), else
the text after its last `####` (as in GSM8K). All columns but the prompt's are passed to a reward function. Of equal
prompts the first is kept. The split is by hash of the prompt, so shuffling the file does not change it, unless
`held_out` names the held-out data; a prompt in both is then held out and not trained on.
Source: the columns that Hugging Face data sets and TRL have in common.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from steelyard.core import Episode, Positive, Prompt, Score, ShareInside, SteelyardError, method, require, suggest
from steelyard.reward import AnswerCheck, Closable, MathVerify
from steelyard.task.base import PromptTemplate, Text, fill, make_prompt, split_by_hash, take_split
from steelyard.task.files import DataRow, read_directory, read_rows
from steelyard.task.hub import is_hub_id, read_hub

PROMPTS = ("prompt", "question", "problem")
ANSWERS = ("answer", "solution", "ground_truth")
_SHOWN = 20  # columns that an error message lists


def _column(row: DataRow, names: Sequence[str], where: str) -> str:
    for name in names:
        if row.get(name) is not None:
            return name
    shown = list(row)[:_SHOWN]
    near = next((c for c in shown if suggest(c, names).startswith("did you mean")), None)
    hint = f"rename {near!r} to {names[0]!r}" if near else f"name a column {' or '.join(map(repr, names))}"
    more = f" and {len(row) - _SHOWN} more" if len(row) > _SHOWN else ""
    what = f"there is no {' or '.join(names)}; its columns are {', '.join(shown) or 'none'}{more}"
    raise SteelyardError(what, where=where, hint=hint)


def _text(value: Any, where: str) -> Text:
    if isinstance(value, str) and value.strip():
        return value
    chat = isinstance(value, list) and all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str) for m in value
    )
    hint = 'write a text, or chat messages as [{"role": "user", "content": "..."}]'
    require(chat and bool(value), "the prompt is neither text nor chat messages", where=where, hint=hint)
    return value


def _distinct(prompts: Iterable[Prompt]) -> dict[str, Prompt]:
    """Id -> prompt, in order; of equal prompts the first is kept."""
    found: dict[str, Prompt] = {}
    for prompt in prompts:
        found.setdefault(prompt.id, prompt)
    return found


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
    """Text around each prompt, for example "Q: {prompt} A:"."""
    needs_answer: bool = True
    """False for a file without answers, where --reward scores the completions."""
    timeout_s: Positive = 5.0
    """Deadline of the check of one answer (seconds)."""
    check: AnswerCheck = field(default_factory=AnswerCheck)
    """How strictly numbers are compared."""

    @property
    def fetches(self) -> str | None:
        """The data set that may be downloaded from the hub; None if all files are local."""
        return self.path if is_hub_id(self.path) else None

    @cached_property
    def _splits(self) -> dict[str, tuple[Prompt, ...]]:
        if not self.held_out:
            return split_by_hash(self._prompts(self.path, self.split), self.held_out_share, where=self.path)
        is_file = bool(Path(self.held_out).suffix)
        place = self.held_out if is_file else self.path
        split = "" if is_file else self.held_out
        held = _distinct(prompt for _, prompt in self._prompts(place, split))
        asked = _distinct(p for _, p in self._prompts(self.path, self.split) if p.id not in held)
        require(bool(asked), "every prompt is also held out", where=self.path, hint="name another --held-out")
        return {"train": tuple(asked.values()), "held-out": tuple(held.values())}

    @cached_property
    def _reward(self) -> MathVerify:
        return MathVerify(timeout_s=self.timeout_s, check=self.check)

    def _read(self, path: str, split: str) -> list[tuple[str, DataRow]]:
        if is_hub_id(path):
            return read_hub(path, self.subset, split)
        of_directory = bool(path) and Path(path).is_dir()
        return read_directory(path, self.subset, split) if of_directory else read_rows(path)

    def _prompts(self, path: str, split: str) -> Iterator[tuple[Text, Prompt]]:
        for place, row in self._read(path, split):
            where = f"{path}, {place}"
            name = _column(row, PROMPTS, where)
            text = _text(row[name], where)
            columns = {column: value for column, value in row.items() if column != name}
            if self.needs_answer:
                columns["answer"] = row[_column(row, ANSWERS, where)]
            yield text, make_prompt(self._templated(text, where), columns)

    def _templated(self, text: Text, where: str) -> Text:
        if isinstance(text, str):
            return fill(self.prompt_template, text)
        hint = "leave prompt_template as {prompt}"
        plain = self.prompt_template == "{prompt}"
        require(plain, "a template cannot be put around chat messages", where=where, hint=hint)
        return text

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of "train" or "held-out", in the file's order.

        Raises:
            SteelyardError: the file is missing, malformed or lacks columns, or a split is empty.
        """
        return take_split(self._splits, split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; None if the check failed or was late, or there is no answer."""
        if not self.needs_answer:
            return [Score(None, error="the file has no answers")] * len(episodes)
        return self._reward(episodes)

    def close(self) -> None:
        """End the child processes that check answers."""
        self._reward.close()
