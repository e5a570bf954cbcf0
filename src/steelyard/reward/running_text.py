"""The number that a line of running text ends with, and the number that a line begins with.

So she sold 40 + 32 = 72 clips.   ends with 72          72 clips (48 + 24)    begins with 72
85+23 is a                        ends with none: 23 is an operand of a sum
1 or 2 or 3                       ends with none: several answers are no answer
"""

import re
from dataclasses import dataclass

from steelyard.reward import numeral as numerals
from steelyard.reward.latex import plain
from steelyard.reward.numeral import Numeral, Units, leading_numeral, read_numeral
from steelyard.reward.units import CURRENCIES, unit_of

LONGEST = 2000
"""Characters of a line that are looked at, from its end."""

_SIDES = re.compile(r"(?<![<>!:])=|\\approx|≈|\\equiv|→|\\to\b|\\Rightarrow")
_HEDGE = re.compile(
    r"(?:\b[A-Z][).:]\s|\b(?:or|and|to|maybe|perhaps|possibly|probably|either|neither|nor|also|but|then|alternatively|else|could|be|even|through|vs)\b"
    r"|\b[A-Za-z]\s*=(?!=)|[^\w=≈]|_|或者?|还是|和|至|到)*",
    re.IGNORECASE,
)
"""What may stand between two answers where neither is taken back."""
_OPERATOR = re.compile(
    r"(?:[+*/×÷^·<>≤≥±]"
    r"|\\(?:times|cdot|div|pm|mp|leq?|geq?|lt|gt)"
    r"|\b(?:plus|minus|times|over|mod|twice|double|triple|half|(?:multiplied|divided) by)"
    r"|\b(?:half|square|cube|root|sum|product|factorial|percent|%) of|\b(?:less|more|fewer|greater|smaller|larger) than"
    r"|(?:^|\s)(?:%|//|#)"  # signs of a comment
    r"|\w\([^()]*"  # an argument of a function
    r"|\\(?:sqrt|log|ln|lg|exp|sin|cos|tan|cot|sec|csc|arc\w+|sum|prod|int|lim|gcd|min|max|binom|overline|frac)\b[^\w]*"
    r"|\b(?:sqrt|log|ln|exp|sin|cos|tan)\b\s*\(?"
    r")\s*$|[\w)]\s*[-–]\s*$",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"(?:\b(?:not|never|isn't|rather than|instead of|unlike|except|other than|no longer)"
    r"|anything but|不是|不等于|并非|n't|\\neq?|≠|!=)\s*(?:[\w']+\s+){0,2}[(\"'$]*$"
    r"|(?:n't|\bnot)\s+(?:think|believe|say|claim|sure|certain|convinced|agree)\b(?:\s+[A-Za-z']+){0,5}\s+[(\"'$]*$",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"(?:>(?!\d)|[\-–•#:=≈,…\s]|\.(?!\d)|\\(?:therefore|approx)|(?:so|thus|therefore|hence|and|the|a|an|my|our|final|correct|right|exact|answer|result|total|"
    r"solution|value|number|sum|product|is|are|was|be|equals|it|that|this|gives|we|get|have|which|there)\b"
    r"|[A-Za-z]\s*=(?!=))*",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"\s*[,.;]?\s*(?:[^\W\d_]+\s+){0,5}(?:\(|(?:because|since|as|from|for|in|per|of|out|over|at|after|with|when|by|every|each)\b)",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"\s*[,;]?\s*(?:(?:is|are|was)\s+)?(?:or|and|not|no|wrong|incorrect|false|squared|cubed|factorial|times|plus|minus|half|"
    r"hundred|maybe|perhaps|possibly|but|to|mod|am|pm|a\.m|p\.m|[=?]|\\[a-z]+)(?![^\W_])",
    re.IGNORECASE,
)
_UNIT_POWER = re.compile(
    r"\b(?:[cmk]?m|ft|in|yd|mi|s|units?|inch(?:es)?|feet|foot|yards?|miles?|(?:centi|kilo|milli)?met(?:er|re)s?)\^\{?$"
)
_LABEL = re.compile(
    r"^(?:(?:step|part|question|problem|example|case)\s*\d+\s*[:.)]\s*|\d{1,2}[.)]\s+(?=[A-Za-z][a-z]))", re.IGNORECASE
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=\S)")
_EXCLAIMED = re.compile(r"(?<=\d)!+$")
_SCRIPT = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
"""Signs of scripts that put no space before a number."""
_SIGNS_OF_NUMBERS = "〇零一二两三四五六七八九十百千万亿億萬兆第"
_UNSURE = re.compile(r"\b(?:or|not|maybe|perhaps|possibly|if|wrong|no)\b|\?", re.IGNORECASE)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Placed:
    """Digits in a text, from `start` to `end`, and the number they are; None where they are part of something else."""

    start: int
    end: int
    numeral: Numeral | None


