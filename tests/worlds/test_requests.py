"""Domains that are requested one after the other: their words and rows."""

import numpy as np

from steelyard.worlds.requests import KINDS, Requests, knows, taught

WORLD = Requests(requests=2, kept=1, subjects=4)


def test_domains_share_no_words_but_those_of_the_wordings():
    assert len(WORLD.facts()) == 3 * 4 * KINDS
    words = [
        {w for f in WORLD.facts(d) for w in (f.subject, f.place, f.kind, f.value, *f.wrong)}
        for d in range(WORLD.domains)
    ]
    assert words[0].isdisjoint(words[1]) and words[1].isdisjoint(words[2])
    assert Requests(data_seed=1).facts() != Requests(data_seed=2).facts()


def test_a_fact_by_hand_and_the_other_wording_of_each_row():
    fact = WORLD.facts(0)[0]
    assert fact.row(0).prompt.text == f"{fact.kind} {fact.place} {fact.subject} is"
    assert fact.row(1).prompt.text == f"ask {fact.subject} {fact.place} {fact.kind} ?"
    assert fact.row(0).answer == f" {fact.value}" and len(fact.row(0).wrong) == 3
    texts = [[str(row.prompt.text) for row in of(1)] for of in (WORLD.request, WORLD.reworded)]
    assert set(texts[0]).isdisjoint(texts[1])
    assert np.mean([text.startswith("ask") for text in texts[0]]) == 0.5


def test_a_model_that_was_taught_knows_more_than_chance():
    policy = taught(WORLD, seed=0, steps=60)
    assert knows(policy, WORLD.request(0)).mean() > 0.4
