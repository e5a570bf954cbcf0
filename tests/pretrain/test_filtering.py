import pytest

from steelyard.core import SteelyardError
from steelyard.pretrain import Filtering


def test_by_hand(corpus):
    assert Filtering().prepare(corpus) == corpus[:1]
    assert Filtering(threshold=0.5).prepare(corpus) == corpus[:2]  # the threshold itself stays
    assert Filtering(threshold=1.0).prepare(corpus) == corpus


def test_an_empty_corpus_is_refused(corpus):
    with pytest.raises(SteelyardError, match=r"--threshold: none of 3 documents"):
        Filtering(threshold=-1.0).prepare(corpus)
