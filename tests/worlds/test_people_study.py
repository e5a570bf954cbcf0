import dataclasses

import numpy as np
import pytest
import torch

from steelyard.data import HALT
from steelyard.data.builder import Question
from steelyard.objective import DPO, SFT
from steelyard.worlds.people import RELATIONS, UNSURE, Counts, base, counted
from steelyard.worlds.people_study import PeopleStudy, Remembered, Said, total


@pytest.fixture(scope="module")
def study():
    return PeopleStudy(seed=900, people=30, base_steps=3, teach=base)


class Refuses:
    name = "refuses"

    def __call__(self, prompts, completions, **columns):
        assert all(len(truth.split()) == 3 * len(RELATIONS) for truth in columns["truth"])
        return [0.0 for _ in completions]


def test_a_builder_is_given_the_model_and_what_is_true(study):
    rows = study.built(HALT(split=r"\.\s*", marker=UNSURE, shots=0, samples=2), Refuses())
    assert [row["prompt"] for row in rows] == [prompt for prompt, _ in study.true]
    assert {row["answer"] for row in rows} == {UNSURE}
    assert len(rows) == 18


def test_who_imitates_what_is_true_becomes_likelier_to_say_it(study):
    lessons = study.lessons(study.true)
    tuned = study.tuned(study.base, SFT(), lessons, steps=3, batch=4, rate=1e-3)
    again = study.tuned(study.base, SFT(), lessons, steps=3, batch=4, rate=1e-3)
    assert np.array_equal(tuned.weights(), again.weights())
    assert not np.array_equal(tuned.weights(), study.base.weights())


def test_adapters_are_tuned_and_merged(study):
    tuned = study.tuned(study.base, SFT(), study.lessons(study.true), steps=3, batch=4, rate=1e-3)
    before, after = study.base.trainable(), tuned.trainable()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert before.keys() == after.keys()
    assert {name for name in before if name not in same} == {name for name in before if name.endswith("_proj.weight")}


def test_people_are_asked_about_several_times(study):
    thrice = dataclasses.replace(study, times=3)
    assert thrice.true == 3 * study.true
    rows = thrice.built(HALT(split=r"\.\s*", marker=UNSURE, shots=0, samples=1), Refuses())
    assert len({row["sampled"] for row in rows if row["prompt"] == rows[0]["prompt"]}) > 1


def test_a_pair_knows_what_the_model_made_of_it(study):
    (prompt, truth), *_ = study.true
    ((better, worse),) = study.preferences(study.base, [(prompt, truth, UNSURE)])
    assert (better.reward, worse.reward) == (1.0, 0.0)
    assert better.logp_ref_T is not None and better.logp_ref_T.sum() < worse.logp_ref_T.sum()
    moved = study.tuned(study.base, DPO(0.1), [[better, worse]], steps=1, batch=1, rate=1e-3)
    assert not np.array_equal(moved.weights(), study.base.weights())


def test_held_out_people_are_asked_about(study):
    said = study.asked(study.base, 2)
    truth = {p.id: p.columns["answer"] for p in study.task.prompts("held-out")}
    assert sorted(one.prompt for one in said) == sorted([*truth, *truth])
    assert all(one.counts == counted(one.text, truth[one.prompt]) for one in said)


def test_the_total():
    assert total([Said("a", "", Counts(3, 2)), Said("b", "", Counts(1, 0))]) == Counts(4, 2)


def test_a_question_is_asked_once():
    asked = []

    class Echo:
        name = "echo"

        def __call__(self, questions, seed):
            asked.append(len(questions))
            return [f"{one.prompt} {one.sample} {seed}" for one in questions]

    writer = Remembered(Echo())
    first, second = Question("a", ("row",)), Question("a", ("row",), 1)
    assert writer([first], 3) == ["a 0 3"]
    assert writer([second, first], 3) == ["a 1 3", "a 0 3"]
    assert writer([first], 4) == ["a 0 4"]
    assert asked == [1, 1, 1]
    assert writer.name == "echo"
