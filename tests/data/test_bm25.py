"""BM25: a score by hand, what length and repetition do, and nothing to search."""

import math

import pytest

from steelyard.core import SteelyardError
from steelyard.data.bm25 import BM25, words_of

TEXTS = ["red fox", "red red hen", "blue hen and a cow"]


def test_by_hand() -> None:
    index = BM25(k1=1.0, b=0.5).index(TEXTS)
    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))  # of red, which two of three texts have
    mean = (2 + 3 + 5) / 3
    first = idf * 1 / (1 + 1.0 * (0.5 + 0.5 * 2 / mean))
    second = idf * 2 / (2 + 1.0 * (0.5 + 0.5 * 3 / mean))
    assert index.scores("Red?") == pytest.approx([first, second, 0.0])
    assert index.scores("red red") == pytest.approx([2 * first, 2 * second, 0.0]), "a word of the query counts twice"


def test_without_k1_it_counts_rare_words_that_occur() -> None:
    index = BM25(k1=0.0).index(TEXTS)
    red, hen = (math.log(1 + 1.5 / 2.5) for _ in range(2))
    assert index.scores("red hen") == pytest.approx([red, red + hen, hen])


def test_the_best_come_first_and_of_equal_ones_the_first() -> None:
    index = BM25().index([*TEXTS, "red fox"])
    assert index.best("fox", 2) == [0, 3]
    assert index.best("nothing known", 9) == [0, 1, 2, 3]
    assert words_of("A_1 b-c!") == ["a_1", "b", "c"]


def test_wordless_texts_and_no_texts() -> None:
    assert BM25().index(["...", "!"]).scores("a").tolist() == [0.0, 0.0]
    with pytest.raises(SteelyardError, match="there is nothing to search"):
        BM25().index([])
    with pytest.raises(SteelyardError, match=r"bm25.b: is 2.0"):
        BM25(b=2.0)
