"""What preference tuning begins from: a mediocre writer, and a reward model that was learned from what readers prefer.

    steelyard build-base shortening          the writer: imitates short versions as an unpractised writer makes them
    steelyard build-base shortening-proxy    the reward model: Bradley-Terry on pairs that the writer wrote, as judged
                                            by noisy readers who like length

Both ship with the package, as steelyard/shortening and steelyard/shortening-proxy. Posts are those of the task's
training split; held-out posts are never seen.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from steelyard.core import PositiveInt, Prompt, Seed, checked, rng
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.reward import BradleyTerry, Pair
from steelyard.reward.scorer import Scorer
from steelyard.runtime.run_dir.records import check_output
from steelyard.task.shortening import LETTERS, LONGEST_VERSION, Shortening, gold, mediocre, preferred
from steelyard.worlds.bases.new_model import save_new
from steelyard.worlds.bases.ranges import LearningRate
from steelyard.worlds.sync_loop import SyncLoop, imitate, tiny_policy

"""Tokens of a short version, its end included."""
CHARACTERS = f"{LETTERS}{LETTERS.upper()}:"


@checked()
@dataclass(frozen=True)
class ShorteningBase:
    """Train the writer that the preference recipes begin from; about two minutes on one quiet core."""

    output_dir: str = "runs/build-base-shortening"
    """Where the model is written."""
    steps: PositiveInt = 2500
    """Steps of imitation."""
    batch: PositiveInt = 128
    """Short versions in a step."""
    learning_rate: LearningRate = 4e-3
    """Highest learning rate; it falls linearly to a fiftieth."""
    seed: Seed = 0
    """Seed of weights and short versions."""

    def __call__(self) -> Mapping[str, object]:
        """Train, measure and save; returns the measurements.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        directory = Path(self.output_dir)
        began = time.monotonic()
        check_output(directory)
        torch.set_num_threads(1)  # so that the weights do not depend on the number of cores
        policy = tiny_policy(CHARACTERS, seed=self.seed, width=64, layers=2, heads=4, context=48)
        draws = rng(self.seed, "shortening", "mediocre")
        posts = [str(prompt.text) for prompt in Shortening().prompts("train")]
        pairs = [(text, mediocre(text, draws)) for _ in range(8) for text in posts]
        imitate(policy, pairs, steps=self.steps, batch=self.batch, learning_rate=self.learning_rate, seed=self.seed)
        save_new(policy, directory)
        found = writing_of(policy)
        return _told(directory, {"seconds": time.monotonic() - began, **found})


@checked()
@dataclass(frozen=True)
class ShorteningProxy:
    """Train the reward model that the preference recipes are tuned on; about a minute on one quiet core."""

    output_dir: str = "runs/build-base-shortening-proxy"
    """Where the model is written."""
    model: str = "steelyard/shortening"
    """The writer: of the pairs, and where the reward model's weights begin."""
    pairs: PositiveInt = 20000
    """Pairs that readers judged."""
    epochs: PositiveInt = 4
    """Times that every pair is seen."""
    learning_rate: LearningRate = 1e-3
    """Highest learning rate; it falls linearly to a tenth."""
    seed: Seed = 0
    """Seed of samples, judgements and training."""

    def __call__(self) -> Mapping[str, object]:
        """Train, measure and save; returns the measurements.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        directory = Path(self.output_dir)
        began = time.monotonic()
        check_output(directory)
        torch.set_num_threads(1)
        pairs = judged_pairs(Policy.load(self.model), self.pairs, self.seed)
        scorer = Scorer.load(self.model, new_head=self.seed)
        training = BradleyTerry(self.learning_rate, self.epochs, batch=64, held_out=0.2, seed=self.seed)
        found = training(scorer, pairs)
        scorer.save(directory)
        return _told(directory, {"seconds": time.monotonic() - began, **found})


def judged_pairs(policy: Policy, number: int, seed: int) -> list[Pair]:
    """Pairs of different completions that the policy wrote of training posts, as readers judged them."""
    prompts = Shortening().prompts("train")
    each = -(-number // len(prompts)) + 1
    draws = rng(seed, "shortening", "readers")
    made = []
    for prompt, said in zip(prompts, written(policy, prompts, 2 * each, seed), strict=True):
        twos = [(a, b) for a, b in zip(said[::2], said[1::2], strict=False) if a != b]
        made.append([preferred(str(prompt.text), a, b, draws) for a, b in twos])
    pairs = [group[i] for i in range(each) for group in made if i < len(group)]
    return pairs[:number]


def written(policy: Policy, prompts: Sequence[Prompt], number: int, seed: int) -> list[list[str]]:
    """So many completions of each prompt, less those that did not end."""
    loop = SyncLoop(policy, Shortening(), SFT(), learning_rate=1e-4, seed=seed, max_tokens=LONGEST_VERSION)
    groups = loop.sampled(prompts, number)
    return [[policy.decode(t.completion_T) for t in group if t.finish == "stop"] for group in groups]


def writing_of(policy: Policy) -> dict[str, float]:
    """What the writer's completions of held-out posts are like."""
    prompts = Shortening().prompts("held-out")[:256]
    said = [(str(p.text), s) for p, some in zip(prompts, written(policy, prompts, 8, 0), strict=True) for s in some]
    golds = [gold(text, s) for text, s in said]
    return {
        "ended": len(said) / (8 * len(prompts)),
        "gold": sum(golds) / len(golds),
        "perfect": sum(g > 0.999 for g in golds) / len(golds),
        "length": sum(len(s) for _, s in said) / len(said),
    }


def _told(directory: Path, found: dict[str, float]) -> Mapping[str, object]:
    for name, value in found.items():
        print(f"{name:<22} {value:.4f}")
    print(f"model: {directory}")
    return {"model": str(directory), **found}
