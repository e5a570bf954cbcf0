from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steelyard.core import Prompt, SteelyardError
from steelyard.learner import demonstration
from steelyard.policy.likelihood import total_logp
from steelyard.pretrain.spectrum import Spectrum
from steelyard.task.draws import Example, Process
from steelyard.worlds.sync_loop import tiny_policy

PLAIN = Spectrum(role="{role} ", after=" ")
WORDS = ("description", "input", "output", "die", "norway", "a", "b", "c")
DRAWN = tuple(map(Example, "aabcab"))


@pytest.fixture(scope="module")
def policy():
    return tiny_policy(WORDS, seed=1, width=16, layers=1, context=24, spaced=True)


def words(policy, one, only=False):
    tokens = one.trajectory.completion_T if only else one.trajectory.tokens_T
    return policy.tokenizer.decode(tokens.tolist(), skip_special_tokens=False)


def test_a_sequence_by_hand(policy):
    one = PLAIN.sequence(policy, "die", DRAWN[:2])
    assert words(policy, one) == "description die output a <eos> output a <eos>"
    assert one.outputs == (slice(3, 5), slice(6, 8))
    assert np.flatnonzero(one.trajectory.action_T).tolist() == [3, 4, 6, 7]
    assert not one.trajectory.action_T[0]


def test_without_a_description_the_first_output_is_read_alone(policy):
    one = PLAIN.sequence(policy, "", [Example("a", "norway"), Example("b", "norway")])
    assert words(policy, one) == "input norway output a <eos> input norway output b <eos>"
    assert words(policy, one, only=True) == "b <eos>"
    assert not PLAIN.sequence(policy, "", DRAWN[:1]).trajectory.action_T.any()


@pytest.mark.parametrize(("learned", "described", "said"), [
    ("outputs", "die", "a <eos> a <eos> b <eos>"),
    ("last", "die", "b <eos>"),
    ("last", "", "b <eos>"),
    ("first", "die", "a <eos>"),
    ("first", "", ""),
    ("all", "die", "die output a <eos> output a <eos> output b <eos>"),
])  # fmt: skip
def test_what_is_learned_follows_the_setting(learned, described, said, policy):
    one = replace(PLAIN, learned=learned).sequence(policy, described, DRAWN[:3])
    assert words(policy, one, only=True) == said


def test_one_draw_after_its_description_is_supervised_tuning(policy):
    """The same tokens and actions as a prompt with its answer."""
    one = PLAIN.sequence(policy, "die", DRAWN[:1]).trajectory
    asked = PLAIN.prompt(policy, "die", [], "")
    same = demonstration(policy, Prompt("p", asked), "a")
    assert one.tokens_T.tolist() == same.tokens_T.tolist()
    assert one.action_T.tolist() == same.action_T.tolist()
    assert total_logp(policy, [one]) == pytest.approx(total_logp(policy, [same]))


def test_a_prompt_reads_as_a_sequence_does(policy):
    """What is asked after shown draws are the tokens that stood before such an output in training."""
    for asked in ("", "norway"):
        shown = [Example(output, asked) for output in "abc"]
        text = PLAIN.prompt(policy, "die", shown[:2], asked)
        one = PLAIN.sequence(policy, "die", shown)
        assert policy.encode(text) == one.trajectory.tokens_T[: one.outputs[-1].start].tolist()


def test_an_end_that_closes_every_role_is_not_written_twice(policy):
    method = replace(PLAIN, after="<eos> ")
    one = method.sequence(policy, "die", DRAWN[:2])
    assert words(policy, one) == "description die <eos> output a <eos> output a <eos>"
    assert method.prompt(policy, "die", DRAWN[:1], "") == "description die<eos> output a<eos> output "


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 24))
def test_every_draw_that_fits_is_used_once(seed, number, length):
    policy = tiny_policy(WORDS, seed=1, width=16, layers=1, context=24, spaced=True)
    process = Process("p", ("die",), tuple(Example("abc"[i % 3]) for i in range(number)))
    method = replace(PLAIN, description_share=1.0, max_length=length)
    found = method.sequences(policy, process, seed)
    every = [policy.decode(one.trajectory.tokens_T[part][:-1]) for one in found for part in one.outputs]
    if length >= 5:
        assert sorted(every) == sorted(e.output for e in process.examples)
        assert all(len(one.trajectory.tokens_T) <= length for one in found)
        assert [len(one.outputs) for one in found[:-1]] == [(length - 2) // 3] * (len(found) - 1)
    else:
        assert found == []


def test_descriptions_are_kept_as_often_as_the_setting_says(policy):
    process = Process("p", ("die", "norway"), DRAWN * 400)
    found = replace(PLAIN, max_draws=2).sequences(policy, process, 3)
    begun = [words(policy, one).split()[:2] for one in found]
    described = [w for d, w in begun if d == "description"]
    assert len(found) == 1200
    assert len(described) / 1200 == pytest.approx(0.8, abs=0.04)
    assert described.count("die") / len(described) == pytest.approx(0.5, abs=0.05)
    assert replace(PLAIN, max_draws=2).sequences(policy, process, 3)[7].outputs == found[7].outputs


def test_settings_are_checked():
    with pytest.raises(SteelyardError, match=r"spectrum.role: is '#'"):
        Spectrum(role="#")
    with pytest.raises(SteelyardError, match=r"spectrum.description_share"):
        Spectrum(description_share=1.2)
