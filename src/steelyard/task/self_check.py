"""One generation as rounds: a proposal, a verification that ends in a verdict, and after a refusal the next proposal.

    proposal VERIFY verification ACCEPT                            accepted: nothing after it is read
    proposal VERIFY verification REJECT proposal VERIFY ...        refused: the next round begins

The three marks are texts that the policy itself writes. VERIFY and a verdict belong to the verification that they open
and end. A proposal may come without a verification, and a verification without a verdict: both end with the completion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from steelyard.core import checked, require
from steelyard.task.base import OnCommandLine

Mark = Annotated[str, Meta(min_length=1, description="a text that is not empty"), OnCommandLine]


@dataclass(frozen=True)
class Round:
    """A proposal, and what the policy itself says of it."""

    proposal: str
    verdict: bool | None
    """True where it was accepted, false where it was refused; None without a verdict."""
    ends: tuple[int, ...]
    """Characters of the completion up to the end of the proposal and, where there is one, of its verification."""

    @property
    def verified(self) -> bool:
        """Whether a verification was opened."""
        return len(self.ends) > 1


@checked()
@dataclass(frozen=True)
class SelfCheckMarks:
    """The texts by which a generation is read."""

    verify: Mark = "\nCheck: "
    r"""What opens a verification. Escapes as in --prompt-template."""
    accept: Mark = "Verdict: correct"
    r"""What ends a verification and the generation: the proposal is the answer. Escapes as in --prompt-template."""
    reject: Mark = "Verdict: wrong"
    r"""What ends a verification, so that another proposal follows. Escapes as in --prompt-template."""

    def __post_init__(self) -> None:
        marks = {"--verify": self.verify, "--accept": self.accept, "--reject": self.reject}
        for flag, mark in marks.items():
            inside = next((name for name, other in marks.items() if name != flag and mark in other), None)
            require(inside is None, f"{mark!r} is a part of {inside}", where=flag, hint="give each a text of its own")

    def rounds(self, text: str, most: int) -> list[Round]:
        """The rounds of a completion, at least one and at most so many; an empty completion is an empty proposal."""
        found: list[Round] = []
        at = 0
        while len(found) < most and (at < len(text) or not found):
            opened = text.find(self.verify, at)
            if opened < 0:
                found.append(Round(text[at:].partition(self.accept)[0], None, (len(text),)))
                break
            verdict, closed = self._verdict(text, opened + len(self.verify))
            found.append(Round(text[at:opened], verdict, (opened, closed)))
            if verdict is not False:
                break
            at = closed
        return found

    def _verdict(self, text: str, begin: int) -> tuple[bool | None, int]:
        """The first verdict from a place on, and the characters up to its end."""
        marks = ((True, self.accept), (False, self.reject))
        places = [(at, verdict, at + len(mark)) for verdict, mark in marks if (at := text.find(mark, begin)) >= 0]
        return min(places)[1:] if places else (None, len(text))

    def written(self, proposals: Sequence[tuple[str, str]], accepted: bool = True) -> str:
        """A completion of these proposals, each with the text of its verification; all but the last are refused."""
        last = len(proposals) - 1
        verdicts = [self.accept if i == last and accepted else self.reject for i in range(len(proposals))]
        pairs = zip(proposals, verdicts, strict=True)
        return "".join(f"{said}{self.verify}{why}{verdict}" for (said, why), verdict in pairs)
