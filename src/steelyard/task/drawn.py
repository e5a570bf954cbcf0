"""Prompts of a task that draws them: distinct ones, of which a hash of the text decides the split."""

from collections.abc import Iterable, Mapping

from steelyard.core import Prompt, hash_share


def distinct(drawn: Iterable[tuple[str, Mapping[str, object]]], number: int, split: str, share: float) -> list[Prompt]:
    """The first so many distinct prompts of a split, in the order in which they are drawn.

    Args:
        drawn: texts with their columns, without end; of equal texts the first counts.
        number: prompts wanted, 1 or more: the split must have as many.
        split: "train", or any other name for the held-out prompts.
        share: of all texts, those that are held out.
    """
    found = dict[str, Prompt]()
    for text, columns in drawn:
        if text not in found and (hash_share(text) < share) == (split != "train"):
            found[text] = Prompt(text, text, columns)
            if len(found) == number:
                break
    return list(found.values())
