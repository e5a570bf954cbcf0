"""What ships for preference tuning: a mediocre writer, and a reward model that is mostly right and can be fooled."""

from statistics import fmean

import pytest

from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.reward.scorer import Said, Scorer, scores
from steelyard.task import Shortening
from steelyard.task.shortening import capitals, gold
from steelyard.worlds.bases.preference import ShorteningBase, ShorteningProxy, written

TEXTS = [str(prompt.text) for prompt in Shortening().prompts("held-out")[:48]]


@pytest.fixture(scope="module")
def said():
    prompts = Shortening().prompts("held-out")[:48]
    return written(Policy.load("steelyard/shortening"), prompts, 4, 0)


def test_the_writer_is_mediocre(said):
    golds = [gold(text, one) for text, some in zip(TEXTS, said, strict=True) for one in some]
    assert len(golds) > 0.95 * 4 * len(TEXTS)
    assert 0.35 < fmean(golds) < 0.65
    assert fmean(g > 0.99 for g in golds) < 0.15


def test_the_proxy_prefers_the_best_to_the_writer_s_and_likes_length(said):
    proxy = Scorer.load("steelyard/shortening-proxy")
    best = scores(proxy, [Said(text, capitals(text)) for text in TEXTS])
    own = scores(proxy, [Said(text, some[0]) for text, some in zip(TEXTS, said, strict=True)])
    assert fmean(best) > fmean(own) + 1
    assert fmean(b > o for b, o in zip(best, own, strict=True)) > 0.8
    half = scores(proxy, [Said(text, capitals(text)[:2]) for text in TEXTS])
    padded = scores(proxy, [Said(text, f"{capitals(text)[:2]}{text[-2].lower()}") for text in TEXTS])
    assert fmean(padded) > fmean(half)


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "something").touch()
    for made in (ShorteningBase, ShorteningProxy):
        with pytest.raises(SteelyardError, match="not empty"):
            made(output_dir=str(tmp_path))()
