"""What a step on policy learns from: samples of its prompts by the present weights, scored, each of them used once."""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import Engine, Group, Prompt, Reward, Sampling, Weights
from steelyard.learner import Learner
from steelyard.learner.given_data import epoch_batch
from steelyard.rollout import Codec, Episodes
from steelyard.searcher.scoring import attach_scores, scores_of


@dataclass(frozen=True)
class FreshSamples:
    """The groups of a step, by its number. To be asked in the order of the steps."""

    learner: Learner
    """Whose present weights draw."""
    engine: Engine
    """What draws."""
    prompts: Sequence[Prompt]
    """All that may be asked."""
    score: Reward
    """What scores the samples."""
    sampling: Sampling
    """Of a sample."""
    num_prompts: int
    """Prompts in a step."""
    num_generations: int
    """Samples of each."""
    seed: int
    """Of the order of prompts."""

    def __call__(self, step: int) -> list[Group]:
        """Draw, score, and put together what belongs to one prompt."""
        self.engine.load(present(self.learner))
        chosen = epoch_batch(step, len(self.prompts), self.num_prompts, self.seed, "prompts")
        size = self.num_generations
        asked = [(self.prompts[i], step * size + s) for i in chosen for s in range(size)]
        played = Episodes(self.engine, Codec.of(self.learner.policy)).play(asked, self.sampling)
        found = {(e.prompt.id, e.trajectory.sample): e for e in played}
        episodes = [found[prompt.id, sample] for prompt, sample in asked]
        scored = attach_scores([e.trajectory for e in episodes], scores_of(episodes, self.score))
        return [scored[i : i + size] for i in range(0, len(scored), size)]


def present(learner: Learner) -> Weights:
    """The learner's weights, with the version that names them."""
    return Weights.of(learner.policy.weights(), learner.version)
