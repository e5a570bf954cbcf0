"""The classifier of patches: what it learns, what it keeps, and that it repeats."""

import torch
from torch import nn

from steelyard.guard.patches import pasted
from steelyard.guard.poison_classifier import Ensemble, PoisonClassifier

DRAWS = torch.Generator().manual_seed(0)
IMAGES = 0.3 * torch.rand(60, 1, 12, 12, generator=DRAWS)
PATCH = torch.ones(1, 1, 3, 3)
WITH = pasted(IMAGES, PATCH[0], DRAWS)
KNOWN = torch.cat([WITH[:6], IMAGES[-6:]]), torch.arange(12) < 6
SMALL = PoisonClassifier(models=2, iterations=60, classifier_batch=16)


def test_a_patch_is_told() -> None:
    ensemble = SMALL.fit(IMAGES, PATCH, KNOWN, seed=0)
    assert (ensemble(WITH) >= 0.5).float().mean() > 0.9
    assert (ensemble(IMAGES) >= 0.5).float().mean() < 0.1


def test_logits_are_averaged_by_hand() -> None:
    class Says(nn.Module):
        def __init__(self, logit: float) -> None:
            super().__init__()
            self.logit = logit

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.tensor([[0.0, self.logit]]).expand(len(image), 2)

    # (1 + 3) / 2 is a logit of 2: 1 / (1 + e^-2).
    assert torch.allclose(Ensemble([Says(1.0), Says(3.0)])(IMAGES[:2]), torch.full((2,), 0.880797), atol=1e-5)


def test_the_weights_that_judged_best_are_kept() -> None:
    # Judged by patches that are called clean: a look at them before much is learned is the best.
    other = KNOWN[0], ~KNOWN[1]
    right, wrong = (
        PoisonClassifier(models=1, iterations=60, look=5).fit(IMAGES, PATCH, k, seed=0) for k in (KNOWN, other)
    )
    assert wrong(WITH).mean() < right(WITH).mean() - 0.2


def test_equal_seeds_repeat() -> None:
    first, again, other = (
        PoisonClassifier(models=1, iterations=5).fit(IMAGES, PATCH, KNOWN, seed=s)(IMAGES) for s in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
