"""KARD: the reranker's loss by hand, what stands beside a question, votes, and that a reranker learns a synonym."""

import math

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.data import KARD
from steelyard.data.bm25 import BM25
from steelyard.data.late_interaction import LateInteraction
from steelyard.worlds.word_encoder import word_states

COLOURS = {"rouge": "red", "bleu": "blue", "vert": "green", "noir": "black"}
ANIMALS = ("fox", "hen", "cow", "owl")
PASSAGES = [f"the {colour} {animal} sleeps" for animal in ANIMALS for colour in COLOURS.values()]
ASKED = [(f"{word} {animal}", f"{word} is {colour} so the {colour} {animal} sleeps")
         for animal in ANIMALS for word, colour in COLOURS.items()]  # fmt: skip
INDEX = BM25().index(PASSAGES)
WORDS = ["the", "sleeps", "is", "so", *COLOURS, *COLOURS.values(), *ANIMALS]


def reranker(seed: int = 0) -> LateInteraction:
    return LateInteraction(word_states(WORDS, width=16, layers=1, context=8, seed=seed), width=16, seed=seed)


def fitted(rule: KARD, steps: int, seed: int = 0) -> LateInteraction:
    made = reranker()
    rule.begin(made, INDEX, [q for q, _ in ASKED], [r for _, r in ASKED], seed=seed, steps=steps).run()
    return made


def test_the_loss_by_hand() -> None:
    rule = KARD(target_temperature=2.0, reranker_temperature=1.0)
    bm25 = torch.tensor([[2 * math.log(3), 0.0]])  # the target is 3/4, 1/4
    loss = rule.loss(torch.tensor([[0.0, 0.0]]), bm25)
    assert loss.item() == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert rule.loss(torch.tensor([[math.log(3), 0.0]]), bm25).item() == pytest.approx(0.0, abs=1e-6)


def test_the_rationale_finds_what_the_question_does_not() -> None:
    question, rationale = ASKED[0]
    assert INDEX.texts[KARD().silver(INDEX, question, rationale)[0]] == "the red fox sleeps"
    by_question = KARD(taught_by="question", passages=4).silver(INDEX, question, rationale)
    assert by_question == INDEX.best(question, 4) == KARD(passages=4).found(INDEX, question, None)
    assert {INDEX.texts[i].split()[2] for i in by_question} == {"fox"}, "all foxes are alike to it"


def test_a_reranker_learns_what_another_word_means() -> None:
    rule = KARD(reranker_rate=1e-2, reranker_temperature=1.0, candidates=4, lesson=4, reranked=4)
    made = fitted(rule, 60)
    found = [INDEX.texts[rule.found(INDEX, question, made)[0]] for question, _ in ASKED]
    assert sum(passage in why for passage, (_, why) in zip(found, ASKED, strict=True)) >= 15
    assert len(rule.found(INDEX, ASKED[0][0], made)) == 1


def test_equal_seeds_repeat_and_the_rate_rises_and_falls() -> None:
    rule = KARD(reranker_epochs=1, reranker_batch=4, lesson=2)
    one, same, other = fitted(rule, 2), fitted(rule, 2), fitted(rule, 2, seed=1)
    assert torch.equal(one.compressor.weight, same.compressor.weight)
    assert not torch.equal(one.compressor.weight, other.compressor.weight)
    fitting = KARD(warmup=0.5).begin(reranker(), INDEX, ["a"], ["b"], seed=0, steps=4)
    assert fitting.rate is not None
    assert [fitting.rate(step) / 1e-4 for step in range(4)] == pytest.approx([0.25, 0.75, 0.75, 0.25])
    assert KARD().reranker_steps(33) == 3 * 3


def test_texts_and_votes() -> None:
    rule = KARD(beside="Q {prompt} K {passage} A ", marker=" so ")
    assert rule.asked("why", ["{prompt}", "b"]) == "Q why K {prompt}\tb A "
    assert rule.taught("because", "42") == "because so 42"
    assert rule.answer_of("one so two so 3 ") == "3"
    assert rule.answer_of("one") == ""
    assert rule.vote(["a so 1", "b", "c so 2", "d so 2"]) == "2"
    assert rule.vote(["a so 1", "c so 2"]) == "1"
    assert rule.vote(["a"]) == ""


@pytest.mark.parametrize(("settings", "message"), [
    ({"lesson": 3}, "kard.lesson: is 3; use an even number of 2 or more"),
    ({"beside": "{prompt}"}, "kard.beside: is '{prompt}'; use a text with {prompt} and {passage}"),
    ({"marker": " "}, "kard.marker: is empty"),
    ({"reranker_temperature": 0.0}, "kard.reranker_temperature: is 0.0"),
])  # fmt: skip
def test_wrong_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SteelyardError) as error:
        KARD(**settings)  # pyright: ignore[reportArgumentType]
    assert message in str(error.value)


def test_nothing_to_learn_from_and_too_little_to_draw() -> None:
    with pytest.raises(SteelyardError, match="there are no questions"):
        KARD().begin(reranker(), INDEX, [], [], seed=0)
    with pytest.raises(SteelyardError, match="has 1 passages, and half a lesson takes 4"):
        KARD().begin(reranker(), BM25().index(["a"]), ["a"], ["a"], seed=0)
