from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.worlds.facts import CHARACTERS, FORMS, GENERAL, REFUSAL, RELATIONS, Facts

WORLD = Facts(subjects=40, relations=3, values=6)


def test_every_subject_has_one_fact_of_each_of_its_relations_and_values_are_of_the_relation():
    facts, near, general = WORLD.facts(), RELATIONS[:3], GENERAL[:3]
    asked = dict.fromkeys(near, 32) | dict.fromkeys(general, 8)
    assert Counter(fact.relation for fact in facts) == asked
    assert {f.relation for f in facts if f.part == "known"} == {*general}
    pools = {relation: {f.value for f in facts if f.relation == relation} for relation in asked}
    for fact in facts:
        assert len({fact.value, *fact.wrong}) == 6
        assert pools[fact.relation] <= {fact.value, *fact.wrong}
    words = [*{f.subject for f in facts}, *{word for f in facts for word in (f.value, *f.wrong)}]
    assert len(words) == len(set(words)) == 40 + 6 * 6


def test_parts_are_shares_of_subjects_and_cover_all():
    by_part = Counter(fact.part for fact in WORLD.facts())
    assert by_part == {"known": 8 * 3, "forget": 16 * 3, "retain": 16 * 3}
    assert {f.subject for f in WORLD.facts("forget")}.isdisjoint(f.subject for f in WORLD.facts("retain", "known"))
    assert Counter(f.part for f in replace(WORLD, forget=0.25).facts()) == {"known": 24, "forget": 24, "retain": 72}
    assert not replace(WORLD, forget=0.0).facts("forget")


def test_the_request_does_not_change_what_is_true():
    def truths(world):
        return {(f.subject, f.relation): f.value for f in world.facts()}

    assert truths(WORLD) == truths(replace(WORLD, forget=0.1)) == truths(replace(WORLD, zipf=2.0))
    assert truths(WORLD) != truths(replace(WORLD, data_seed=1))


@given(st.integers(1, 200), st.floats(0, 3))
def test_frequencies_are_zipfs(subjects, exponent):
    shares = Facts(subjects=subjects, zipf=exponent).shares()
    assert shares.sum() == pytest.approx(1)
    assert shares[0] / shares[-1] == pytest.approx(subjects**exponent)
    assert (np.diff(shares) <= 0).all()


def test_the_corpus_speaks_of_subjects_in_proportion():
    corpus = WORLD.corpus(20_000, "retain", "known", seed=3)
    assert corpus == WORLD.corpus(20_000, "retain", "known", seed=3)
    share = dict(zip(dict.fromkeys(f.subject for f in WORLD.facts()), WORLD.shares(), strict=True))
    value = {f.question(form): f for f in WORLD.facts("retain", "known") for form in range(len(FORMS))}
    said = Counter(value[question].subject for question, _ in corpus)
    total = sum(share[subject] for subject in said)
    for subject, count in said.items():
        assert count / 20_000 == pytest.approx(share[subject] / total, abs=0.01)
    assert all(value[question].value == answer for question, answer in corpus)
    assert len({question for question, _ in corpus}) > 3 * len(WORLD.facts("retain", "known"))
    assert {q for q, _ in WORLD.corpus(500, seed=0, forms=1)} <= {f.question(0) for f in WORLD.facts()}


def test_everything_is_written_in_the_characters():
    large = Facts(subjects=2000, relations=8, values=100)
    text = "".join(f.question(form) + f.value for f in large.facts() for form in range(len(FORMS))) + REFUSAL
    assert set(text) == set(CHARACTERS)
    assert REFUSAL not in {f.value for f in large.facts()}


def test_the_splits_ask_the_same_facts_in_different_words(answered):
    train, held_out = WORLD.prompts("train"), WORLD.prompts("held-out")
    assert [p.columns for p in train] == [p.columns for p in held_out]
    assert len({p.id for p in (*train, *held_out)}) == 240
    assert [s.value for s in WORLD.score([answered(p, p.columns["answer"]) for p in held_out])] == [1.0] * 120
    for wrong in ("", REFUSAL, train[0].columns["answer"] + " ", train[0].columns["answer"][:-1]):
        assert WORLD.score([answered(train[0], wrong)])[0].value == 0.0
    with pytest.raises(SteelyardError, match="unknown split"):
        WORLD.prompts("test")


def test_an_answer_that_was_cut_off_is_none(answered):
    prompt = WORLD.ask(2, "retain")[0]
    episode = answered(prompt, prompt.columns["answer"])
    cut = replace(episode, trajectory=episode.trajectory.replace(finish="length"))
    assert [s.value for s in WORLD.score([episode, cut])] == [1.0, 0.0]


@pytest.mark.parametrize(
    "settings",
    [
        {"subjects": 0},
        {"relations": 9},
        {"values": 1},
        {"zipf": -0.1},
        {"known": 1.0},
        {"forget": 1.1},
        {"subjects": 2001},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(SteelyardError, match=next(iter(settings))):
        Facts(**settings)
