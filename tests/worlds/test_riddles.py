"""Riddles: the rationale finds the passage, the question does not, and held-out people are others."""

from steelyard.data.bm25 import BM25, words_of
from steelyard.worlds.riddles import Riddles

WORLD = Riddles()


def test_a_question_shares_one_word_with_its_passage_and_the_rationale_finds_it() -> None:
    index = BM25().index(WORLD.passages)
    train, held = WORLD.riddles
    for one in [*train[:40], *held[:40]]:
        assert len({*words_of(one.question)} & {*words_of(one.passage)}) == 1
        assert index.texts[index.best(one.rationale, 1)[0]] == one.passage
        assert one.rationale.split()[-1] == one.answer
        tied = index.scores(one.question)
        assert (tied == tied.max()).sum() == WORLD.first * WORLD.relations


def test_held_out_people_are_others_with_the_same_names() -> None:
    train, held = WORLD.riddles
    assert len(train) + len(held) == 12 * 12 * 3 == len({*WORLD.passages})
    people, others = ({tuple(one.passage.split()[:2]) for one in part} for part in (train, held))
    assert not people & others
    assert {name for _, name in others} <= {name for _, name in people}
    assert WORLD.riddles == Riddles().riddles != Riddles(data_seed=1).riddles
