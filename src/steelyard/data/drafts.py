"""Responses under revision: the claims of a draft, what became of them, and how a draft moves to its next paragraph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from steelyard.data.critique import Label
from steelyard.data.fragments import fragments
from steelyard.data.record import Record
from steelyard.policy.text import Text, with_turn


@dataclass(frozen=True)
class Edit:
    """What became of a claim that is not supported."""

    claim: str
    label: Label
    critique: str
    now: str
    """Empty where it was removed."""


@dataclass(frozen=True)
class Draft:
    """A response under revision."""

    record: Record
    prompt: Text
    number: int
    """Which of the prompt's candidates it is."""
    sampled: str
    """As it was first written."""
    left: str | None
    """What is not revised; None where it is still to be written."""
    done: str = ""
    """What is revised."""
    edits: tuple[Edit, ...] = ()

    @property
    def text(self) -> str:
        """What it says, without blanks at the end; as it was first written where nothing was edited."""
        return f"{self.done}{self.left or ''}".rstrip() if self.edits else self.sampled


@dataclass(frozen=True)
class Response:
    """A response that was judged."""

    draft: Draft
    text: str
    supported: int
    claims: int

    @property
    def score(self) -> float:
        """Share of its claims that are supported; 0 of one that claims nothing."""
        return self.supported / self.claims if self.claims else 0.0


class Claim(NamedTuple):
    """A claim where it stands."""

    draft: Draft
    before: str
    """The response up to there."""
    text: str
    """With the blanks behind it."""


def claims_of(draft: Draft, before: str, text: str, split: str) -> list[Claim]:
    """The claims of a text that stands after `before` in a draft; one ends where a match of `split` ends."""
    parts = fragments(text, split)
    return [Claim(draft, before + "".join(parts[:k]), part) for k, part in enumerate(parts)]


def after(prompt: Text, said: str) -> Text:
    """The prompt and the beginning of a response to it."""
    if isinstance(prompt, str):
        return prompt + said
    return with_turn(prompt, said) if said else prompt


def moved(draft: Draft, cut: Sequence[str], claims: Sequence[Claim], edits: Sequence[Edit | None]) -> Draft:
    """A draft with its first paragraph revised; where that changed it, what followed is to be written anew."""
    if not cut:
        return draft
    made = tuple(edit for edit in edits if edit is not None)
    said = "".join(_now(claim.text, edit) for claim, edit in zip(claims, edits, strict=True)).rstrip()
    end = cut[0][len(cut[0].rstrip()) :] if said else ""  # its line break stays where its last claim does not
    rest = "".join(cut[1:])
    return replace(
        draft,
        done=f"{draft.done}{said}{end}",
        left=None if made and rest.strip() else rest,
        edits=(*draft.edits, *made),
    )


def _now(text: str, edit: Edit | None) -> str:
    """A claim after its edit, with the blanks around it; nothing where it was removed."""
    if edit is None:
        return text
    said = text.strip()
    start = text.index(said)
    return f"{text[:start]}{edit.now}{text[start + len(said) :]}" if edit.now else ""
