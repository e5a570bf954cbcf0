r"""Where a completion's final answer stands: one rule for all verifiers.

    1. Only what comes after `</think>`, and not a repetition of the prompt, nor a new question after the answer.
    2. The last <answer>...</answer>; in it, or in the whole text without one:
    3. the last \boxed{}, else the line of the last marker (####), else what "the answer is" says, else the last line.

There is no answer where the last box is empty, nested or cut off, where two different answers stand side by side or a
later one disagrees, where a text ends in a loop, and where the answer touches the end of a completion that was cut off
at its limit: 10 may be the beginning of 108.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from steelyard.reward.statements import (
    Statement,
    boxes,
    is_looping,
    last_group,
    last_tag,
    markers,
    open_tag,
    phrases,
    tags,
)

MARKER = "####"
Place = Literal["whole", "first", "last"]
"""How an answer stands in its text: it is all of it, what the text begins with, or what it comes to."""

_TAGS = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?|scratchpad|analysis|reflection)"
_REASONS = re.compile(rf"<{_TAGS}>|<\|begin_of_thought\|>|\[THINK\]|◁think▷", re.IGNORECASE)
_REASONED = re.compile(rf"</{_TAGS}>|<\|end_of_thought\|>|\[/THINK\]|◁/think▷", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|$)", re.DOTALL)
_ENVIRONMENT = re.compile(
    r"\n[ \t]*\\(?:begin|end)\{(?:align|aligned|equation|gather|split|multline)\*?\}[ \t]*(?=\n|$)"
)
_COLON = re.compile(r"\w+\W*:")
_OPTION = re.compile(r"\W*([A-Za-z])[.):]\W")
_CALCULATION = re.compile(r"<<[^<>\n]*>>")
"""GSM8K's marks for a calculator: <<48/2=24>>24."""
_TURN_END = re.compile(r"<\|(?:im_end|im_start|endoftext|eot_id|end_of_text|end)\|>|</s>|<eos>|<end_of_turn>")
_QUESTION = re.compile(
    r"\n[ \t#>*]{0,9}(?:(?:question|problem|exercise|task|instruction|example|human|user|input|prompt)\b[ \t]*\d*|q\d*)"
    r"[*\s]*[:.)]|\n#{1,6} (?:question|problem|exercise|task|example) \d",
    re.IGNORECASE,
)
_ASKS = re.compile(r"\n[^\n?]*\?(?=\s|$)")
_CHECKS = re.compile(
    r"\b(?:wait|check|verify|let me|let's|hmm|actually|right\?|correct\?|sure|sense|recheck|help)", re.IGNORECASE
)
_REMARK = re.compile(r"\W*(?:explanation|note|reason|justification|ps|p\.s)\b\W*:", re.IGNORECASE)
_LABEL_ALONE = re.compile(
    r"\W*(?:(?:step|part|question|problem|example|exercise|case|figure|table)\s*#?\d+|[2-9]\s*[.)])\W*|1\s*[)]",
    re.IGNORECASE,
)
"""The beginning of a step that was never written."""
_VERDICT = re.compile(
    r"\b(?:reward|score|verdict|grade|rating)\W{0,4}(?:is|of|=|:|to)?\W{0,4}[01](?:\.0+)?\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Found:
    """A final answer as it stands in a completion."""

    text: str
    source: str
    place: Place
    side_by_side: tuple[str, ...] = ()
    """All answers of its group, itself the last: \\boxed{3} and \\boxed{4}."""
    later: tuple[str, ...] = ()
    """Statements after it, which must not disagree."""


def find_answer(completion: str, *, prompt: str = "", finish: str | None = None, quotes: bool = False) -> Found | None:
    """The final answer of a completion, or None.

    Args:
        completion: its whole text.
        prompt: the prompt's text; what only repeats it is no answer.
        finish: "length" where the completion was cut off at its limit.
        quotes: True where an answer may be a passage of the prompt, as words may.
    """
    text = answering_part(completion, prompt, MARKER)
    asked = "" if quotes else prompt
    if not text.strip() or is_looping(text) or _copied(text, asked):
        return None
    open_end = is_open(text, completion, finish)
    if (tagged := _tagged(text, open_end)) is not None:
        return _in_tag(tagged)
    return _stated(text, open_end) or _last_line(text, asked, open_end)


def find_after_marker(
    completion: str, marker: str, *, prompt: str = "", finish: str | None = None, quotes: bool = False
) -> Found | None:
    """What a completion says after its last marker, or None; an empty marker takes the whole completion."""
    text = answering_part(completion, prompt, marker)
    if not text.strip() or is_looping(text) or (not quotes and _copied(text, prompt)):
        return None
    open_end = is_open(text, completion, finish)
    if not marker:
        return None if open_end else Found(text.strip(), "whole completion", "whole")
    said = markers(text, marker)
    return _chosen(text, said, "first", open_end) if said else None


def answering_part(completion: str, prompt: str, marker: str) -> str:
    """The part of a completion that answers: without reasoning, a repeated prompt, and a new question of its own."""
    text = _after_reasoning(completion)
    if "<<" in text:
        text = _CALCULATION.sub(" ", text)
    if "<!--" in text:
        text = _COMMENT.sub(" ", text)
    asked = prompt.strip()
    if len(asked.split()) > 1 and text.lstrip().startswith(asked):
        text = text.lstrip()[len(asked) :]
    if (ended := _TURN_END.search(text)) is not None and text[: ended.start()].strip():
        text = text[: ended.start()]
    return _before_next_question(text, asked, marker)


def _after_reasoning(text: str) -> str:
    """What comes after the last closed reasoning, and nothing of reasoning that does not end."""
    closed = list(_REASONED.finditer(text))
    if closed:
        text = text[closed[-1].end() :]
    opened = _REASONS.search(text)
    if opened is None:
        return text
    return text[: opened.start()] if closed else ""


def _before_next_question(text: str, asked: str, marker: str) -> str:
    """Base models go on with a question of their own once they have answered; its answer is not asked for."""
    first = _first_answer(text, marker)
    if first is None:
        return text
    ends = [found.start() for found in [_QUESTION.search(text, first.end)] if found is not None]
    lead = asked.partition("\n")[0].partition(":")[0]
    if 2 < len(lead) <= 40 and ":" in asked:
        at = text.find(f"\n{lead}:", first.end)
        ends += [at] if at >= 0 else []
    if first.source == "marker" and (asks := _ASKS.search(text, first.end)) and not _CHECKS.search(asks[0]):
        ends.append(asks.start())
    return text[: min(ends)] if ends else text


def _first_answer(text: str, marker: str) -> Statement | None:
    said = markers(text, marker) if marker else []
    said += boxes(text)[0]
    tag = last_tag(text.partition("</answer>")[0] + "</answer>") if "</answer>" in text else None
    said += [tag] if tag is not None else []
    said += phrases(text)[:1]
    said += _short_first_line(text)
    return min(said, key=lambda one: one.end, default=None)


def _short_first_line(text: str) -> list[Statement]:
    begin = len(text) - len(text.lstrip())
    end = text.find("\n", begin)
    line = text[begin : end if end >= 0 else len(text)]
    bare = bool(line) and len(line.split()) <= 3 and not line.rstrip().endswith((":", "?"))
    return [Statement(begin, begin + len(line), line, "last line")] if bare else []


def is_open(text: str, completion: str, finish: str | None) -> bool:
    """True where the completion was cut off and the text goes to its very end, in the middle of something."""
    return finish == "length" and not text[-1:].isspace() and completion.endswith(text[-40:])


def _tagged(text: str, open_end: bool) -> str | None:
    """The content of the last answer tag; "" where it is cut off, None where there is no tag."""
    unclosed = open_tag(text)
    if unclosed is not None:
        # generation that stops at </answer> leaves it out
        return "" if open_end else unclosed
    said = tags(text)
    if not said:
        return None
    group = last_group(text, said)
    return group[-1].text if len({one.text for one in group}) == 1 else ""


def _in_tag(content: str) -> Found | None:
    if not content:
        return None
    if "\\boxed" in content or MARKER in content:
        return _stated(content, open_end=False)
    said = phrases(content)
    return Found(said[-1].text if said else content, "answer tag", "first", (said[-1].text if said else content,))


def _stated(text: str, open_end: bool) -> Found | None:
    """The answer in a box, after a marker, or after "the answer is"; an empty one where its box is no answer."""
    boxed, cut = boxes(text)
    if cut:
        return Found("", "box", "whole")
    if boxed:
        return _chosen(text, boxed, "whole", open_end) or Found("", "box", "whole")
    for said in (markers(text, MARKER), _final_phrases(text)):
        if said:
            return _chosen(text, said, "first", open_end) or Found("", said[-1].source, "first")
    return None


def _final_phrases(text: str) -> list[Statement]:
    """What "the answer is" says, but for an "Answer:" that working follows."""
    said = phrases(text)
    working = bool(said) and len(said[-1].text.split()) > 3 and _COLON.match(text, said[-1].start) is not None
    return [] if working and re.search(r"\d", text[said[-1].end :]) else said


def _chosen(text: str, statements: Sequence[Statement], place: Place, open_end: bool) -> Found | None:
    """The last statement, unless the end of the text cuts it off."""
    last = statements[-1]
    closed = last.source == "box" and text[last.end - 1] == "}"
    if open_end and last.end == len(text) and not closed:
        return None
    group = tuple(one.text for one in last_group(text, statements))
    rest = text[last.end :]
    kinds = [boxes(rest)[0], markers(rest, MARKER), phrases(rest)]
    later = tuple(one.text for kind in kinds for one in kind)
    if last.source == "marker" and not re.search(r"\w", last.text):
        return Found("", "marker", place)
    if last.source == "marker" and _is_heading(last.text) and rest.strip():
        below = _last_line(rest, "", open_end)
        return None if below is None else replace(below, source="marker")
    return Found(last.text, last.source, place, group, later)


def _is_heading(text: str) -> bool:
    return (
        re.fullmatch(r"[\W_]*(?:the\s+)?(?:final\s+)?(?:answer|conclusion|summary|result|solution)[\W_]*", text, re.I)
        is not None
    )


def _last_line(text: str, prompt: str, open_end: bool) -> Found | None:
    lines = [line.strip() for line in _ENVIRONMENT.sub(" ", text).split("\n")]
    lines = _without_remark([line for line in lines if re.search(r"[\w∞∅]", line)])
    if not lines:
        return None
    line = lines[-1]
    if open_end or _copied(line, prompt) or _VERDICT.search(line) or _LABEL_ALONE.fullmatch(line):
        return None
    before = tuple(lines[-2:-1]) if len(lines) > 1 and _same_list(lines[-2], line) else ()
    source = "last line" if len(lines) > 1 else "whole completion"
    return Found(line, source, "last", (*before, line))


def _without_remark(lines: list[str]) -> list[str]:
    """Lines without a note at their end, or an explanation of the one line before it, as long as something is left."""
    found = next((at for at, line in enumerate(lines) if at and _REMARK.match(line)), len(lines))
    answered = found == 1 and (len(lines[0].split()) < 3 or re.search(r"\d", lines[0]) is not None)
    explains = answered or (found == len(lines) - 1 and found > 0)
    return lines[:found] if explains else lines


def _same_list(line: str, other: str) -> bool:
    """True for two lines of a list of numbers, or of a list of choices."""
    if _is_bare(line) and _is_bare(other):
        return True
    one, two = _OPTION.match(line), _OPTION.match(other)
    return one is not None and two is not None and ord(one[1].lower()) + 1 == ord(two[1].lower())


def _is_bare(line: str) -> bool:
    """True for a line of a list of numbers: nothing but one number, perhaps with a bullet."""
    return (
        re.fullmatch(r"[-*•>\s]*(?:(?:\d+|[A-Za-z])[.):]\s+)?[$€£]?-?[\d,.]*\d[\d,.]*\s*%?", line, re.ASCII) is not None
    )


def _copied(text: str, prompt: str) -> bool:
    """True for three words or more that stand so in the prompt: the question is no answer to itself."""
    words = text.lower().split()
    return len(words) >= 3 and " ".join(words) in " ".join(prompt.lower().split())
