"""Causal reward models on readers who like length: do their scores go by quality where length misleads?

The world is `preference`: pairs of short versions that a mediocre writer wrote, judged by noisy readers who choose the
longer one more often than it is the better one. Arms train a reward model on four fifths of the posts: without a
penalty (bt), with one (causal-rm), with one on an attribute that was drawn at random (random-attribute), or without one
and with the length that its scores go by taken off afterwards (length-penalty: the slope of the margin over the
difference in length, on the training pairs). On pairs of the other posts, `quality` is how often the truly
better version scores higher, `misled` the same where the better version is the shorter one, and `longer` how often the
longer version scores higher.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from steelyard.core import rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.reward import BradleyTerry, CausalRM, Pair
from steelyard.reward.bradley_terry import margins
from steelyard.reward.scorer import Said, Scorer
from steelyard.task.shortening import gold, preferred
from steelyard.worlds.bases.preference import written
from steelyard.worlds.preference import WORLD

WRITER = "steelyard/shortening"
NONE = CausalRM(weight=0.0)


@dataclass(frozen=True)
class How:
    """What makes an arm."""

    causal: CausalRM = NONE
    random: bool = False
    """Whether the attribute is drawn at random."""
    penalised: bool = False
    """Whether length is taken off the scores."""


ARMS: Mapping[str, How] = {
    "bt": How(),
    "causal-rm": How(CausalRM()),
    "length-penalty": How(penalised=True),
    "random-attribute": How(CausalRM(), random=True),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    posts: int = 1000
    epochs: int = 3


def judged(seed: int, posts: int) -> tuple[list[Pair], list[Pair]]:
    """Pairs as readers judged them: to train on, and of every fifth post to measure by."""
    task = WORLD.task(seed)
    prompts = task.prompts("train")[:posts]
    draws = rng(seed, "causal-rm", "readers")
    found: tuple[list[Pair], list[Pair]] = ([], [])
    for i, said in enumerate(written(WORLD.base(task, seed), prompts, 4, seed)):
        twos = [(a, b) for a, b in zip(said[::2], said[1::2], strict=False) if a != b]
        found[i % 5 == 0].extend(preferred(str(prompts[i].text), a, b, draws) for a, b in twos)
    return found


def longer(pairs: Sequence[Pair]) -> Float[np.ndarray, "N"]:
    """By how many letters the chosen version exceeds the rejected one."""
    return np.array([float(len(pair.chosen) - len(pair.rejected)) for pair in pairs])


def measure(seed: int, setting: Setting, arms: Iterable[Arm[How]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Pairs that readers judged, then each arm's reward model."""
    given, held_out = judged(seed, setting.posts)
    for arm in arms:
        draws = rng(seed, "causal-rm", "random")
        pairs = [drawn(pair, draws) for pair in given] if arm.settings.random else given
        scorer = Scorer.load(WRITER, new_head=seed)
        training = BradleyTerry(arm.rate, setting.epochs, batch=64, seed=seed, causal=arm.settings.causal)
        training(scorer, pairs)
        margin_N = margins(scorer, held_out)
        if arm.settings.penalised:
            slope = float(longer(given) @ margins(scorer, given) / np.square(longer(given)).sum())
            margin_N = margin_N - slope * longer(held_out)
        yield arm.name, {**quality(margin_N, held_out), **scale(scorer, given, setting.epochs)}


def drawn(pair: Pair, draws: np.random.Generator) -> Pair:
    """The pair with an attribute that says nothing."""
    return replace(pair, chosen_attribute=float(draws.random()), rejected_attribute=float(draws.random()))


def scale(scorer: Scorer, pairs: Sequence[Pair], epochs: int) -> dict[str, float]:
    """The network's parameters, and the tokens that it was trained on."""
    read = sum(len(scorer.encode(Said(pair.prompt, side))) for pair in pairs for side in (pair.chosen, pair.rejected))
    return {"parameters": float(sum(p.numel() for p in scorer.net.parameters())), "tokens": float(epochs * read)}


def quality(margin_N: Float[np.ndarray, "N"], pairs: Sequence[Pair]) -> dict[str, float]:
    """Shares of pairs, by the truth and by length."""
    better_N = np.array([gold(str(p.prompt), p.chosen) - gold(str(p.prompt), p.rejected) for p in pairs])
    longer_N = longer(pairs)

    def agrees(sign_N: Float[np.ndarray, "N"], among_N: np.ndarray) -> float:
        return float((margin_N * sign_N > 0)[among_N].mean())

    return {
        "quality": agrees(better_N, better_N != 0),
        "misled": agrees(better_N, better_N * longer_N < 0),
        "longer": agrees(longer_N, longer_N != 0),
        "longer_chosen": float((longer_N > 0)[longer_N != 0].mean()),
    }


PROOF = Proof(
    proves=("causal-rm",),
    ours="causal-rm",
    control="random-attribute",
    equal="the writer, pairs, epochs, batch and learning rate; the penalties' weight and bins",
    claims=(
        Claim("Where the shorter version is better, scores are right 10 points more often", "misled",
              baseline="bt", min_effect=0.1),
        Claim("Over all pairs scores are right about as often, 3 points less at most", "quality",
              baseline="bt", min_effect=-0.03),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(posts=400),
    rates=dict.fromkeys(ARMS, 1e-3),
    first_seed=4,
    seeds=8,
)  # fmt: skip
