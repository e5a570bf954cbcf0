from dataclasses import replace

import numpy as np
import pytest

from steelyard.core import Prompt, SteelyardError
from steelyard.learner import demonstration
from steelyard.objective import SFT
from steelyard.pretrain import PHF, Segment, document, trajectory_of
from steelyard.pretrain.dress import DRESS, Told
from steelyard.task.critiqued import Critiqued
from steelyard.worlds.sync_loop import tiny_policy

ASKS = DRESS(score="score {score} ", critique="{critique} ", feedback=" {feedback} ")
WORDS = ("score", "1", "4", "good", "bad", "x", "y", "z", "w", "fix", "more")
ROW = Critiqued(Prompt("p", "x "), "y", 4.0, "good", (("fix", "z"), ("more", "w")))


@pytest.fixture(scope="module")
def policy():
    return tiny_policy(WORDS, seed=1, width=16, layers=1, context=24, spaced=True)


def words(policy, t, only=False):
    return policy.tokenizer.decode((t.completion_T if only else t.tokens_T).tolist(), skip_special_tokens=False)


def test_lessons_by_hand(policy):
    first, second = ASKS.lessons(policy, ROW)
    assert words(policy, first) == "score 4 good x y <eos>"
    assert words(policy, first, only=True) == "y <eos>"
    assert words(policy, second) == "x y <eos> fix z <eos> more w <eos>"
    assert words(policy, second, only=True) == "z <eos> w <eos>"
    assert first.valid
    assert second.valid


def test_what_is_not_said_is_left_out(policy):
    bare = replace(ROW, turns=())
    assert [words(policy, t) for t in ASKS.lessons(policy, bare)] == ["score 4 good x y <eos>"]
    told = [replace(bare, score=None), replace(bare, critique=""), replace(bare, score=None, critique="")]
    assert [[words(policy, t) for t in ASKS.lessons(policy, row)] for row in told] == [
        ["good x y <eos>"],
        ["score 4 x y <eos>"],
        [],
    ]
    scores = replace(ASKS, critiques=False)
    assert [words(policy, t) for t in scores.lessons(policy, bare)] == ["score 4 x y <eos>"]
    assert list(scores.lessons(policy, told[0])) == []
    assert len(list(replace(ASKS, refinements=False).lessons(policy, ROW))) == 1


def test_without_a_condition_it_is_supervised_tuning(policy):
    one = ASKS.response(policy, ROW, Told())
    same = demonstration(policy, ROW.prompt, "y")
    assert one.tokens_T.tolist() == same.tokens_T.tolist()
    assert one.action_T.tolist() == same.action_T.tolist()


def test_with_one_word_it_is_conditional_training(policy):
    """PHF's tagged document, but that PHF learns the tag as well."""
    tagged = PHF(aligned="good", misaligned="bad", untagged=0.0).prepare([document([" y"], lambda text: 0.0)])
    theirs = trajectory_of(policy, tagged[0])
    ours = DRESS(critique="{critique} ").response(policy, replace(ROW, prompt=Prompt("p", "")), Told(None, "good"))
    assert theirs.tokens_T[1:].tolist() == ours.tokens_T.tolist()
    assert theirs.action_T[1:].tolist() == [True, *ours.action_T[1:].tolist()]
    assert isinstance(SFT(), SFT)
    assert Segment("a", 0.0).score == 0.0


def test_in_a_chat_the_condition_is_in_the_last_message():
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "x "}]
    told = ASKS.conditioned(chat, Told(1.0, "bad"))
    assert told == [chat[0], {"role": "user", "content": "score 1 bad x "}]
    begun = [*chat, {"role": "assistant", "content": "So"}]
    assert ASKS.conditioned(begun, Told(1.0)) == [chat[0], {"role": "user", "content": "score 1 x "}, begun[2]]
    assert chat[1]["content"] == "x "


def test_scores_are_written_as_they_are_read():
    assert ASKS.conditioned("x", Told(4.0)) == "score 4 x"
    assert ASKS.conditioned("x", Told(2.5)) == "score 2.5 x"
    assert ASKS.conditioned("{score}", Told(None, "{prompt}")) == "{prompt} {score}"


def test_every_token_but_the_learned_ones_is_read(policy):
    second = ASKS.refined(policy, ROW.prompt, "y", ROW.turns[:1])
    assert np.flatnonzero(second.action_T).tolist() == [4, 5]
    assert not second.logp_behaviour_T.any()


def test_settings_are_checked():
    for settings in ({"score": "#"}, {"critique": "none"}, {"feedback": ""}):
        with pytest.raises(SteelyardError, match=rf"dress.{next(iter(settings))}: is '.*'; use a text with {{"):
            DRESS(**settings)
