"""Scored documents of one token a character."""

import pytest

from steelyard.pretrain import Document, Segment


@pytest.fixture
def corpus():
    """Three documents: clean, half bad, wholly bad."""
    good, bad = Segment("ab", 0.0), Segment("cde", 1.0)
    return [Document((good, good)), Document((good, bad)), Document((bad,))]
