import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.pretrain import PHF, Document, Segment

TAGS = PHF(aligned="+", misaligned="-", untagged=0.0)


def test_by_hand(corpus):
    tagged = TAGS.prepare(corpus)
    assert [d.text for d in tagged] == ["+ab+ab", "+ab-cde", "-cde"]
    assert [d.score for d in tagged] == [0.0, 0.5, 1.0]  # a tag has its segment's score


def test_the_threshold_itself_is_aligned():
    documents = [Document((Segment("a", 0.3), Segment("b", 0.31)))]
    assert PHF(threshold=0.3, untagged=0.0, aligned="+", misaligned="-").prepare(documents)[0].text == "+a-b"


def test_a_share_gets_no_tag_always_the_same(corpus):
    assert PHF(untagged=1.0).prepare(corpus) == corpus
    many = corpus * 400
    some = PHF(untagged=0.25, aligned="+", misaligned="-")
    assert some.prepare(many) == some.prepare(many)
    bare = [s.text[0] not in "+-" for d in some.prepare(many) for s in d.segments]
    assert sum(bare) / len(bare) == pytest.approx(0.25, abs=0.04)
    assert PHF(seed=1).prepare(many) != PHF().prepare(many)


@given(st.lists(st.lists(st.tuples(st.text("ab", min_size=1), st.floats(0, 1)), min_size=1), max_size=5))
def test_nothing_is_lost(drawn):
    documents = [Document(tuple(Segment(*pair) for pair in pairs)) for pairs in drawn]
    tagged = PHF(aligned="+", misaligned="-").prepare(documents)
    assert [d.text.replace("+", "").replace("-", "") for d in tagged] == [d.text for d in documents]
    assert [d.score for d in tagged] == [d.score for d in documents]


def test_wrong_settings_are_refused():
    with pytest.raises(SteelyardError, match=r"phf\.untagged"):
        PHF(untagged=2.0)
    with pytest.raises(SteelyardError, match="use two tags"):
        PHF(aligned="+", misaligned="+")
