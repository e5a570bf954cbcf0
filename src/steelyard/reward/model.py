"""The score of a reward model: one number for a whole completion, from a network with one label.

    r(y | x) = s(x, y), the network's number at the text's last token; differences are log-odds of being preferred

Prompt and completion are read by the network's own tokenizer, which need not be the policy's. A text that is too long
for it has no score. A completion that was cut off can be given a fixed score instead: who never ends must not gain.
Source: Stiennon et al. 2020, arXiv:2009.01325; the score of what was cut off: Huang et al. 2024, arXiv:2403.17031.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from steelyard.core import Episode, PositiveInt, Score, SteelyardError, method, require
from steelyard.policy.device import Device
from steelyard.reward.score import score_of
from steelyard.reward.scorer import Noise, Said, Scorer, scores

_NO_FILE = "without a model's files there is no score"
_OF_A_MODEL = ("scores-each", "scores-finite", "scores-alone", "scores-parts", "scores-steps")


@method("reward-model", paper="arXiv:2009.01325", exemptions=dict.fromkeys(_OF_A_MODEL, _NO_FILE))
@dataclass(frozen=True)
class RewardModel:
    """Scores completions by a reward model, in the calling process."""

    model: str = ""
    """A directory that save_pretrained wrote, a model shipped with the package, or a hub id."""
    cut_off: float | None = None
    """The score of a completion that was cut off at the length limit, in place of the network's; None has none such."""
    batch: PositiveInt = 64
    """Completions that the network reads at a time."""
    device: Device = "cpu"
    """Where the network computes: cpu, cuda (the first GPU), cuda:1, ...; auto takes a GPU for a large one."""

    @cached_property
    def scorer(self) -> Scorer:
        """The network.

        Raises:
            SteelyardError: there is none of that name, or it is no reward model.
        """
        hint = "give the directory of a reward model, as steelyard reward-model writes it"
        require(bool(self.model), "no model is named", where="reward-model.model", hint=hint)
        try:
            return Scorer.load(self.model, device=self.device)
        except SteelyardError as error:
            raise SteelyardError(error.what, where="reward model", hint=error.hint) from error

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; None where the network cannot read it.

        Raises:
            SteelyardError: the model cannot be loaded.
        """
        return self.read(episodes)

    def read(self, episodes: Sequence[Episode], noise: Noise | None = None) -> list[Score]:
        """The same, as the network reads under noise; the score of what was cut off stays what it is."""
        said = [Said(e.prompt.text, e.completion, e.trajectory.finish == "stop") for e in episodes]
        return [
            Score(self.cut_off) if self.cut_off is not None and not one.ended else _score(value)
            for one, value in zip(said, scores(self.scorer, said, self.batch, noise) if said else [], strict=True)
        ]


def _score(value: float | SteelyardError) -> Score:
    return Score(None, error=str(value)) if isinstance(value, SteelyardError) else score_of(value, "reward model")
