"""Rows as TRL and verl write them, with the columns that are read here added: prompt, completion, answer, chosen, ...

    TRL    messages                        prompt: the messages before the assistant's last one; completion: its text.
                                           Where the row has a prompt: the completion, if they ask just that
           completion, chosen, rejected    as lists of one message of the assistant: its text
           chosen, rejected alone          prompt: what both begin with, as messages or as text
    verl   reward_model.ground_truth       answer, where the row has none

What a row says itself stays as it is, and a row of another form is returned as it came: whoever reads it says what it
lacks. A message without a value under one of its keys, as Parquet writes them, loses the key.
Source: the data set formats of TRL 1.16, and what verl 0.9's data preparation writes.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Any

from steelyard.core.columns import is_message
from steelyard.core.errors import require
from steelyard.core.json import JsonMapping

Messages = list[dict[str, Any]]
COMPARED = ("chosen", "rejected")
_HINT = "leave the column out, or give the task the tools as an environment: a row's own reach no chat template here"


def with_prompt(row: JsonMapping, where: str, prompts: Sequence[str] = ("prompt",)) -> JsonMapping:
    """The row with a prompt, and with a completion and an answer where it says them in another library's way.

    Args:
        row: a row of a file.
        where: its place, for errors.
        prompts: the names that the prompt's column may have; where the row has none of them, its form's prompt becomes
            the column `prompt`.

    Raises:
        SteelyardError: it brings tools of its own for a chat.
    """
    more: dict[str, Any] = {}
    name = _prompt_column(row, prompts)
    if (asked := _messages(row.get(name))) is not None:
        more[name] = asked
    if (said := _messages(row.get("messages"))) is not None:
        ends = said[-1]["role"] == "assistant"
        if row.get(name) is None:
            more |= {"prompt": said[:-1], "completion": said[-1]["content"]} if ends else {"prompt": said}
        elif ends and row.get("completion") is None and _ask_just(row[name], said[:-1]):
            more["completion"] = said[-1]["content"]
    if (text := one_said(row.get("completion"))) is not None:
        more["completion"] = text
    verifier = row.get("reward_model")
    if row.get("answer") is None and isinstance(verifier, dict) and verifier.get("ground_truth") is not None:
        more["answer"] = verifier["ground_truth"]
    asked_in_chat = bool(more.keys() & {"prompt", name})
    require(not (asked_in_chat and row.get("tools")), "it has tools of its own", where=where, hint=_HINT)
    return row if not more else {**row, **more}


def with_pair(row: JsonMapping, where: str, prompts: Sequence[str] = ("prompt",)) -> JsonMapping:
    """The row with a prompt and two completions as texts, where it says them in another library's way.

    Args:
        row: a row of a file.
        where: its place, for errors.
        prompts: as for `with_prompt`.

    Raises:
        SteelyardError: as for `with_prompt`.
    """
    row = with_prompt(row, where, prompts)
    name = _prompt_column(row, prompts)
    sides = [_messages(row.get(side)) for side in COMPARED]
    if all(side is not None for side in sides):
        first, second = (side or [] for side in sides)
        common = _common(first, second)
        said = [one_said(side[len(common) :]) for side in (first, second)]
        if None in said or not _goes_on(row.get(name), common):
            return row
        return {**row, **dict(zip(COMPARED, said, strict=True)), **({name: common} if common else {})}
    texts = [row.get(side) for side in COMPARED]
    if row.get(name) is None and all(isinstance(text, str) for text in texts):
        begun = _common_text(*map(str, texts))
        if begun.strip():
            cut = {side: str(text)[len(begun) :] for side, text in zip(COMPARED, texts, strict=True)}
            return {**row, "prompt": begun, **cut}
    return row


def one_said(value: object) -> str | None:
    """The text of a list of one message of the assistant; None for anything else."""
    messages = _messages(value)
    alone = messages is not None and len(messages) == 1 and messages[0]["role"] == "assistant"
    return messages[0]["content"] if messages is not None and alone else None


def _prompt_column(row: JsonMapping, prompts: Sequence[str]) -> str:
    """The first of the names that the row has a value for; else `prompt`."""
    return next((name for name in prompts if row.get(name) is not None), "prompt")


def _ask_just(prompt: object, messages: Messages) -> bool:
    """Whether the prompt is all that they say, but for a system's words."""
    return prompt == messages or [m["content"] for m in messages if m["role"] != "system"] == [prompt]


def _messages(value: object) -> Messages | None:
    """Chat messages, without keys that have no value; None for anything else."""
    if not isinstance(value, list) or not value or not all(map(is_message, value)):
        return None
    return [{key: said for key, said in message.items() if said is not None} for message in value]


def _common(first: Messages, second: Messages) -> Messages:
    """The messages that both begin with, but for the last one of either."""
    pairs = zip(first[:-1], second[:-1], strict=False)
    return [a for a, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]


def _goes_on(prompt: object, common: Messages) -> bool:
    """Whether what both sides begin with is the prompt, or nothing."""
    return prompt is None or not common or prompt in (common, common[-1]["content"])


def _common_text(first: str, second: str) -> str:
    """What both begin with; a space before the first difference belongs to the completions."""
    same = takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))
    return "".join(a for a, _ in same).removesuffix(" ")
