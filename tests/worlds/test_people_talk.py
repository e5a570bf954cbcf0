"""Doubts and corrections about people, by hand, and a model that reads them."""

from collections import Counter

from steelyard.worlds.people import LEVELS, RELATIONS, People, level_of
from steelyard.worlds.people_talk import belief, corrections, doubts, talkative

WORLD = People(people=60, values=6)


def test_beliefs_by_hand():
    person = WORLD.everybody[0]
    known, half, unknown = ([r for r in range(6) if level_of(person, r) == level] for level in LEVELS)
    other = {r: next(v for v in WORLD.pools[r] if v not in (person.truth[r], person.rumour[r])) for r in range(6)}
    assert {belief(WORLD, person, r, person.truth[r]) for r in known} == {"true"}
    assert {belief(WORLD, person, r, person.rumour[r]) for r in known} == {"false"}
    assert {belief(WORLD, person, r, v) for r in half for v in (person.truth[r], person.rumour[r])} == {"true"}
    assert {belief(WORLD, person, r, other[r]) for r in half} == {"false"}
    assert {belief(WORLD, person, r, v) for r in unknown for v in (person.truth[r], other[r])} == {"unknown"}


def test_doubts_say_what_is_believed():
    said = list(doubts(WORLD, 900, seed=1))
    for text, answer in said[:50]:
        name, family, colon, relation, value, stop, mark = text.split()
        assert (colon, stop, mark) == (":", ".", "?")
        person = WORLD.by_text[f"{name} {family} :"]
        assert belief(WORLD, person, RELATIONS.index(relation), value) == answer
    counts = Counter(answer for _, answer in said)
    assert 0.27 < counts["unknown"] / 900 < 0.4
    assert min(counts["true"], counts["false"]) > 150


def test_corrections_repeat_what_is_true_instead():
    for text, answer in corrections(WORLD, 50, seed=1):
        head, wrong, right, mark = text.split(" : ")[0], *text.split(" : ")[1].split(" . ")
        assert mark == "!" and len(head.split()) == 2
        assert answer == f"{right} ."
        assert wrong.split()[0] == right.split()[0] and wrong != right


def test_the_model_reads_and_writes_every_word():
    small = People(people=30, values=4)
    policy = talkative(small, seed=1, steps=2)
    for text, answer in (*doubts(small, 5, seed=1), *corrections(small, 5, seed=1)):
        whole = f"{text} {answer}"
        assert policy.decode(policy.encode(whole)) == whole
        assert len(policy.encode(whole)) == len(whole.split())