def placed_numerals(text: str) -> list[Placed]:
    """All digits of a plain text, in order."""
    found: list[Placed] = []
    at = 0
    while (body := numerals.BODY.search(text, at)) is not None:
        if _UNIT_POWER.search(text[max(body.start() - 16, 0) : body.start()]):
            at = body.end()
            continue
        start = _start(text, body.start())
        read = None if _inside(text, start) else leading_numeral(text[start : start + 2 * numerals.MOST_DIGITS])
        end = body.end()
        if read is not None:
            end = max(end, start + len(text[start : start + 2 * numerals.MOST_DIGITS]) - len(read[1]))
        found.append(Placed(start, end, read[0] if read else None))
        at = max(end, body.start() + 1)
    return found


def _start(text: str, at: int) -> int:
    """Where a number's sign or currency begins."""
    start = at
    while start and text[start - 1] in CURRENCIES + "+-–":
        start -= 1
    signed = start < at and text[start] in "+-–"
    # in `85 -23` and `x-2` the sign is an operator
    if signed and (start and (text[start - 1].isalnum() or text[start - 1] in ")}")):
        return start + 1
    return start


def _inside(text: str, start: int) -> bool:
    """True where what stands before makes the digits part of a name, a longer number, or a time."""
    if not start:
        return False
    before = text[start - 1]
    if (
        (before.isalnum() and not _SCRIPT.fullmatch(before))
        or before in "^_\\"
        or (before in "|><" and text[start - 2 : start - 1] not in ("=", "-"))
    ):
        return True
    if before in _SIGNS_OF_NUMBERS:
        return True
    return before in ".,:/" and start > 1 and text[start - 2].isdigit()


def equation(text: str, units: Units) -> Numeral | None:
    """The number that an equation ends with, or begins with: 40 + 32 = 72, x = 72, 72 = 40 + 32."""
    sides = [side.strip(" :") for side in _SIDES.split(text[-LONGEST:])]
    if len(sides) < 2 or any(re.search(r"\b(?:or|and)\b|[,;]\s", side) for side in sides):
        return None
    read = [read_numeral(side, units) for side in sides]
    plains = {one.value for one in read if one is not None and one.form == "plain"}
    if len(plains) > 1:
        return None
    return read[-1] if read[-1] is not None else (read[0] if not any(read[1:]) else None)


def last_number(line: str, units: Units) -> Numeral | None:
    """The number that a line of running text comes to; None where it is one of several, an operand or taken back."""
    text = _spoken(_LABEL.sub("", plain(line[-LONGEST:]).rstrip("。！")))
    whole = text[_lead_end(text) :]
    if (read := read_numeral(whole, units) or equation(whole, units) or _bracketed(whole, units)) is not None:
        return read
    found = placed_numerals(text)
    if not found or found[-1].numeral is None or not _stands(text, found[-1], units):
        return None
    last = found[-1]
    if len(found) > 1:
        between = text[found[-2].end : last.start]
        if _HEDGE.fullmatch(between) is not None or _is_chain(text, found[-2], between):
            return None
    return last.numeral


