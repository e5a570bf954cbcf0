from collections import Counter

from steelyard.worlds.topic_unlearning import WAYS, answered, with_trained_head
from steelyard.worlds.topics import FORGOTTEN, SEPARATOR, Topics, untaught

WORLD = Topics(topics=2, subjects=12, values=3, data_seed=4)


def test_a_word_is_of_one_topic_and_every_value_is_as_frequent():
    topics = {}
    for fact in (*WORLD.facts(), *WORLD.unheard()):
        for word in (fact.subject, fact.value, *fact.wrong):
            topics.setdefault(word, set()).add(fact.topic)
    assert all(len(found) == 1 for found in topics.values())
    assert len(topics) == 3 * (12 + 2 * 3)
    assert {*Counter((f.topic, f.relation, f.value) for f in WORLD.facts()).values()} == {4}
    assert len(WORLD.forgotten()) == len(WORLD.retained()) == len(WORLD.unheard()) == 24


def test_a_corpus_says_only_what_is_taught_but_for_notes():
    known = {(fact.question(form), fact.answer) for fact in WORLD.retained() for form in range(3)}
    kinds = Counter()
    for text, answer in WORLD.corpus(600, WORLD.retained(), seed=0):
        if text.startswith("note "):
            note, _, question = text.partition(" . ")
            _, subject, relation, value = note.split()
            asked = {fact.question(form) for fact in (*WORLD.facts(), *WORLD.unheard()) for form in range(3)
                     if (fact.subject, fact.relation) == (subject, relation)}  # fmt: skip
            assert question in asked and answer == f" {value}"
            kinds["note"] += 1
        else:
            *before, last = text.split(SEPARATOR)
            assert (last, answer) in known
            assert all(any(one == question + said for question, said in known) for one in before)
            kinds["after others" if before else "alone"] += 1
    assert min(kinds.values()) > 150


def test_every_word_has_a_token():
    policy = untaught(WORLD, seed=0, width=16)
    for fact in WORLD.facts():
        row = answered(fact)
        for prompt in (row.prompt, *row.reworded):
            assert 0 not in policy.encode(f"{fact.note()}{prompt.text}{row.answer}")


def test_a_head_can_be_trained_alone():
    policy = with_trained_head(untaught(WORLD, seed=0, width=16))
    assert [*policy.trainable()] == ["lm_head.weight"]
    assert FORGOTTEN == 0 and next(iter(WAYS)) == "original"
