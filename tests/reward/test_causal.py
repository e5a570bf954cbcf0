import json
import math

import numpy as np
import pytest
import torch

from steelyard.cli import main
from steelyard.core import SteelyardError, rng
from steelyard.reward import BradleyTerry, CausalRM, Pair
from steelyard.reward.bradley_terry import PairColumns, leaning, pairs_of
from steelyard.reward.causal import WIDTHS, dependence, kernel
from steelyard.reward.scorer import Scorer


def test_by_hand():
    """Scores 0, 0 in one bin and 1, 1 in the other: MMD^2 = 1 + 1 - 2 k(0, 1), at a median distance of 1."""
    score_N = torch.tensor([0.0, 0.0, 1.0, 1.0])
    across = sum(math.exp(-1 / (2 * width**2)) for width in WIDTHS) / len(WIDTHS)
    assert dependence(score_N, torch.tensor([0, 0, 1, 1])).item() == pytest.approx(2 - 2 * across)
    assert kernel(score_N)[0].tolist() == pytest.approx([1, 1, across, across])


def test_of_one_distribution_it_is_zero_on_average():
    draws = torch.Generator().manual_seed(0)
    found = [dependence(torch.randn(24, generator=draws), torch.arange(24) % 3).item() for _ in range(400)]
    assert np.mean(found) == pytest.approx(0, abs=4 * np.std(found) / 20)
    assert min(found) < 0 < max(found)


def test_scale_and_level_of_scores_do_not_matter():
    score_N, bin_N = torch.tensor([0.3, 1.0, -2.0, 0.5, 0.1, 0.2]), torch.tensor([0, 0, 0, 1, 1, 1])
    assert dependence(5 * score_N - 3, bin_N).item() == pytest.approx(dependence(score_N, bin_N).item(), rel=1e-5)


def test_conditional_sees_no_difference_between_chosen_and_rejected():
    """All chosen are long and score 1, all rejected are short and score 0: only the unconditional penalty objects."""
    sides = torch.ones(4), torch.zeros(4)
    bins = torch.ones(4, dtype=torch.long), torch.zeros(4, dtype=torch.long)
    assert CausalRM()(*sides, *bins).item() > 0.5
    assert CausalRM(conditional=True)(*sides, *bins).item() == 0


def test_bins_with_one_response_are_left_out_and_nothing_can_be_learned_from():
    score_N = torch.tensor([0.0, 1.0, 5.0], requires_grad=True)
    nothing = dependence(score_N, torch.tensor([0, 0, 1]))
    nothing.backward()
    assert nothing.item() == 0
    assert score_N.grad is not None and score_N.grad.tolist() == [0.0] * 3
    equal_N = torch.zeros(6, requires_grad=True)
    dependence(equal_N, torch.arange(6) % 2).backward()
    assert equal_N.grad is not None and equal_N.grad.isfinite().all()


def test_bins():
    assert CausalRM(bins=4).bins_of(np.array([3, 1, 3, 1])).tolist() == [1, 0, 1, 0]
    assert np.bincount(CausalRM(bins=4).bins_of(np.arange(12))).tolist() == [3, 3, 3, 3]
    assert CausalRM(bins=2).bins_of(np.array([0, 1, 2, *[9] * 9])).tolist() == [0] * 3 + [1] * 9
    with pytest.raises(SteelyardError, match="causal-rm: all responses have the same attribute"):
        CausalRM().bins_of(np.array([2.0, 2.0]))


def test_leaning_by_hand():
    found = leaning(np.array([1.0, 1.0, -1.0, 0.0, 3.0]), np.array([2.0, -1.0, 1.0, 1.0, 0.0]))
    assert found == {"attribute_preferred": (1 + 0 + 0 + 0.5) / 4, "attribute_chosen": 3 / 4}
    assert leaning(np.ones(2), np.zeros(2)) == {}


def biased_pairs(number):
    """The digit after the prompt decides; the better one is the longer one nine times in ten."""
    draws = rng(0, "biased")
    for _ in range(number):
        longer = draws.random() < 0.9
        yield Pair("1+", "11" * (1 + longer), "22" * (2 - longer))


def trained(model, causal, pairs):
    scorer = Scorer.load(str(model), new_head=0)
    return BradleyTerry(learning_rate=1e-2, epochs=6, batch=32, held_out=0.2, causal=causal)(scorer, pairs)


def test_a_penalty_of_weight_zero_changes_nothing_and_another_is_learned_from(tiny_model_dir):
    pairs = [*biased_pairs(160)]
    plain, none, some = (
        trained(tiny_model_dir("llama"), causal, pairs)
        for causal in (CausalRM(weight=0.0), CausalRM(weight=0.0, bins=2), CausalRM(weight=3.0))
    )
    assert plain == none
    assert plain["attribute_chosen"] == pytest.approx(0.9, abs=0.12)
    assert some != plain


def test_attributes_from_columns():
    columns = PairColumns(chosen_attribute="a", rejected_attribute="b")
    row = {"prompt": "x", "chosen": "y", "rejected": "z", "a": 1, "b": 0.5}
    assert pairs_of([("line 1", row)], "f", columns) == [Pair("x", "y", "z", 1.0, 0.5)]
    with pytest.raises(SteelyardError, match="f, line 1: column 'a' is 'long'; write a number"):
        pairs_of([("line 1", row | {"a": "long"})], "f", columns)
    with pytest.raises(SteelyardError, match="one column of an attribute is named; name both"):
        pairs_of([("line 1", row)], "f", PairColumns(chosen_attribute="a"))


def test_the_command(tiny_model_dir, tmp_path, capsys):
    file = tmp_path / "pairs.jsonl"
    rows = ({"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected, "z": 1, "w": 0} for p in biased_pairs(40))
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["reward-model", "--model", str(tiny_model_dir("llama")), "--pairs", str(file), "--causal-weight", "1",
             "--causal-conditional", "--columns.chosen-attribute", "z", "--columns.rejected-attribute", "w",
             "--output-dir", str(tmp_path / "model"), "--json"]  # fmt: skip
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["attribute_chosen"] == 1.0
