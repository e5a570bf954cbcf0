"""Dice loss: both forms by hand, its reduction to one less F1, masks, and where its gradient vanishes."""

import pytest
import torch

from steelyard.guard import DiceLoss, f1
from steelyard.guard.dice_loss import IGNORED
from steelyard.guard.label_losses import NAMED, CrossEntropy

P = torch.tensor([0.9, 0.4, 0.2])
LOGITS = torch.stack([(1 - P).log(), P.log()], -1)
LABELS = torch.tensor([1, 1, 0])


def by_hand(p: list[float], y: list[float], alpha: float, s: float, form: str) -> float:
    pt = [(1 - x) ** alpha * x for x in p]
    if form == "batch":
        return 1 - (2 * sum(a * b for a, b in zip(pt, y, strict=True)) + s) / (sum(pt) + sum(y) + s)
    return sum(1 - (2 * a * b + s) / (a + b + s) for a, b in zip(pt, y, strict=True)) / len(p)


@pytest.mark.parametrize("form", ["batch", "example"])
@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_by_hand(form: str, alpha: float) -> None:
    positive = by_hand([0.9, 0.4, 0.2], [1, 1, 0], alpha, 1.0, form)
    negative = by_hand([0.1, 0.6, 0.8], [0, 0, 1], alpha, 1.0, form)
    loss = DiceLoss(alpha=alpha, form=form)(LOGITS, LABELS)  # pyright: ignore[reportArgumentType]
    assert loss.item() == pytest.approx(positive + negative, abs=1e-5)


def test_of_sure_predictions_it_is_one_less_f1_of_each_class() -> None:
    said, truth = torch.tensor([1, 1, 0, 0, 1]), torch.tensor([1, 0, 0, 1, 1])
    logits = torch.nn.functional.one_hot(said, 2) * 60.0
    told = f1(said == 1, truth == 1), f1(said == 0, truth == 0)
    assert DiceLoss(alpha=0.0, smooth=1e-6)(logits, truth).item() == pytest.approx(2 - sum(told), abs=1e-4)


def test_tokens_that_are_left_out_change_nothing() -> None:
    labels = torch.tensor([[1, 1, 0, IGNORED]])
    logits = torch.cat([LOGITS, torch.tensor([[5.0, -5.0]])])[None]
    for name, loss in NAMED.items():
        of_tokens = loss.over(labels)(logits, labels)
        assert of_tokens.item() == pytest.approx(loss.over(LABELS)(LOGITS, LABELS).item()), name


def test_a_batch_without_labels_has_no_gradient_and_no_nan() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    for form in ("batch", "example"):
        loss = DiceLoss(form=form)(logits, torch.full((2,), IGNORED))  # pyright: ignore[reportArgumentType]
        loss.backward()
        assert loss.item() == 0
        assert logits.grad is not None
        assert torch.equal(logits.grad, torch.zeros(2, 2))


def test_easy_negatives_weigh_less_than_under_cross_entropy() -> None:
    p = torch.tensor([0.5] + [0.05] * 200)
    labels = torch.tensor([1] + [0] * 200)
    shares = {}
    for name, loss in (("dice", DiceLoss()), ("cross-entropy", NAMED["cross-entropy"])):
        logits = torch.stack([(1 - p).log(), p.log()], -1).requires_grad_()
        loss.over(labels)(logits, labels).backward()
        assert logits.grad is not None
        size = logits.grad[:, 1].abs()
        shares[name] = float(size[1:].sum() / size.sum())
    assert shares["dice"] < shares["cross-entropy"]


def test_the_baselines_by_hand() -> None:
    each = -torch.tensor([0.9, 0.4, 0.8]).log()
    assert NAMED["cross-entropy"].over(LABELS)(LOGITS, LABELS).item() == pytest.approx(each.mean().item())
    focus = torch.tensor([0.1, 0.6, 0.2]) ** 2
    assert NAMED["focal"].over(LABELS)(LOGITS, LABELS).item() == pytest.approx((focus * each).mean().item())
    weight = torch.tensor([1.5, 1.5, 3.0])
    weighted = (weight * each).sum() / weight.sum()
    assert NAMED["weighted"].over(LABELS)(LOGITS, LABELS).item() == pytest.approx(weighted.item())
    assert CrossEntropy(gamma=0.0) == NAMED["cross-entropy"]
