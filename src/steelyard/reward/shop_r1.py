"""Shop-R1: a structured output is paid for its form, the type of its action, and hard texts many times over.

Differs: any types and fields, by a JSON file; the default is the paper's shopping. A field pays where the right action
has it, too. Unconfirmed: that a wrong type pays nothing, that similarity counts only from `threshold` on, and what
"a name is given" means (here a text that is not blank); only notes of readers and the project's page could be read.

    r = format + v(a) + alpha s(rationale)
    format     0.5 for valid JSON with both keys, nothing beside it; else r = 0
    v(a)       0 for a wrong type, else w_type + sum over its fields f of  given_f [a_f is given] + k_f rho(a_f, a*_f)
    rho        ROUGE-L, 0 below `threshold`;       k_f = similar_f, times D of a hard field

    terminate 0.3     click 0.3 + 0.2 given name + D rho(name)
    type_and_submit 0.3 + 0.1 given name + 0.1 rho(name) + 0.1 given text + D rho(text)

a* is the right action, in a column of the row. D (`difficulty`, 1000) outweighs all else, so what is easy and frequent,
such as to terminate always, does not pay. The third term needs the policy's distributions, which no reward sees: the
objective `self-certain-grpo` adds it, for which `part_rewards` mark where the rationale begins and ends (one mark at
the end, where there is none). Exact match is the part `exact`. Rewards are to be compared within groups, since D makes
them large.
Measured: refuted in a small world, where exact matches alone are paid often enough and gain 26 % over fine-tuning; D
then buys words at the cost of what needs none, and gains 8 %.
Source: Zhang et al. 2025, arXiv:2507.17842.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import msgspec
import tyro

from steelyard.core import (
    Episode,
    NonNegative,
    Score,
    Share,
    SteelyardError,
    first_line,
    method,
    require,
    suggest,
)
from steelyard.reward.given import reward_source
from steelyard.reward.rouge import rouge_l
from steelyard.reward.structured import FieldReward, Output, TypeReward, object_of, output_of, told

ID = "shop-r1"
SHOPPING = (
    TypeReward("terminate"),
    TypeReward("click", fields=(FieldReward("name", given=0.2),)),
    TypeReward(
        "type_and_submit", fields=(FieldReward("name", similar=0.1, hard=False), FieldReward("text", given=0.1))
    ),
)
"""The paper's actions."""
Action = Mapping[str, object]


