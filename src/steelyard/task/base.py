r"""What the tasks share: prompt ids, the words around a prompt, and the split of prompts into train and held-out.

A prompt's id is a hash of its text. Where a row has the text of an earlier one but other columns, it is another prompt,
and its id is a hash of both. The split depends on the text alone, before any template: adding, removing or shuffling
rows never moves a prompt to the other split, and equal questions are always on one side.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from tyro.constructors import PrimitiveConstructorSpec

from steelyard.core import Prompt, hash_share, require, suggest
from steelyard.reward.wire_values import pack

T = TypeVar("T")
SPLITS = ("train", "held-out")
Text = str | list[dict[str, str]]
MERGED = "equal rows merged"
AGAIN = "rows that ask a question again with other columns"
DISAGREE = "of these, rows with another answer"


def unescaped(text: str) -> str:
    r"""A text of the command line: `\n`, `\t` and `\\` are a line break, a tab and a backslash; all else is itself.

    `\\text` is therefore how LaTeX's `\text` is written there, and `\boxed` is written as it is.
    """
    marks = {"n": "\n", "t": "\t", "\\": "\\"}
    parts: list[str] = []
    rest = text
    while (at := rest.find("\\")) >= 0:
        mark = marks.get(rest[at + 1 : at + 2])
        parts.append(rest[:at] + ("\\" if mark is None else mark))
        rest = rest[at + (1 if mark is None else 2) :]
    return "".join([*parts, rest])


def escaped(text: str) -> str:
    """The text as it is written on the command line."""
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")


OnCommandLine = PrimitiveConstructorSpec(
    nargs=1,
    metavar="STR",
    instance_from_str=lambda words: unescaped(words[0]),
    is_instance=lambda value: isinstance(value, str),
    str_from_instance=lambda text: [escaped(text)],
)
"""How the command line writes a text in which line breaks matter."""
PromptTemplate = Annotated[
    str,
    Meta(pattern=r"\{prompt\}", description="a text with {prompt} where the prompt goes, such as 'Q: {prompt} A:'"),
    OnCommandLine,
]
PlainText = Annotated[str, OnCommandLine]
StopString = Annotated[str, Meta(min_length=1, description="strings that are not empty")]
StopStrings = Annotated[
    tuple[StopString, ...] | None,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="STR",
        instance_from_str=lambda words: tuple(map(unescaped, msgspec.json.decode(words[0], type=list[str]))),
        is_instance=lambda value: value is None or isinstance(value, tuple),
        str_from_instance=lambda value: [msgspec.json.encode([*map(escaped, value or ())]).decode()],
    ),
]
"""Stop strings; on the command line `cli.stops.gather_stops` makes a JSON list of those of several `--stop` first."""


def key_of(text: Text) -> str:
    """The string that identifies a prompt: its text, or its chat messages as JSON."""
    return text if isinstance(text, str) else msgspec.json.encode(text, order="sorted").decode()


def make_prompt(text: Text, columns: Mapping[str, object], **named: Any) -> Prompt:
    """A prompt whose id (16 hexadecimal digits) is a hash of its text; `named` are its other fields."""
    return Prompt(_hash(key_of(text).encode()), text, columns, **named)


def _hash(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def tell_apart(prompts: Iterable[tuple[str, Prompt]], counts: Counter[str]) -> Iterator[tuple[str, Prompt]]:
    """Prompts with distinct ids, each with its key: rows that are equal in all columns are merged into the first.

    Of rows with one text the first keeps the text's id. `counts` is told how many rows are merged, how many ask again
    with other columns, and how many of those have another right answer.
    """
    first: dict[str, Prompt] = {}
    later: set[str] = set()
    for key, prompt in prompts:
        earlier = first.setdefault(prompt.id, prompt)
        if earlier is prompt:
            yield key, prompt
            continue
        again = _id_again(prompt)
        if again in later or again == _id_again(earlier):
            counts[MERGED] += 1
            continue
        later.add(again)
        counts[AGAIN] += 1
        if _packed(earlier, "answer") != _packed(prompt, "answer"):
            counts[DISAGREE] += 1
        yield key, replace(prompt, id=again)


def _id_again(prompt: Prompt) -> str:
    """An id by text and columns, for a prompt whose text alone is taken; by its place where a column has no bytes."""
    return _hash(key_of(prompt.text).encode() + b"\0" + _packed(prompt, *sorted(prompt.columns)))


def _packed(prompt: Prompt, *names: str) -> bytes:
    try:
        return msgspec.msgpack.encode(pack([[name, prompt.columns.get(name)] for name in names]))
    except (TypeError, OverflowError, UnicodeEncodeError, RecursionError):  # an image, say: it equals nothing
        return prompt.place.encode()


def split_by_hash(
    prompts: Iterable[tuple[Text, Prompt]], held_out_share: float, *, where: str, counts: Counter[str] | None = None
) -> dict[str, tuple[Prompt, ...]]:
    """Split prompts by hash, in the order given; of prompts with one id the first is kept.

    Args:
        prompts: each with the text that decides its split.
        held_out_share: the share of all possible texts that is held out.
        where: the place that errors name.
        counts: is told how many were merged.

    Raises:
        SteelyardError: a split is empty.
    """
    splits: dict[str, dict[str, Prompt]] = {split: {} for split in SPLITS}
    number = 0
    for text, prompt in prompts:
        number += 1
        split = "held-out" if hash_share(key_of(text)) < held_out_share else "train"
        splits[split].setdefault(prompt.id, prompt)
    for split, other in (SPLITS, SPLITS[::-1]):
        what = f"all {len(splits[other])} prompts fall in {other!r}, none in {split!r}"
        require(bool(splits[split]), what, where=where, hint="give more prompts, or change held_out_share")
    merged = number - sum(map(len, splits.values()))
    if counts is not None and merged:
        counts[MERGED] += merged
    return {split: tuple(held.values()) for split, held in splits.items()}


def split_keys(
    rows: Sequence[T], key: Callable[[T], str], held_out_share: float, *, where: str
) -> tuple[list[T], list[T]]:
    """Rows to train on and held-out ones, by hash of their key; at least one is held out.

    Raises:
        SteelyardError: all are held out.
    """
    share = [hash_share(key(row)) for row in rows]
    bound = max(held_out_share, min(share))
    held = [row for row, at in zip(rows, share, strict=True) if at <= bound]
    rest = [row for row, at in zip(rows, share, strict=True) if at > bound]
    hint = "give more rows, or lower the share that is held out"
    require(bool(rest), "nothing is left to train on", where=where, hint=hint)
    return rest, held


def check_split(split: str, splits: Iterable[str] = SPLITS) -> None:
    """Refuse what is no split.

    Raises:
        SteelyardError: it is none of `splits`.
    """
    splits = [*splits]
    require(split in splits, f"unknown split {split!r}", where="prompts", hint=suggest(split, splits))


def take_split(splits: Mapping[str, Sequence[Prompt]], split: str) -> Sequence[Prompt]:
    """The prompts of a split.

    Raises:
        SteelyardError: there is no such split.
    """
    check_split(split, splits)
    return splits[split]


def fill(template: str, text: str) -> str:
    """The template with `{prompt}` replaced; other braces are left alone."""
    return template.replace("{prompt}", text)


def worded(text: Text, template: str, chat: bool, system_prompt: str, where: str) -> Text:
    """The prompt as the model gets it.

    Args:
        text: a question, or chat messages.
        template: what stands around a question.
        chat: make a question the message of a user.
        system_prompt: the message of the system before a chat; empty for none.
        where: the row that errors name.

    Raises:
        SteelyardError: a template around chat messages, a second system message, or one before plain text.
    """
    if isinstance(text, str):
        content = fill(template, text)
        hint = "add --chat, which makes a question the message of a user"
        require(chat or not system_prompt, "a system prompt cannot be put before plain text", where=where, hint=hint)
        if not chat:
            return content
        messages = [{"role": "user", "content": content}]
    else:
        hint = "leave prompt_template as {prompt}"
        require(template == "{prompt}", "a template cannot be put around chat messages", where=where, hint=hint)
        messages = text
    if not system_prompt:
        return messages
    own = messages[0]["role"] == "system"
    hint = "leave out --system-prompt, or take the row's own away"
    require(not own, "it begins with a system message of its own", where=where, hint=hint)
    return [{"role": "system", "content": system_prompt}, *messages]