def last_list(line: str) -> tuple[str, ...]:
    """The numbers that a line of running text ends with, as they are written: x = 1 and x = -2."""
    text = plain(line[-LONGEST:])
    if text.rstrip(" .").endswith((")", "]", "}")):
        return ()
    listed: list[str] = []
    after = len(text)
    for placed in reversed(placed_numerals(text)):
        if _HEDGE.fullmatch(text[placed.end : after]) is None or placed.numeral is None:
            break
        listed.insert(0, placed.numeral.text)
        after = placed.start
    return tuple(listed) if len(listed) > 1 else ()


def _is_chain(text: str, before: Placed, between: str) -> bool:
    """True for 106 = 107, where a number alone, and no operand, stands on the other side."""
    alone = before.numeral is None or before.numeral.form == "plain"
    return (
        alone
        and between.strip() in ("=", "≈")
        and _OPERATOR.search(text[max(before.start - 40, 0) : before.start]) is None
    )


def first_number(line: str, units: Units = "strip") -> Numeral | None:
    """The number that a line gives as its answer, at its beginning or as its only number."""
    text = _spoken(plain(line[:LONGEST]).rstrip("。！"))
    whole = text[_lead_end(text) :]
    for part in (whole, _SENTENCES.split(whole)[0]):
        if (read := read_numeral(part, units) or equation(part, units) or _with_remark(part, units)) is not None:
            return read
    found = placed_numerals(text)
    alone = len(found) == 1 and found[0].numeral is not None and _stands(text, found[0], units)
    return found[0].numeral if alone else None


def _spoken(text: str) -> str:
    """A sentence without its exclamation mark, which is no factorial where words stand before it."""
    return _EXCLAIMED.sub("", text) if re.search(r"[A-Za-z]{2}", text) else text


def without_lead(text: str) -> str:
    """A plain text without the words that lead to its answer, such as "so the answer is"."""
    return text[_lead_end(text) :]


def _lead_end(text: str) -> int:
    """Where the words that lead to an answer end; a sign before digits is no such word."""
    match = _LEAD.match(text)
    end = match.end() if match else 0
    kept = text[:end].rstrip()
    if not kept.endswith(("-", "–")):
        return end
    # `Answer - 72` is 72; `-72`, `- 72` and `x = - 72` are less than nothing
    signed = len(kept) == end or kept[:-1].rstrip()[-1:] in ("", "=")
    return len(kept) - 1 if signed else end


def _with_remark(text: str, units: Units) -> Numeral | None:
    """A number that a remark follows: 72 clips (48 + 24), 72 because 40+32=72."""
    read = leading_numeral(text)
    if read is None or _CHANGED.match(read[1]):
        return None
    numeral, rest = read
    if units == "strict" and rest.strip(" ."):
        return None
    if rest[:1].isalpha() and unit_of(_first_word(rest)) is None:
        return None
    remark = not _DIGIT.search(rest) or _REMARK.match(rest)
    return numeral if remark else None


def _bracketed(text: str, units: Units) -> Numeral | None:
    """A number that nothing but a remark in brackets follows: 72 (48 in April and 24 in May)."""
    before, bracket, inner = text.partition(" (")
    alone = bool(bracket) and inner.rstrip(" .").endswith(")") and "(" not in inner and not _UNSURE.search(inner)
    return read_numeral(before, units) if alone else None


def _first_word(rest: str) -> str:
    return rest.split(maxsplit=1)[0].rstrip(",.;:")


def _stands(text: str, placed: Placed, units: Units) -> bool:
    """True where a number in running text is an answer: no operand, not taken back, and nothing changes it."""
    before = text[: placed.start]
    after = text[placed.end :]
    if _OPERATOR.search(before[-40:]) or _TAKEN_BACK.search(before[-60:]) or _CHANGED.match(after):
        return False
    if after[:1].isalpha() and unit_of(_first_word(after)) is None:
        return False
    letter = re.match(r"\s+([A-Za-z])(?![\w'])", after)
    if letter is not None and unit_of(f" {letter[1]}") is None and letter[1] != "I":
        return False
    return units == "strip" or not after.strip(" .")
