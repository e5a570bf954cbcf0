"""Pairs of completions from a file, the preferred one named: what `steelyard train ches` and `reward-model` read too.

Rows have a column `prompt` (or `question`, `problem`; a string or chat messages) and the texts `chosen` and `rejected`,
each of which follows the prompt letter by letter; or, as in TRL's unpaired preferences, `completion` and `label`, true
where it was good: the good and the bad completions of a prompt are paired in their order. The columns `chosen_ends` and
`rejected_ends`, true where a row has none, are false where a completion is only a beginning, such as one step of a
solution. All other columns are left alone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from steelyard.core import Prompt, require
from steelyard.core.columns import Column, text_of
from steelyard.core.foreign_rows import COMPARED, with_pair, with_prompt
from steelyard.core.json import JsonMapping
from steelyard.task.base import make_prompt
from steelyard.task.columns import PROMPTS, column_of, prompt_names
from steelyard.task.files import read_rows
from steelyard.task.wording import Wording

CHOSEN_ENDS = "chosen_ends"
REJECTED_ENDS = "rejected_ends"
EQUAL = "pairs left out because both completions are equal"
AGAIN = "pairs that stand there again, each of which counts"
ALONE = "completions left out because their prompt has no other one with the other label"
_PAIR = "give such prompts, or learn from single ratings with steelyard train rluf"


@dataclass(frozen=True)
class PreferenceColumns:
    """Which column of a file plays which role."""

    prompt: Annotated[str, tyro.conf.arg(name="columns.prompt")] = ""
    """Column with the prompt; empty for the first of prompt, question and problem that a row has."""
    chosen: Annotated[str, tyro.conf.arg(name="columns.chosen")] = "chosen"
    """Column with the preferred completion."""
    rejected: Annotated[str, tyro.conf.arg(name="columns.rejected")] = "rejected"
    """Column with the other completion."""

    @property
    def prompts(self) -> Sequence[str]:
        """The names that the prompt's column may have, in order of preference."""
        return prompt_names(self.prompt)


@dataclass(frozen=True)
class Preference:
    """Two completions of a prompt."""

    prompt: Prompt
    chosen: str
    rejected: str
    chosen_ends: bool = True
    """Whether the end of sequence follows the chosen completion."""
    rejected_ends: bool = True
    """Whether it follows the rejected one."""

    @property
    def sides(self) -> tuple[tuple[str, bool], tuple[str, bool]]:
        """The chosen completion and the rejected one, each with whether it ends."""
        return (self.chosen, self.chosen_ends), (self.rejected, self.rejected_ends)


@dataclass(frozen=True)
class PreferenceFile(Wording):
    """How rows become pairs."""

    columns: PreferenceColumns = field(default_factory=PreferenceColumns)
    """Which column plays which role."""

    def read(self, path: str, flag: str) -> tuple[list[Preference], Counter[str]]:
        """The pairs of a file in order, but for those without a difference; and what is to be said of them.

        Args:
            path: JSONL or Parquet.
            flag: the setting that names it, for errors.

        Raises:
            SteelyardError: the file is missing or malformed, a row is no pair, or no pair has a difference.
        """
        hint = "name a .jsonl or .parquet file with prompt, chosen and rejected"
        require(bool(path), "is missing", where=flag, hint=hint)
        rows = [(f"{path}, {place}", row) for place, row in read_rows(path)]
        alone = 0
        if all(is_unpaired(row) for _, row in rows):
            rows, alone = paired(rows, self.columns.prompts)
            require(bool(rows), "no prompt has a completion with label true and one with false", where=path, hint=_PAIR)
        pairs = [self.preference(row, where) for where, row in rows]
        kept = [pair for pair in pairs if len({*pair.sides}) == 2]
        require(bool(kept), "both completions of every pair are equal", where=path, hint="give pairs that differ")
        again = len(kept) - len({(pair.prompt.id, pair.sides) for pair in kept})
        return kept, +Counter({EQUAL: len(pairs) - len(kept), AGAIN: again, ALONE: alone})

    def preference(self, row: JsonMapping, where: str) -> Preference:
        """One row; `where` is its place, for errors.

        Raises:
            SteelyardError: it has no prompt, or not both completions, or does not say rightly whether they end.
        """
        columns = self.columns
        row = with_pair(row, where, columns.prompts)
        name = column_of(row, columns.prompts, "prompt", where)
        roles = {"prompt": name, "chosen": columns.chosen, "rejected": columns.rejected}
        what = f"the columns of prompt, chosen and rejected are {', '.join(map(repr, roles.values()))}"
        hint = "say which are which with --columns.chosen and its like"
        require(len({*roles.values()}) == len(roles), what, where=where, hint=hint)
        chosen, rejected = (text_of(row, Column(roles[r], "text", f"--columns.{r}"), where) for r in [*roles][1:])
        prompt = make_prompt(self.prompt(row[name], name, where), {}, place=where)
        return Preference(prompt, chosen, rejected, _ends(row, CHOSEN_ENDS, where), _ends(row, REJECTED_ENDS, where))


def is_unpaired(row: JsonMapping) -> bool:
    """Whether a row is one completion with a label of true or false, and no pair."""
    return isinstance(row.get("label"), bool) and "completion" in row and not row.keys() & {*COMPARED}


def paired(
    rows: Sequence[tuple[str, JsonMapping]], prompts: Sequence[str] = PROMPTS
) -> tuple[list[tuple[str, JsonMapping]], int]:
    """Pairs of the good and the bad completions of each prompt, in their order, and how many rows have no other.

    Args:
        rows: unpaired ones, each with its place.
        prompts: the names that the prompt's column may have.

    Raises:
        SteelyardError: a row has no prompt.
    """
    sides: dict[str, dict[bool, list[tuple[str, JsonMapping]]]] = {}
    for where, given in rows:
        row = with_prompt(given, where, prompts)
        asked = row[column_of(row, prompts, "prompt", where)]
        held = sides.setdefault(repr(asked), {True: [], False: []})
        held[bool(row["label"])].append((where, row))
    found: list[tuple[str, JsonMapping]] = []
    for held in sides.values():
        for (where, good), (_, bad) in zip(held[True], held[False], strict=False):
            found.append((where, {**good, "chosen": good["completion"], "rejected": bad["completion"]}))
    return found, len(rows) - 2 * len(found)


def _ends(row: JsonMapping, column: str, where: str) -> bool:
    value = row.get(column, True)
    require(isinstance(value, bool), f"column {column!r} is {value!r:.60}", where=where, hint="write true or false")
    return bool(value)
