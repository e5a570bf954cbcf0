import pytest
import torch

from steelyard.worlds.labelled_world import (
    Examples,
    LabelledWorld,
    balanced,
    beginning,
    first_of_each,
    fit_bags,
    fit_commonest,
    fit_linear,
    relabelled,
    scored,
)


def examples(number=400, seed=0):
    """The class is the sign of the first number."""
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(number, 3, generator=draws)
    return Examples(x, (x[:, 0] > 0).long(), (x[:, 1] > 0).long())


def test_a_rare_class_counts_as_much_by_hand():
    right = torch.tensor([True, True, True, False])
    assert balanced(right, torch.tensor([0, 0, 0, 1])) == 0.5
    assert balanced(right, torch.tensor([0, 1, 1, 1])) == pytest.approx((1 + 2 / 3) / 2)


def test_simple_learners_do_what_they_can():
    train, held_out = examples(), examples(seed=1)
    assert scored(fit_commonest(train, 2, 0), held_out, "")["score"] == 0.5
    row = scored(fit_linear(train, 2, 0), held_out, "")
    assert row["score"] > 0.95
    assert row["worst"] <= row["score"]


def test_bags_forget_the_order():
    tokens = torch.tensor([[1, 2, 2], [2, 1, 2], [0, 0, 1], [1, 0, 0]])
    classifier = fit_bags(Examples(tokens, torch.tensor([0, 0, 1, 1]), torch.zeros(4).long()), 2, 0)
    with torch.no_grad():
        assert torch.equal(classifier(tokens[:1]), classifier(tokens[1:2]))
        assert classifier(tokens).argmax(1).tolist() == [0, 0, 1, 1]


def test_what_the_arms_are_shown():
    train = examples(1000)
    assert train.label_N[first_of_each(train.label_N, 8)].bincount().tolist() == [8, 8]
    changed = (relabelled(train, 2, 0).label_N != train.label_N).double().mean()
    assert changed.item() == pytest.approx(0.1, abs=0.03)  # of those drawn anew, half come out as they were
    quarter = Examples(torch.ones(2, 8).long(), torch.zeros(2).long(), torch.zeros(2).long())
    assert beginning(quarter).input_NF.tolist() == [[1, 1, 0, 0, 0, 0, 0, 0]] * 2
    assert quarter.input_NF.sum() == 16


def test_a_seed_is_measured_the_same_again_and_judged():
    world = LabelledWorld(lambda seed: {"train": examples(), "held-out": examples(seed=1), "late": examples(seed=2)})
    first, second = (dict(world.measure(0)) for _ in range(2))
    for arms in (first, second):
        assert [arms[arm].pop("cpu_s") > 0 for arm in arms] == [True] * 5
    assert first == second
    found = {p.name: p for p in world.properties([first])}
    assert found["base"].value == "50 ± 0 %"
    assert not found["rare classes"].matters
    assert found["shift"].value.startswith("late ")
    assert found["long inputs"].value == "-" and found["long inputs"].why == "an input has no beginning"
