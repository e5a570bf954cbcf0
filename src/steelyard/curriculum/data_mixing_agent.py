"""Data Mixing Agent: domains are drawn by a small agent that was fitted on many short runs of a proxy.

Differs: the agent sees the loss of every domain, and not scores of two benchmarks; it reads each domain by one and
the same network, so that it fits any domains in any order, where the paper's, by a third-party note, has one output for
each of 52. Its last three rounds stand for the whole history. In post-training the loss of a domain is 1 less the mean
reward of what was sampled for it in the round, 1 until something was; a supervised job (`pretrain/mixed_tuning.py`)
reports held-out losses. The paper's text was not at hand: what is not confirmed stands in `pretrain/mixing_fit.py`,
which fits the agent. Without an agent nothing is drawn.

    s_t = (shares of the domains, losses of the domains) of all rounds before,    a_t = pi(s_t) = shares of round t
    S_t = mean over targets and sources of the share by which losses have fallen,    pi maximises S at the end

Every round begins with what was told in the last one. P prompts, G samples per prompt: the loss of a domain is the mean
over its prompts, each over its own G samples. The network and its features are in `mixing_agent.py`.
Measured: not decided. On sums of hidden values an agent that was fitted on exchanged losses left less of the loss than
one fitted on the true ones; both left less than the target alone.
Source: Yang et al. 2025, arXiv:2507.15640.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from jaxtyping import Float64

from steelyard.core import PositiveInt, Prompt, Trajectory, method, require
from steelyard.core.json import JsonMapping
from steelyard.curriculum.arms import Arms, targets_of
from steelyard.curriculum.bandit import HINT as OTHER_TASK
from steelyard.curriculum.bandit import read_state
from steelyard.curriculum.mixing_agent import HINT, Mixer, MixingAgent
from steelyard.curriculum.told_losses import ToldLosses

_OF_AN_AGENT = ("curriculum-indices", "curriculum-seeded", "curriculum-resumes", "curriculum-observes")


@method(
    "data-mixing-agent",
    paper="arXiv:2507.15640",
    claim="balances source and target benchmarks better than strong baselines, also in other fields and models",
    exemptions=dict.fromkeys(_OF_AN_AGENT, "without the files of an agent it draws nothing"),
)
@dataclass(frozen=True)
class DataMixingAgent:
    """Settings of the Data Mixing Agent: domains drawn by an agent that was fitted on runs of a proxy."""

    agent: str = ""
    """Run of `steelyard train data-mixing-agent`, or its directory agent."""
    targets: tuple[int, ...] = ()
    """Numbers of the target domains, which are to be learned; the others are sources, to be kept. Empty for all."""
    round_size: PositiveInt = 256
    """Examples that are drawn between two changes of the shares."""

    def open(self, prompts: Sequence[Prompt], seed: int, probes: Sequence[Prompt] = ()) -> "DataMixingDraws":
        """The live curriculum, over the domains of these prompts; of `probes` it is told, and draws none.

        Raises:
            SteelyardError: there is no such agent, or a target is no domain of the prompts.
        """
        arms = Arms(prompts, seed, probes)
        require(bool(self.agent), "is missing", where="data-mixing-agent.agent", hint=HINT)
        return DataMixingDraws(self, MixingAgent.load(self.agent), arms, seed)


class _State(msgspec.Struct, forbid_unknown_fields=True):
    position: int
    begun: int | None
    walked: list[int]
    total: list[float]
    told: list[int]
    shares: list[list[float]]
    losses: list[list[float]]


class DataMixingDraws:
    """The live curriculum: shares and losses of all rounds, and what was told since the present one began.

    Args:
        settings: of the curriculum.
        agent: gives the shares.
        arms: the prompts of each domain.
        seed: of the draws.

    Raises:
        SteelyardError: a target is none of the domains.
    """

    def __init__(self, settings: DataMixingAgent, agent: Mixer, arms: Arms, seed: int) -> None:
        self._settings = settings
        self._agent = agent
        self._arms = arms
        self._seed = seed
        self._target_D = targets_of(settings.targets, arms.domains, "data-mixing-agent")
        self._position = 0
        self._begun: int | None = None
        self._told = ToldLosses(arms)
        self._shares: list[list[float]] = []
        self._losses: list[list[float]] = []

    @property
    def domains(self) -> Sequence[int]:
        """The numbers of the domains, in order."""
        return self._arms.domains

    @property
    def begins_round(self) -> bool:
        """Whether the next draw changes the shares: at first, and after each round."""
        return self._begun is None or self._position - self._begun >= self._settings.round_size

    def weights(self) -> Float64[np.ndarray, "D"]:
        """The shares of this round, in the order of the domains' numbers; before the first round, its."""
        return np.array(self._shares[-1]) if self._shares else self._next()

    def draw(self, num_prompts: int) -> list[int]:
        """Indices of the next prompts; a round that is over is closed before."""
        if self.begins_round:
            self._close()
        weight_D = self.weights()
        places = range(self._position, self._position + num_prompts)
        self._position += num_prompts
        return self._arms.draw(weight_D, places, self._seed, "data-mixing-agent")

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count 1 less the mean reward of each prompt's samples as one measure of its domain's loss."""
        self._told.observe(trajectories)

    def _close(self) -> None:
        """The losses that were told end the round, and the agent gives the shares of the next one."""
        self._begun = self._position
        if self._losses or self._told:
            self._losses.append(self._told.end_round(self._losses))
        self._shares.append(self._next().tolist())

    def _next(self) -> Float64[np.ndarray, "D"]:
        return self._agent.shares(self._shares, self._losses, self._target_D)

    def state(self) -> Mapping[str, object]:
        """Shares and losses of all rounds, what was told in this one, and the counters."""
        return {
            "position": self._position,
            "begun": self._begun,
            "walked": self._arms.state(),
            "total": self._told.total,
            "told": self._told.told,
            "shares": [[*shares] for shares in self._shares],
            "losses": [[*losses] for losses in self._losses],
        }

    def restore(self, state: JsonMapping) -> None:
        """Continue from a `state`.

        Raises:
            SteelyardError: it is not a state of this curriculum.
        """
        kept = read_state(state, _State)
        self._arms.restore(kept.walked)
        lists = (kept.total, kept.told, *kept.shares, *kept.losses)
        right = all(len(listed) == len(self._arms) for listed in lists)
        require(right, "its lists differ in length", where="curriculum state", hint=OTHER_TASK)
        self._position = kept.position
        self._begun = kept.begun
        self._told.restore(kept.total, kept.told)
        self._shares = kept.shares
        self._losses = kept.losses
