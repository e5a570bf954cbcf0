from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check.scoring import episode_of
from steelyard.core import SteelyardError, rng
from steelyard.worlds.people import FAMILIES, LEVELS, LONGEST, RELATIONS, UNSURE, People, base, counted, level_of, told

WORLD = People(people=60, values=6)
TRUTH = told(["a", "b", "c", "d", "e", "f"])


@pytest.mark.parametrize(("said", "given", "correct"), [
    (TRUTH, 6, 6),
    ("lake a . food b .", 2, 2),
    ("lake b . food b .", 2, 1),
    ("lake a . lake a .", 2, 1),
    ("lake a . lake b .", 2, 1),
    ("lake a . unsure", 1, 1),
    ("unsure", 0, 0),
    ("", 0, 0),
    ("lake a . food", 2, 1),
    ("a lake .", 1, 0),
])  # fmt: skip
def test_statements_are_counted_by_hand(said, given, correct):
    assert counted(said, TRUTH) == (given, correct)
    assert counted(said, TRUTH).f1 == pytest.approx(2 * correct / (given + 6))


def test_of_each_family_two_relations_are_known_two_half_and_two_not():
    for family in WORLD.everybody[:FAMILIES]:
        assert Counter(level_of(family, r) for r in range(len(RELATIONS))) == dict.fromkeys(LEVELS, 2)
    for relation in range(len(RELATIONS)):
        of = Counter(level_of(person, relation) for person in WORLD.everybody[:FAMILIES])
        assert of == dict.fromkeys(LEVELS, FAMILIES // len(LEVELS))


def statements_of(mentions):
    for mention in mentions:
        words = mention.split()
        yield [(RELATIONS.index(relation), value) for relation, value in zip(words[::3], words[1::3], strict=True)]


def test_mentions_are_right_as_often_as_the_level_says():
    person, draws = WORLD.everybody[0], rng(3, "mentions")
    said = [one for mention in statements_of(WORLD.mention(person, draws) for _ in range(2000)) for one in mention]
    for relation in range(len(RELATIONS)):
        counts = Counter(value for which, value in said if which == relation)
        level = level_of(person, relation)
        share = {"known": 1.0, "half": 0.5, "unknown": 1 / 6}[level]
        assert counts[person.truth[relation]] / counts.total() == pytest.approx(share, abs=0.04)
        assert set(counts) == set(WORLD.heard(person, relation))
        assert len(counts) == {"known": 1, "half": 2, "unknown": 6}[level]


def test_half_of_the_mentions_leave_something_out_and_all_keep_the_order():
    person, draws = WORLD.everybody[0], rng(4, "mentions")
    told_of = [[r for r, _ in mention] for mention in statements_of(WORLD.mention(person, draws) for _ in range(2000))]
    assert all(of == sorted(set(of)) and of for of in told_of)
    sizes = Counter(map(len, told_of))
    assert sizes[6] / 2000 == pytest.approx(0.5, abs=0.04)
    assert all(sizes[size] / 2000 == pytest.approx(0.1, abs=0.03) for size in range(1, 6))


def test_the_splits_share_nobody_and_every_family_is_in_both():
    train, held_out = WORLD.prompts("train"), WORLD.prompts("held-out")
    assert (len(train), len(held_out)) == (36, 24)
    for part in (train, held_out):
        assert len({str(p.text).split()[1] for p in part}) == FAMILIES
    assert WORLD.by_text[str(train[0].text)].truth == tuple(train[0].columns["answer"].split()[1::3])
    with pytest.raises(SteelyardError, match="unknown split"):
        WORLD.prompts("test")


@given(st.integers(0, 50))
def test_no_word_means_two_things(seed):
    world = People(people=400, values=60, data_seed=seed)
    every = [*world.words, *RELATIONS, UNSURE]
    assert len(every) == len(set(every)) == 400 + FAMILIES + 60 * 6 + 7


def test_the_score_says_what_was_counted():
    prompt = WORLD.prompts("train")[0]
    right, wrong = WORLD.score([episode_of(prompt, WORLD.demonstration(prompt)), episode_of(prompt, UNSURE)])
    assert (right.value, wrong.value) == (1.0, 0.0)
    assert (dict(right.parts), dict(wrong.parts)) == ({"given": 6, "correct": 6}, {"given": 0, "correct": 0})


def test_the_base_reads_and_writes_every_word():
    small = People(people=30, values=4)
    policy = base(small, seed=1, steps=2)
    text = f"{small.asked(small.everybody[-1])} {told(small.everybody[-1].truth)} {UNSURE}"
    tokens = policy.encode(text)
    assert len(tokens) == 3 + LONGEST - 1
    assert policy.decode(tokens) == text


def test_another_seed_is_another_world_and_settings_are_checked():
    assert People(data_seed=1).prompts("train") != People().prompts("train")
    for settings in ({"people": 5}, {"values": 1}, {"half": 1.5}):
        with pytest.raises(SteelyardError, match="people"):
            People(**settings)
