import json

import numpy as np
import pytest
import torch

from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.learner import Adam, Learner
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.pretrain import TrainingOrders
from steelyard.pretrain.held_out import held_out_loss
from steelyard.pretrain.order_rows import PolicyBatches, order_rows
from steelyard.pretrain.training_orders import spearman
from steelyard.task.answered import AnsweredFile
from steelyard.task.base import split_keys

ROWS = [{"prompt": f"{n}+1=", "answer": str(n + 1), "hard": 20 - n} for n in range(16)]
FEW = {"batches": 3, "orders": 6, "generations": 2, "learning_rate": 3e-5}


def placed(rows):
    return [(f"line {n}", row) for n, row in enumerate(rows, 1)]


@pytest.fixture(scope="module")
def policy():
    return Policy.load("steelyard/arithmetic")


def test_rows_are_sorted_and_equal_ones_merged():
    rows = order_rows(placed([*ROWS[:5], ROWS[2]]), "text", "hard", AnsweredFile())
    assert [row.number for row in rows] == [16, 17, 18, 19, 20]
    hashed = order_rows(placed(ROWS), "text", "", AnsweredFile())
    assert [row.key for row in hashed] == [
        row.key for row in order_rows(placed(ROWS[::-1]), "text", "", AnsweredFile())
    ]
    assert [row.key for row in hashed] != [row["prompt"] for row in ROWS]


def test_the_gradient_is_that_of_the_learner(policy):
    """One step of Adam from rest on a batch, by the learner and from the gradient."""
    rows = order_rows(placed(ROWS[:6]), "text", "", AnsweredFile())
    given = PolicyBatches(policy, [rows[:4]], rows[4:])
    learner = Learner(copied(policy), SFT(), Adam(max_grad_norm=float("inf")), learning_rate=1e-3)
    learner.step([[t] for t in given.batches[0]])
    moved_W = torch.cat([p.detach().flatten() for p in learner.policy.trainable().values()]) - given.start_W
    gradient_W = given.gradient(given.start_W, 0)
    large_W = gradient_W.abs() > 1e-4
    assert torch.equal(moved_W[large_W].sign(), -gradient_W[large_W].sign())
    nudge_W = given.start_W - 1e-3 * gradient_W
    fall = given.batch_loss(given.start_W, 0) - given.batch_loss(nudge_W, 0)
    assert fall == pytest.approx(1e-3 * float(gradient_W.square().sum()), rel=0.2)
    assert given.held_out_loss(given.start_W) == pytest.approx(
        held_out_loss(policy, [t for row in rows[4:] for t in row.tokens(policy)])
    )


def test_estimates_are_near_what_training_gives_and_agree_in_rank(policy):
    table = TrainingOrders(**FEW, retrained=6, by="hard").audit(policy, placed(ROWS))
    names = [name for name, _ in table.rows]
    assert names == [
        *("reference", "reverse", "best", "worst", "searched", "orders"),
        *(f"{what}_{i}" for what in ("place", "batch") for i in range(3)),
    ]
    assert table.number("reference", "loss") == pytest.approx(table.number("reference", "measured"), abs=1e-4)
    assert table.number("searched", "loss") <= table.number("best", "loss") <= table.number("worst", "loss")
    for order in ("best_place", "searched_place"):
        assert sorted(table.number(f"batch_{i}", order) for i in range(3)) == [0, 1, 2]
    spread = table.number("orders", "spread")
    for name in ("reverse", "best", "worst", "searched"):
        apart = abs(table.number(name, "loss") - table.number(name, "measured"))
        assert apart < 0.1 * abs(table.number("reference", "measured") - held_out_before(policy))
    assert spread > 0
    assert table.number("orders", "rank_correlation") > 0.5
    assert table.number("place_0", "loss") is None


def held_out_before(policy):
    """The loss on the rows that are held out, before any step."""
    rows = order_rows(placed(ROWS), "text", "hard", AnsweredFile())
    _, held_out = split_keys(rows, lambda row: row.key, TrainingOrders().held_out_share, where="test")
    return held_out_loss(policy, [t for row in held_out for t in row.tokens(policy)])


def test_without_retraining_nothing_is_measured(policy):
    table = TrainingOrders(**FEW).audit(policy, placed(ROWS))
    assert table.number("best", "measured") is table.number("orders", "measured") is None
    assert table.number("orders", "rank_correlation") is None


def test_documents_are_learned_whole(policy):
    table = TrainingOrders(**FEW).audit(policy, placed([{"text": f"{n}+{n}={2 * n}"} for n in range(8)]))
    assert table.number("place_2", "own_loss") > 0


def test_ranks_by_hand():
    assert spearman([1.0, 2.0, 3.0], [10.0, 30.0, 20.0]) == pytest.approx(0.5)
    assert spearman([1.0, 2.0, 3.0], [3.0, 2.0, 1.0]) == pytest.approx(-1.0)
    assert spearman([1.0, 1.0, 1.0], [3.0, 2.0, 1.0]) == 0.0
    assert spearman([1.0, 1.0, 2.0], [1.0, 2.0, 3.0]) == pytest.approx(np.sqrt(3) / 2)


def test_the_command(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    words = ["audit", "training-orders", "--model", "steelyard/arithmetic", "--data", str(tmp_path / "rows.jsonl")]
    words += ["--batches", "2", "--orders", "2", "--generations", "1", "--output", str(tmp_path / "o.csv")]
    assert main(words) == 0
    assert "rank" in capsys.readouterr().out
    header, *rows = (tmp_path / "o.csv").read_text().splitlines()
    assert "searched_place" in header
    assert any(row.startswith("searched,") for row in rows)


@pytest.mark.parametrize(
    ("settings", "rows", "said"),
    [
        ({}, [], "there are no rows"),
        ({}, ROWS[:1], "nothing is left to train on"),
        ({"by": "easy"}, ROWS, "line 1: there is no column 'easy'"),
        ({"memory_gb": 1e-6}, ROWS, r"3\^2 gradients of \d+ numbers take .* GB; take fewer --batches"),
        ({}, [*ROWS, {"prompt": "1+1=", "answer": "2" * 80}], "line 17: it has .* tokens, and the context 64"),
    ],
)
def test_what_cannot_be_audited_is_refused(policy, settings, rows, said):
    with pytest.raises(SteelyardError, match=said):
        TrainingOrders(**FEW | settings).audit(policy, placed(rows))


def test_other_number_formats_are_refused():
    with pytest.raises(SteelyardError, match="--dtype: is not float32"):
        TrainingOrders().audit(Policy.load("steelyard/arithmetic", dtype="bfloat16"), placed(ROWS))
