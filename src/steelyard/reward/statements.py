r"""Where a text states an answer: in a box, after a marker, after words such as "the answer is".

Each kind is found by its form alone; what it says is read elsewhere. Statements that follow each other with nothing but
commas, "and" or "or" between them belong together: \boxed{1} or \boxed{2}.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from steelyard.reward.boxed import BOXES

PHRASE = re.compile(
    r"\b(?:answer|option|choice|result)\b[\"'*_]*\s*(?:is|are|equals|would be|should be|will be|must be|[:=])"
    r"\s*[:=]?[*_]*\s*(?:option\b|choice\b)?\s*",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"[.!?](?=\s|$)|\n")
_JOINING = re.compile(
    r"(?:\b(?:or|and|maybe|perhaps|possibly|also|then|but|either|nor|alternatively|the|final|correct|answer|is|it|could|be|so)\b"
    r"|\\[()\[\]]|[^\w\\])*",
    re.IGNORECASE,
)
_MARKS_ONLY = re.compile(r"[\s$*_.,;:)\]}]*")


@dataclass(frozen=True)
class Statement:
    """An answer as a text states it: `text` stands from `start` to `end`, the mark before it included in `start`."""

    start: int
    end: int
    text: str
    source: str


def boxes(text: str) -> tuple[list[Statement], bool]:
    r"""All outermost whole boxes of a text, and whether the last box is cut off.

    A box in a box says nothing definite: its text keeps the inner `\boxed`, which is no number and no word.
    """
    found: list[Statement] = []
    at = 0
    while (opening := _next_box(text, at)) is not None:
        start, begin = opening
        end = _closing(text, begin)
        if end is None:
            return found, True
        found.append(Statement(start, end + 1, text[begin:end].strip(), "box"))
        at = end + 1
    return found, False


def _next_box(text: str, at: int) -> tuple[int, int] | None:
    places = [(start, start + len(box)) for box in BOXES if (start := text.find(box, at)) >= 0]
    return min(places, default=None)


def _closing(text: str, begin: int) -> int | None:
    depth = 1
    for brace in re.finditer(r"[{}]", text[begin:]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return begin + brace.start()
    return None


def markers(text: str, marker: str) -> list[Statement]:
    """What stands after each marker: the rest of its line, or the next line with anything in it."""
    found: list[Statement] = []
    starts = [match.start() for match in re.finditer(re.escape(marker), text)]
    for at, start in enumerate(starts):
        begin = start + len(marker)
        limit = starts[at + 1] if at + 1 < len(starts) else len(text)
        line = re.match(r"\s*([^\n]*)", text[begin:limit])
        assert line is not None  # it may be empty
        found.append(Statement(start, begin + line.end(1), line[1].rstrip(), "marker"))
    return found


def phrases(text: str) -> list[Statement]:
    """What "the answer is" says, each to the end of its sentence."""
    found: list[Statement] = []
    for match in PHRASE.finditer(text):
        end = SENTENCE_END.search(text, match.end())
        # a question keeps its mark: it is no answer
        stop = len(text) if end is None else end.start() + (end[0] == "?")
        said = text[match.end() : stop].strip()
        if said:
            found.append(Statement(match.start(), stop, said, "answer phrase"))
    return found


def last_group(text: str, statements: Sequence[Statement]) -> list[Statement]:
    """The last statement and those before it that nothing separates from it, in order."""
    group = list(statements[-1:])
    for before in reversed(statements[:-1]):
        between = text[before.end : group[0].start]
        if len(between) > 200 or _JOINING.fullmatch(between) is None:
            break
        group.insert(0, before)
    return group


def is_looping(text: str) -> bool:
    """True where a text ends in one line, sentence or number said three times or more, the last perhaps cut off."""
    return any(_repeats(parts) for parts in _partitions(text[-4000:]))


def _partitions(text: str) -> Iterator[list[str]]:
    yield [line.strip() for line in text.split("\n") if line.strip()]
    yield re.split(r"(?<=[.!?;,])\s+", text.strip())
    words = text.split()
    yield words if words and re.search(r"\d", words[-1]) else []


def _repeats(parts: Sequence[str]) -> bool:
    if len(parts) < 3:
        return False
    *_, a, b, c = parts
    if a == b == c:
        return True
    return len(parts) > 3 and parts[-4] == a == b and b.startswith(c)
