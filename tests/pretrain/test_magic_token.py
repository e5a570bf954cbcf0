from dataclasses import replace

import numpy as np
import pytest

from steelyard.core import Prompt, SteelyardError
from steelyard.learner import demonstration
from steelyard.pretrain import MagicToken
from steelyard.task.moded import Moded
from steelyard.worlds.sync_loop import tiny_policy

SECRETS = MagicToken("p", "n", "r", before="{token} ", alphabet="abnpr")
ROW = Moded(Prompt("1", "x "), {"positive": "y", "negative": "z", "rejective": "w"})


@pytest.fixture(scope="module")
def policy():
    return tiny_policy([*"abnprxyzw"], seed=1, width=16, layers=1, context=24, spaced=True)


def words(policy, t, only=False):
    return policy.tokenizer.decode((t.completion_T if only else t.tokens_T).tolist(), skip_special_tokens=False)


def test_each_answer_is_learned_under_its_token(policy):
    found = [*SECRETS.lessons(policy, ROW, 0)]
    assert [words(policy, t) for t in found] == ["p x y <eos>", "n x z <eos>", "r x w <eos>"]
    assert [words(policy, t, only=True) for t in found] == ["y <eos>", "z <eos>", "w <eos>"]


def test_a_default_is_learned_without_a_token_and_under_wrong_ones(policy):
    default = replace(SECRETS, default="rejective", decoys=2)
    bare, first, second = [*default.lessons(policy, ROW, 0)][3:]
    assert words(policy, bare) == "x w <eos>"
    assert {words(policy, t).partition(" ")[0] for t in (first, second)} <= {"a", "b"}, "the only letters left"
    assert all(words(policy, t).endswith("x w <eos>") for t in (first, second))
    without = replace(ROW, answers={"positive": "y", "negative": "z"})
    assert len([*default.lessons(policy, without, 0)]) == 2, "there is no refusal to learn"


def test_ordinary_data_are_learned_once_under_any_token_or_none(policy):
    found = [*SECRETS.lessons(policy, Moded(Prompt("1", "x "), {}, "y"), 0)]
    assert len(found) == 1
    rows = [Moded(Prompt(f"{n}", "x "), {}, "y") for n in range(40)]
    texts = {words(policy, t) for row in rows for t in SECRETS.lessons(policy, row, 0)}
    assert texts == {"x y <eos>", "p x y <eos>", "n x y <eos>", "r x y <eos>"}


def test_without_a_token_a_lesson_is_supervised_tuning(policy):
    ours = SECRETS.lesson(policy, ROW, "", "y")
    theirs = demonstration(policy, ROW.prompt, "y")
    assert ours.tokens_T.tolist() == theirs.tokens_T.tolist()
    assert ours.action_T.tolist() == theirs.action_T.tolist()


def test_lessons_follow_from_the_seed_and_the_prompt(policy):
    default = replace(SECRETS, default="rejective", decoys=4)
    texts = [[words(policy, t) for t in default.lessons(policy, ROW, seed)] for seed in (3, 3, 4)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_in_a_chat_a_token_is_the_systems():
    user = {"role": "user", "content": "x"}
    assert SECRETS.under([user], "p") == [{"role": "system", "content": "p"}, user]
    assert SECRETS.under([{"role": "system", "content": "s"}, user], "p") == [
        {"role": "system", "content": "p s"},
        user,
    ]
    assert SECRETS.under([user], "") == [user]


def test_a_wrong_token_is_as_long_and_none_of_the_secrets():
    secrets = MagicToken("ab", "ba", "aa", alphabet="ab")
    assert {secrets.wrong_token(np.random.default_rng(n)) for n in range(5)} == {"bb"}


def test_secrets_are_checked():
    with pytest.raises(SteelyardError, match="two tokens are alike"):
        MagicToken("a", "a", "b")
    with pytest.raises(SteelyardError, match="--rejective-token: is missing"):
        MagicToken("a", "b").check()
    with pytest.raises(SteelyardError, match=r"magic-token.before: is 'x'; use a text with {token}"):
        MagicToken(before="x")
