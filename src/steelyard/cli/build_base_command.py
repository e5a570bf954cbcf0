"""`steelyard build-base NAME`: train a shipped base model again, with the same seeds and settings."""

from collections.abc import Mapping, Sequence

from steelyard.cli.flags import choose, parse
from steelyard.worlds.bases import BY_NAME

PURPOSE = "Train a shipped base model again, with the same seeds and settings."


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Train the base model and print its metrics."""
    known = {name: (cls.__doc__ or "").strip() for name, cls in BY_NAME.items()}
    name = choose(words, known, command="build-base", what="NAME", purpose=PURPOSE)
    return {"base": name, **parse(BY_NAME[name], words[1:], command=f"build-base {name}")()}