@method(
    ID,
    paper="arXiv:2507.17842",
    claim="Hierarchical rewards with difficulty scaling: 27.7 % of actions are exact, 16.8 % after fine-tuning alone",
)
@dataclass(frozen=True)
class ShopR1:
    """What a structured output is worth."""

    column: str = "action"
    """Column with the right action: an object, or its JSON."""
    difficulty: NonNegative = 1000.0
    """D: how many times the similarity of a hard field counts."""
    threshold: Share = 0.75
    """Similarity that counts, at least; 0 counts all of it."""
    format: NonNegative = 0.5
    """For valid JSON with both keys."""
    types: Annotated[tuple[TypeReward, ...], tyro.conf.Suppress] = SHOPPING
    """What each type of action pays."""
    rationale: str = "rationale"
    """Key of the reason in an output."""
    action: str = "action"
    """Key of the action in an output."""
    type: str = "type"
    """Key of the type in an action."""

    def __post_init__(self) -> None:
        names = [one.type for one in self.types]
        what = f"has a type twice, or none: {', '.join(names)}"
        require(0 < len(names) == len({*names}), what, where=f"{ID}.types", hint="name each type once")

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; None where its row has no right action of a known type."""
        return [self._score(episode) for episode in episodes]

    def gold(self, columns: Mapping[str, object]) -> tuple[Action, TypeReward] | str:
        """The right action of a row with what its type pays, or what is wrong with it."""
        if self.column not in columns:
            return f"there is no column {self.column!r}; {suggest(self.column, columns)}"
        action = object_of(columns[self.column])
        if action is None:
            return f"column {self.column!r} is {columns[self.column]!r:.60}, which is no action"
        kind = told(action.get(self.type))
        found = next((one for one in self.types if one.type == kind), None)
        named = ", ".join(one.type for one in self.types)
        return (action, found) if found else f"its action is of the type {kind!r:.40}, which is none of {named}"

    def parts(self, output: Output | None, gold: Action, kind: TypeReward) -> dict[str, float]:
        """What an output is paid for, by name: the format, the type and its fields; and `exact`, which pays nothing."""
        if output is None:
            return {"format": 0.0, "exact": 0.0}
        paid = {"format": self.format}
        if told(output.action.get(self.type)) != kind.type:
            return {**paid, "exact": 0.0}
        texts = {field.name: (told(output.action.get(field.name)), told(gold.get(field.name))) for field in kind.fields}
        for field in kind.fields:
            paid[f"field/{field.name}"] = self._paid(field, *texts[field.name])
        same = all(said == right for said, right in texts.values())
        return {**paid, "type": kind.weight, "exact": float(same)}

    def _paid(self, field: FieldReward, said: str, right: str) -> float:
        """What a field pays."""
        if not said or not right:
            return 0.0
        similar = rouge_l(said, right)
        counts = similar if similar >= self.threshold else 0.0
        return field.given + field.similar * (self.difficulty if field.hard else 1.0) * counts

    def _score(self, episode: Episode) -> Score:
        found = self.gold(episode.prompt.columns)
        if isinstance(found, str):
            return Score(None, error=f"{ID}: {found}")
        output = output_of(episode.completion, self.rationale, self.action)
        parts = self.parts(output, *found)
        value = sum(paid for name, paid in parts.items() if name != "exact")
        read = None if output is None else msgspec.json.encode(output.action).decode()
        right = parts["exact"] == 1.0
        said = "json" if read else ""
        return Score(value, parts, read=read, read_from=said, right=right, part_rewards=_marks(output))


def _marks(output: Output | None) -> tuple[tuple[int | None, float], ...]:
    """Where the rationale begins and ends; one mark at the end of a completion that has none."""
    if output is None or not output.rationale.strip():
        return ((None, 1.0),)
    return tuple((end, 1.0) for end in output.span)


@dataclass(frozen=True)
class StructuredRows:
    """A `Reward` named on the command line: `shop-r1:COLUMN`, or `shop-r1:FILE.json` with settings of one's own."""

    place: str
    """The column with the right actions, or the file."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order.

        Raises:
            SteelyardError: the file cannot be read, or a row has no column of right actions.
        """
        reward = self._reward
        for episode in episodes:
            found = episode.prompt.columns
            what = f"there is no column {reward.column!r}"
            where = episode.prompt.where
            hint = f"{suggest(reward.column, found)}, or name the right action's: --reward {ID}:COLUMN"
            require(reward.column in found, what, where=where, hint=hint)
        return reward(episodes)

    @property
    def __name__(self) -> str:
        """What its numbers are called in records."""
        return ID

    def __str__(self) -> str:
        return f"reward {ID}:{self.place}"

    @cached_property
    def _reward(self) -> ShopR1:
        return settings_in(self.place) if self.place.endswith(".json") else ShopR1(column=self.place)


def settings_in(path: str) -> ShopR1:
    """The settings that a JSON file holds.

    Raises:
        SteelyardError: there is no such file, or it holds none.
    """
    hint = 'write {"column": "action", "types": [{"type": "click", "fields": [{"name": "name"}]}]}'
    try:
        data = msgspec.json.decode(Path(path).read_bytes(), type=dict[str, object])
        known = [*ShopR1.__dataclass_fields__]
        strange = ", ".join(sorted({*data} - {*known}))
        require(not strange, f"has unknown settings: {strange}", where=path, hint=f"use some of {', '.join(known)}")
        return msgspec.convert(data, ShopR1, strict=True)
    except OSError as error:
        what = f"cannot be read ({first_line(error)})"
        raise SteelyardError(what, where=f"{ID}:{path}", hint="name a file with settings, or a column") from error
    except msgspec.MsgspecError as error:
        raise SteelyardError(f"is not as it should be ({first_line(error)})", where=path, hint=hint) from error


reward_source(ID, StructuredRows)
