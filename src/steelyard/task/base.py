"""What the tasks share: prompt ids, templates, and the split of prompts into train and held-out.

A prompt's id is a hash of its text, so equal prompts have one id. Its split depends on its text alone, before any
template: adding, removing or shuffling rows never moves a prompt to the other split.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from steelyard.core import Prompt, SteelyardError, hash_share, require, suggest

SPLITS = ("train", "held-out")
Text = str | list[dict[str, str]]
PromptTemplate = Annotated[
    str, Meta(pattern=r"\{prompt\}", description="a text with {prompt} where the prompt goes, such as 'Q: {prompt} A:'")
]


def key_of(text: Text) -> str:
    """The string that identifies a prompt: its text, or its chat messages as JSON."""
    return text if isinstance(text, str) else msgspec.json.encode(text, order="sorted").decode()


def make_prompt(text: Text, columns: Mapping[str, Any]) -> Prompt:
    """A prompt whose id (16 hexadecimal digits) is a hash of its text."""
    return Prompt(hashlib.blake2b(key_of(text).encode(), digest_size=8).hexdigest(), text, columns)


def split_by_hash(
    prompts: Iterable[tuple[Text, Prompt]], held_out_share: float, *, where: str
) -> dict[str, tuple[Prompt, ...]]:
    """Split prompts by hash, in the order given; of equal prompts the first is kept.

    Args:
        prompts: each with the text that decides its split.
        held_out_share: the share of all possible texts that is held out.
        where: the place that errors name.

    Raises:
        SteelyardError: a split is empty.
    """
    splits: dict[str, dict[str, Prompt]] = {split: {} for split in SPLITS}
    for text, prompt in prompts:
        split = "held-out" if hash_share(key_of(text)) < held_out_share else "train"
        splits[split].setdefault(prompt.id, prompt)
    for split, other in (SPLITS, SPLITS[::-1]):
        what = f"all {len(splits[other])} prompts fall in {other!r}, none in {split!r}"
        require(bool(splits[split]), what, where=where, hint="give more prompts, or change held_out_share")
    return {split: tuple(held.values()) for split, held in splits.items()}


def take_split(splits: Mapping[str, Sequence[Prompt]], split: str) -> Sequence[Prompt]:
    """The prompts of a split.

    Raises:
        SteelyardError: there is no such split.
    """
    if split not in splits:
        raise SteelyardError(f"unknown split {split!r}", where="prompts", hint=suggest(split, splits))
    return splits[split]


def fill(template: str, text: str) -> str:
    """The template with `{prompt}` replaced; other braces are left alone."""
    return template.replace("{prompt}", text)
