r"""Where a text states an answer: in a box, after a marker, after words such as "the answer is".

Each kind is found by its form alone; what it says is read elsewhere. Statements that follow each other with nothing but
commas, "and" or "or" between them belong together: \boxed{1} or \boxed{2}.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
PHRASE = re.compile(
    r"(?:\b(?:answer|option|choice|result)\b[\"'*_]*\s*(?:is|are|equals|would be|should be|will be|must be|[:=])"
    r"|答案\s*(?:应该是|是|为|[:：]))"
    r"\s*[:=]?[*_]*\s*(?:option\b|choice\b)?\s*",
    re.IGNORECASE,
)
SENTENCE_END = re.compile(r"(?<!\bSt)(?<!\bMt)(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bJr)[.!?](?=\s|$)|[。！？]|\n")
_JOINING = re.compile(
    r"(?:\b(?:or|and|maybe|perhaps|possibly|also|then|but|either|nor|alternatively|the|final|correct|answer|is|it|could|be|so)\b"
    r"|\\[()\[\]]|[^\w\\])*",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox)\s*(?:\{|(?P<bare>-?\d[\d,]*(?:\.\d+)?))", re.ASCII)
"""TeX needs no braces around one sign, and models leave them out around more."""
_NO_ANSWER = re.compile(
    r"(?:indeed |also |therefore |thus )?(?:correct|right|verified|confirmed|consistent|reasonable)\W*", re.I
)
"""What a sentence says about an answer, and not what it is."""
_BRACE = re.compile(r"[{}]")
_KEPT = 20
_LONGEST_SENTENCE = 2000
"""Characters of a sentence that are looked at: many phrases without an end must not cost their square."""
_TAG = re.compile(r"<answer>((?:(?!<answer>|</answer>).)*)</answer>", re.DOTALL | re.IGNORECASE)
_OPEN_TAG = "<answer>"
_CLOSED_TAG = "</answer>"


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
    while (opening := _BOX.search(text, at)) is not None:
        if opening["bare"]:
            found.append(Statement(opening.start(), opening.end(), opening["bare"].rstrip(","), "box"))
            at = opening.end()
            continue
        end = _closing(text, opening.end())
        if end is None:
            return _few(found), True
        found.append(Statement(opening.start(), end + 1, text[opening.end() : end].strip(), "box"))
        at = end + 1
    return _few(found), False


def _few(statements: list[T]) -> list[T]:
    """The first and the last of many: whoever answers a thousand times has no answer, and must not cost time."""
    return statements if len(statements) <= _KEPT else [statements[0], *statements[-_KEPT:]]


def _closing(text: str, begin: int) -> int | None:
    depth = 1
    for brace in _BRACE.finditer(text, begin):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.start()
    return None


def markers(text: str, marker: str) -> list[Statement]:
    """What stands after each marker: the rest of its line, or the next line with anything in it."""
    found: list[Statement] = []
    starts = _few([match.start() for match in re.finditer(re.escape(marker), text)])
    for start in starts:
        begin = start + len(marker)
        limit = text.find(marker, begin)
        limit = len(text) if limit < 0 else limit
        line = re.match(r"\s*([^\n]*)", text[begin:limit])
        assert line is not None  # it may be empty
        found.append(Statement(start, begin + line.end(1), line[1].rstrip(), "marker"))
    return found


def phrases(text: str) -> list[Statement]:
    """What "the answer is" says, each to the end of its sentence."""
    found: list[Statement] = []
    for match in _few(list(PHRASE.finditer(text))):
        limit = min(match.end() + _LONGEST_SENTENCE, len(text))
        end = SENTENCE_END.search(text, match.end(), limit)
        # a question keeps its mark: it is no answer
        stop = limit if end is None else end.start() + (end[0] == "?")
        said = text[match.end() : stop].strip()
        if said and _NO_ANSWER.fullmatch(said) is None:
            found.append(Statement(match.start(), stop, said, "answer phrase"))
    return found


def last_tag(text: str) -> Statement | None:
    """The last whole <answer>...</answer>; None without one."""
    lower = text.lower()
    close = lower.rfind(_CLOSED_TAG)
    start = lower.rfind(_OPEN_TAG, 0, max(close, 0))
    if start < 0:
        return None
    return Statement(start, close + len(_CLOSED_TAG), text[start + len(_OPEN_TAG) : close].strip(), "answer tag")


def tags(text: str) -> list[Statement]:
    """Each whole <answer>...</answer>; the outermost of nested ones."""
    found = _TAG.finditer(text)
    return _few([Statement(m.start(), m.end(), m[1].strip(), "answer tag") for m in found])


def open_tag(text: str) -> str | None:
    """What follows an <answer> that is not closed; None where the last one is, or where there is none."""
    lower = text.lower()
    start = lower.rfind(_OPEN_TAG)
    return None if start < 0 or _CLOSED_TAG in lower[start:] else text[start + len(_OPEN_TAG) :].strip()


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
