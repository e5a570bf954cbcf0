"""PatchSearch: a score by hand, a whole search on an encoder made by hand, and what is left out."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from steelyard.core import SteelyardError
from steelyard.guard import PatchSearch
from steelyard.guard.feature_clusters import Clusters
from steelyard.guard.patches import pasted
from steelyard.guard.patchsearch import FLAGGED_FROM, Trial
from steelyard.guard.poison_classifier import PoisonClassifier
from steelyard.guard.split_encoder import SplitEncoder

SMALL = PatchSearch(
    clusters=2, test_images=20, top=3, window=3 / 8, classifier=PoisonClassifier(models=2, iterations=80)
)


def bright_or_dark() -> SplitEncoder:
    """Features: how bright the brightest pixel is, and how dark the darkest."""
    both = nn.Conv2d(1, 2, 1, bias=False)
    both.weight.data = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
    return SplitEncoder(nn.Sequential(both, nn.ReLU()), nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten()))


CLUSTERS = Clusters(torch.eye(2), torch.tensor([1, 1, 1, 0]), torch.ones(4))
"""Bright images, and dark ones."""
PAPERS = torch.tensor([0.25, 0.25, 0.25, 1.0]).reshape(4, 1, 1, 1).expand(4, 1, 8, 8)


def test_a_score_by_hand() -> None:
    # Of four test images three are dark. All are bright with a patch of 1: one was before. None with a patch of 0 is.
    trial = Trial(bright_or_dark(), CLUSTERS, PAPERS, CLUSTERS.own_N)
    draws = torch.Generator().manual_seed(0)
    assert trial.moved(torch.ones(1, 2, 2), 0, draws) == 3
    assert trial.moved(torch.ones(1, 2, 2), 1, draws) == -3
    assert trial.moved(torch.full((1, 2, 2), 0.25), 1, draws) == 0, "a quarter is less dark than 1 is bright"


def test_a_patch_as_large_as_an_image_makes_all_its_own() -> None:
    trial = Trial(bright_or_dark(), CLUSTERS, PAPERS, CLUSTERS.own_N)
    for patch, cluster, moved in ((PAPERS[0], 1, 1), (PAPERS[3], 0, 3)):
        assert trial.moved(patch, cluster, torch.Generator().manual_seed(0)) == moved


def poisoned() -> tuple[torch.Tensor, torch.Tensor]:
    """Sixty dark images with noise, ten of which have a bright square."""
    draws = torch.Generator().manual_seed(1)
    image = 0.2 + 0.1 * torch.rand(60, 1, 8, 8, generator=draws)
    image[:10] = pasted(image[:10], torch.ones(1, 2, 2), draws)
    return image, torch.arange(60) < 10


def test_the_trigger_is_found_and_its_images_are_flagged() -> None:
    image, poisoned_N = poisoned()
    found = replace(SMALL, per_round=60).search(bright_or_dark(), image, seed=0)
    first = found.scores.order_N[:3]
    assert poisoned_N[first].all() and (found.scores.score_N[first] == 10).all(), "the ten dark test images have moved"
    assert found.scores.tried_N.all() and found.test_images == 20
    assert found.patch_MCWW.shape == (3, 1, 3, 3)
    assert (found.patch_MCWW.flatten(1) == 1).sum(1).tolist() == [4, 4, 4], "the square is in its window"
    flagged = replace(SMALL, per_round=60).filter(found, image, seed=0) >= FLAGGED_FROM
    assert torch.equal(flagged, poisoned_N)


def test_a_search_by_rounds_finds_the_same_first() -> None:
    image, poisoned_N = poisoned()
    found = replace(SMALL, per_round=2).search(bright_or_dark(), image, seed=0)
    assert found.scores.tried_N.sum() < 10
    moved = found.scores.score_N == 10
    assert moved.any() and poisoned_N[moved].all()


def test_equal_seeds_repeat_and_images_stay_as_they_are() -> None:
    image, _ = poisoned()
    before = image.clone()
    first, again = (SMALL.search(bright_or_dark(), image, seed=3) for _ in range(2))
    assert torch.equal(first.scores.score_N, again.scores.score_N)
    assert torch.equal(first.patch_MCWW, again.patch_MCWW)
    assert torch.equal(*(SMALL.filter(first, image, seed=s) for s in (1, 1)))
    assert torch.equal(image, before)


def test_the_side_follows_the_image() -> None:
    sides = [PatchSearch().side((3, *sides)) for sides in ((224, 300), (36, 36), (64, 24), (8, 8))]
    assert sides == [60, 10, 6, 2]


@pytest.mark.parametrize(("method", "least"), [(PatchSearch(top=20), 40), (PatchSearch(top=3, doubtful=0.9), 31)])
def test_too_few_images_are_refused(method: PatchSearch, least: int) -> None:
    method.check(least)
    with pytest.raises(SteelyardError, match=f"has {least - 1} images; give {least} or more"):
        method.check(least - 1)


@pytest.mark.parametrize("wrong", [{"window": 1.0}, {"drop": 1.0}, {"top": 0}, {"clusters": 0}])
def test_settings_have_ranges(wrong: dict[str, Any]) -> None:
    with pytest.raises(SteelyardError, match=rf"patchsearch\.{next(iter(wrong))}"):
        PatchSearch(**wrong)
