"""The answer of a completion, as a data set of reasoning-gym wants it: text, without what models put around it.

    <answer> 72 </answer>     #### 72 clips     #### Final answer: 72     1,234

Where the data set's own answer is a number, a number is passed on without unit, commas and full stop. Two kinds of
answers are never passed on, because some data sets would work them out: an expression in place of a number, and one
that stands in the question. Nor is an answer at the end of a completion that was cut off at its limit.
"""

import re
from dataclasses import dataclass

from steelyard.core import Episode
from steelyard.reward import MARKER, Found, find_after_marker, number_of, prompt_text, read_numeral, stands_in
from steelyard.reward.running_text import first_number
from steelyard.reward.statements import last_group, last_tag, tags

_ARITHMETIC = re.compile(r"\d\s*(?:[-+*/^]|\*\*|\\\\[a-z]+)\s*[\d(]")
_SHOWN = 200


@dataclass(frozen=True)
class Answer:
    """What is passed to the data set's verifier (None: nothing, the reward is 0), and what was read from where."""

    given: str | None
    read: str | None = None
    read_from: str = ""


def final_answer(completion: str) -> str:
    """The last `<answer>` element, else the text after the last `####`, else all of it; stripped."""
    found = _found(completion, "", None)
    return "" if found is None else found.text


def gym_answer(episode: Episode) -> Answer:
    """What an episode answers to its data set."""
    columns = episode.prompt.columns
    alone = columns.get("answer") is None  # the data set has no answer of its own: its verifier alone decides
    right = "" if alone else str(columns["answer"]).strip()
    found = _found(episode.completion, prompt_text(episode.prompt), episode.finish)
    if found is None:
        return Answer(None)
    text = found.text
    if found.source == "marker" and (alone or "\n" in right):  # an answer of several lines, such as a grid
        text = episode.completion.rpartition(MARKER)[2].strip()
    read = text[:_SHOWN] or None
    given = text
    if read_numeral(right) is not None:
        number = _as_number(found)
        given = text if text == right and number is not None else number
    if given is None or (given != right and (_is_arithmetic(given, right) or stands_in(given, _question(episode)))):
        return Answer(None, read, found.source if read else "")
    return Answer(given, read, found.source if read else "")


def _question(episode: Episode) -> str:
    return str(episode.prompt.columns.get("question", ""))


def _found(completion: str, prompt: str, finish: str | None) -> Found | None:
    if (tag := last_tag(completion)) is not None:
        beside = {one.text for one in last_group(completion, tags(completion))}
        if len(beside) > 1:
            return None  # two answers side by side are none
        return Found(tag.text, tag.source, "first")
    if MARKER in completion:
        return find_after_marker(completion, MARKER, prompt=prompt, finish=finish, quotes=True)
    if finish == "length" and not completion[-1:].isspace():
        return None
    return Found(completion.strip(), "whole completion", "whole")


def _as_number(found: Found) -> str | None:
    """A number alone; other text as it is, for the data set to judge; None for several numbers that disagree."""
    numeral = number_of(found, "strip")
    if numeral is None:
        alone = found.source != "marker" or first_number(found.text) is None
        return found.text if alone else None
    return numeral.text.replace(",", "").lstrip("+$€£¥ ") if numeral.form == "plain" else found.text


def _is_arithmetic(text: str, right: str) -> bool:
    return read_numeral(right) is not None and read_numeral(text) is None and _ARITHMETIC.search(text) is not None
