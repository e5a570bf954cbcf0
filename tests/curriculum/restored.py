"""The law that a restored curriculum goes on as the one that was saved."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from searched import found


def check_goes_on(open_one: Callable[[], Any], sizes: Sequence[int], rewards: Callable[[int], list[float]]) -> None:
    """One that draws so many prompts a time and is told of each, and another that takes its state over on the way."""
    one, other = open_one(), open_one()

    def go_on(draws: Any) -> list[list[int]]:
        drawn = []
        for size in sizes:
            drawn.append(draws.draw(size))
            for i in drawn[-1]:
                draws.observe(found(i, rewards(i)))
        return drawn

    go_on(one)
    other.draw(3)
    other.restore(msgspec.json.decode(msgspec.json.encode(one.state())))
    assert go_on(one) == go_on(other)
    assert one.state() == other.state()
