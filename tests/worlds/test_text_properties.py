import pytest

from steelyard.worlds.text_properties import judged

BASE = {"score": 0.2, "reward": 0.2, "pass": 0.5, "distinct": 1.0, "prompt_tokens": 9.0, "turns": 1.0}


def seed(base=BASE, **arms):
    every = ("grpo", "rft", "likely", "stored", "noisy", "grpo-hot", "rft-hot")
    plain = {arm: {"score": 0.5, "reward": 0.5, "distinct": 1.0, "cpu_s": 6.0} for arm in every}
    return {"base": base} | {arm: row | arms.get(arm, {}) for arm, row in plain.items()}


def found(seeds, without=None):
    return {p.name: p for p in judged(seeds, without or {})}


def test_gains_by_hand():
    two = [seed(grpo={"score": 0.5}), seed(grpo={"score": 0.7})]
    gain = found(two)["GRPO"]
    assert gain.value == "+40 ± 14 in 6 s"
    assert gain.matters
    assert found(two)["base"].value == "20 ± 0 %"


def test_a_difference_counts_where_every_seed_has_its_sign():
    apart = [seed(rft={"score": s}) for s in (0.4, 0.3)]
    assert found(apart)["negatives"].matters
    torn = [seed(rft={"score": s}) for s in (0.1, 0.51)]
    assert not found(torn)["negatives"].matters
    small = [seed(rft={"score": 0.48})] * 2
    assert not found(small)["negatives"].matters


def test_a_collapse_ends_ten_points_below_the_base():
    p = found([seed(**{"rft-hot": {"score": 0.05}}), seed()])["RFT collapses"]
    assert p.matters and p.value.startswith("1 of 2 seeds")
    assert not found([seed(**{"rft-hot": {"score": 0.11}})])["RFT collapses"].matters


def test_a_loophole_raises_the_reward_and_lowers_the_score():
    hacked = seed(grpo={"score": 0.1, "reward": 0.9})
    assert found([hacked, hacked])["loophole"].matters
    assert found([seed()])["loophole"].value == "-"


def test_what_makes_no_sense_has_a_reason():
    p = found([seed()], {"right answers": "the proxy calls none right"})
    assert (p["right answers"].value, p["right answers"].why) == ("-", "the proxy calls none right")
    for name in ("SFT", "step labels", "domains"):
        assert p[name].value == "-" and p[name].why
        assert p[name].matters is None


@pytest.mark.parametrize(("first", "matters"), [(0.1, True), (0.19, False)])
def test_turns_matter_where_later_ones_add(first, matters):
    p = found([seed(BASE | {"turns": 4.0, "first": first})])["turns"]
    assert p.matters is matters
    assert p.value.startswith("4, later ones add")


def test_domains_matter_where_gains_are_ten_points_apart():
    base = BASE | {"score@0": 0.2, "score@1": 0.2}
    far = found([seed(base, grpo={"score@0": 0.8, "score@1": 0.3})])["domains"]
    assert far.matters and far.value == "2, gains +10 to +60"
