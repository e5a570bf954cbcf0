"""A preference with a gold reward: posts to shorten, a reward model of biased readers, and the truth beside it.

The task is `shortening` (its page says what a post, a short version, gold and the readers are). A policy is trained on
the reward model, which ships with the package and was learned from noisy readers who like length; the part `gold` is
the true quality, which no arm sees. The proxy is right about nearly all texts of the mediocre writer that is the base
model, and can be overoptimised. Pairs of completions with a reader's judgement come from `bases.preference`.
Known exactly: the gold reward of any text, at most 1; the readers' chance of preferring one text to another.
Source: none, this world is ours; the question is that of Gao et al. 2022, arXiv:2210.10760.
"""

from steelyard.task import Shortening
from steelyard.task.shortening import LONGEST_VERSION
from steelyard.worlds.shipped_base import shipped_base
from steelyard.worlds.text_world import TextWorld

WORLD = TextWorld(
    lambda seed: Shortening(proxy="steelyard/shortening-proxy", data_seed=seed),
    lambda task, seed: shipped_base("steelyard/shortening"),
    max_tokens=LONGEST_VERSION,
    absent={"pass@8": "the proxy has no highest score", "right answers": "the proxy calls none right"},
)
