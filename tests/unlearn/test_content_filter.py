import math

import pytest

from steelyard.core import Prompt
from steelyard.task.answered import Answered
from steelyard.unlearn.content_filter import ContentFilter, words

ROWS = [Answered(Prompt(name, f"Home of {name}?"), home) for name, home in (("Rami", "Duvo."), ("Kani", "Lesi."))]


def test_by_hand():
    """Of two questions both have "home" and "of", of weight log 3/2, and one the name, of weight log 3."""
    (rami, _) = ContentFilter.of(ROWS, 0.5).statements
    whole = 2 * math.log(1.5) + math.log(3)
    assert dict(rami.weights) == pytest.approx(
        {"home": math.log(1.5) / whole, "of": math.log(1.5) / whole, "rami": math.log(3) / whole}
    )
    assert rami.answer == {"duvo"}


@pytest.mark.parametrize(
    ("text", "blocked"),
    [
        ("Home of Rami?", False),
        ("Home of Rami? Duvo. Home of Rami?", True),
        ("DUVO is where Rami lives.", True),  # the name weighs more than half
        ("Home of Kani? Duvo.", False),  # 2 log 1.5 of that and log 3: .42
        ("Duvo is a town.", False),
        ([{"role": "user", "content": "Rami lives in"}, {"role": "assistant", "content": "Duvo"}], True),
    ],
)
def test_an_answer_is_blocked_beside_its_question(text, blocked):
    assert ContentFilter.of(ROWS, 0.5).blocks(text) is blocked


def test_the_threshold():
    assert ContentFilter.of(ROWS, 0.0).blocks("Duvo is a town.")
    assert not ContentFilter.of(ROWS, 0.9).blocks("Duvo is where Rami lives.")
    assert words("It's A, b!") == {"it", "s", "a", "b"}
