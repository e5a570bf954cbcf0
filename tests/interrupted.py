"""A job on given data that is cut short as a crash would: between two steps, without a word."""

from typing import Any

import pytest

import steelyard


def cut_short(monkeypatch: pytest.MonkeyPatch, work: type, at: int, name: str, **settings: Any) -> None:
    """Begin the recipe `name`, whose work is of the class `work`, and end it before the step after step `at`."""
    step = work.step  # pyright: ignore[reportAttributeAccessIssue]

    def dies(self: Any) -> Any:
        if self.steps == at:
            raise InterruptedError
        return step(self)

    with monkeypatch.context() as patch:
        patch.setattr(work, "step", dies)
        with pytest.raises(InterruptedError):
            steelyard.train(name, **settings)
