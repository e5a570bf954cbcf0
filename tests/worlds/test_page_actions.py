"""Shoppers on invented pages: visits by hand, completions that are JSON, and what careless shoppers do."""

import json
from collections import Counter

import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import SteelyardError, rng
from steelyard.reward import ShopR1
from steelyard.worlds.page_actions import KINDS, SHOWN, PageActions, Visit, base, written

SMALL = PageActions(visits=300)


@pytest.mark.parametrize(("shown", "action"), [
    ((), {"type": "type_and_submit", "name": "search", "text": "a b"}),
    ((("c", "b"), ("a", "b")), {"type": "click", "name": "a b"}),
    ((("a", "c"), ("b", "a")), {"type": "terminate"}),
])  # fmt: skip
def test_a_visit_by_hand(shown, action):
    visit = Visit(("a", "b"), shown)
    assert visit.action == action
    assert visit.text == f"want a b : page {' / '.join(map(' '.join, shown)) or 'empty'}"
    found = json.loads(written(visit.action))
    assert {name: text.strip() for name, text in found["action"].items()} == action
    assert found["rationale"].strip()


def test_kinds_are_as_frequent_and_pages_show_what_is_nearly_wanted():
    prompts = [*SMALL.prompts("train"), *SMALL.prompts("held-out")]
    counts = Counter(KINDS[prompt.columns["domain"]] for prompt in prompts)
    assert min(counts.values()) > 0.25 * len(prompts)
    for prompt in prompts:
        want, _, page = str(prompt.text).removeprefix("want ").partition(" : page ")
        things = [thing.split() for thing in page.split(" / ")] if page != "empty" else []
        assert len(things) in (0, SHOWN)
        if prompt.columns["action"]["type"] == "terminate":
            near = [sum(a != b for a, b in zip(thing, want.split(), strict=True)) for thing in things]
            assert min(near) >= 1
            assert 1 in near


def test_reward_and_shop_r1_agree_on_what_is_exact():
    """The careless are right now and then; what they pay for is what the world knows as right."""
    draws = rng(1, "careless")
    prompts = SMALL.prompts("train")
    episodes = [episode_of(prompt, SMALL.careless(prompt, draws)) for prompt in prompts]
    episodes += [episode_of(prompts[0], text) for text in ("", "{", '{"action": {"type": "terminate"}}')]
    own, paid = SMALL.score(episodes), ShopR1()(episodes)
    assert [score.value for score in own] == [score.parts["exact"] for score in paid]
    assert 0.1 < sum(score.value for score in own) / len(own) < 0.6
    right = ShopR1()([episode_of(prompt, SMALL.demonstration(prompt)) for prompt in prompts])
    assert all(score.right for score in right)


def test_the_base_reads_and_writes_every_word():
    policy = base(SMALL, seed=1, steps=2)
    longest = 0
    for prompt in SMALL.prompts("held-out"):
        whole = f"{prompt.text} {SMALL.demonstration(prompt)}"
        assert policy.decode(policy.encode(whole)) == whole
        longest = max(longest, len(policy.encode(SMALL.demonstration(prompt))) + 1)
        assert len(policy.encode(whole)) < SMALL.context
    assert longest == SMALL.max_tokens


def test_settings_are_checked():
    for settings in ({"visits": 3}, {"words": 2}, {"length": 0}, {"slips": 1.0}):
        with pytest.raises(SteelyardError, match="page-actions"):
            PageActions(**settings)
