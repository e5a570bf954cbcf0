"""Skill-it: skills are drawn by the losses of the skills that they help, by mirror descent over a skills graph.

Differs: in post-training the loss of a skill is 1 less the mean reward of what was sampled for it in the round; a
supervised job (`pretrain/skill_it_tuning.py`) reports held-out losses, the paper's. A skill that was not measured in a
round keeps its loss, which is 1 at first. The weights of a round are set by the losses at its beginning, as in the
authors' code; the paper's algorithm writes those of a round earlier. Every skill can be drawn: the out-of-domain
setting is left out, and so are the code's schedules and priors.

    p_1     = softmax_i(eta sum_j A_ij)
    p_{t+1} = softmax_i(eta sum_{tau in the last w rounds} sum_j A_ij L_j(f_tau))

A_ij says how much training on skill i helps skill j (`skill_graph.py`; A_ii = 1), L_j(f_tau) is the loss on skill j.
The sum over j runs over the targets. Where no edge is given, a skill is drawn by its own loss; with eta 0, or where all
rows of A have one sum and the losses are equal, all skills are drawn alike: skill-stratified sampling.
P prompts, G samples per prompt: L_j is the mean over the prompts of skill j, each over its own G samples.
Source: Chen et al. 2023, arXiv:2307.14430, algorithm 1, and the authors' code.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from jaxtyping import Float64

from steelyard.core import NonNegative, Positive, PositiveInt, Prompt, Trajectory, method, require
from steelyard.core.json import JsonMapping
from steelyard.curriculum.arms import Arms, targets_of
from steelyard.curriculum.bandit import HINT, read_state
from steelyard.curriculum.skill_graph import Edge, graph_of
from steelyard.curriculum.told_losses import ToldLosses


@method(
    "skill-it",
    paper="arXiv:2307.14430",
    claim="36.5 points more accuracy than random sampling on LEGO, and sooner than skill-stratified sampling",
)
@dataclass(frozen=True)
class SkillIt:
    """Settings of Skill-it: skills drawn by the losses of the skills that they help."""

    eta: NonNegative = 0.5
    """How sharply the weights follow the losses; 0 draws all skills alike."""
    window: PositiveInt = 3
    """Rounds whose losses are summed."""
    round_size: PositiveInt = 256
    """Examples that are drawn between two changes of the weights."""
    edges: tuple[Edge, ...] = ()
    """Edges of the skills graph, FROM:TO or FROM:TO:WEIGHT by the numbers of domains; none where each helps itself."""
    edge_weight: Positive = 0.5
    """Weight of an edge that names none."""
    targets: tuple[int, ...] = ()
    """Domains that are to be learned; the others are drawn as far as they help. Empty for all."""

    def open(self, prompts: Sequence[Prompt], seed: int, probes: Sequence[Prompt] = ()) -> "SkillItDraws":
        """The live curriculum, over the domains of these prompts; of `probes` it is told, and draws none."""
        return SkillItDraws(self, prompts, seed, probes)


class _State(msgspec.Struct, forbid_unknown_fields=True):
    position: int
    begun: int
    walked: list[int]
    total: list[float]
    told: list[int]
    losses: list[list[float]]


class SkillItDraws:
    """The live curriculum: the losses of the last rounds, and what was told since the present one began."""

    def __init__(self, settings: SkillIt, prompts: Sequence[Prompt], seed: int, probes: Sequence[Prompt]) -> None:
        self._settings = settings
        self._seed = seed
        self._arms = Arms(prompts, seed, probes)
        graph_DD = graph_of(settings.edges, self.domains, settings.edge_weight)
        self._graph_DD = graph_DD * targets_of(settings.targets, self.domains, "skill-it")
        self._position = 0
        self._begun = 0
        self._told = ToldLosses(self._arms)
        self._losses = deque[list[float]](maxlen=settings.window)

    @property
    def domains(self) -> Sequence[int]:
        """The numbers of the skills, in order."""
        return self._arms.domains

    @property
    def begins_round(self) -> bool:
        """Whether the next draw changes the weights, if there are losses by then."""
        return self._position - self._begun >= self._settings.round_size

    def weights(self) -> Float64[np.ndarray, "D"]:
        """p, in the order of the skills' numbers."""
        loss_D = np.array([*self._losses]).sum(0) if self._losses else np.ones(len(self._arms))
        score_D = self._settings.eta * (self._graph_DD @ loss_D)
        weight_D = np.exp(score_D - score_D.max())
        return weight_D / weight_D.sum()

    def draw(self, num_prompts: int) -> list[int]:
        """Indices of the next prompts; a round that is over is closed before."""
        if self.begins_round:
            self._close()
        weight_D = self.weights()
        places = range(self._position, self._position + num_prompts)
        self._position += num_prompts
        return self._arms.draw(weight_D, places, self._seed, "skill-it")

    def observe(self, trajectories: Sequence[Trajectory]) -> None:
        """Count 1 less the mean reward of each prompt's samples as one measure of its skill's loss."""
        self._told.observe(trajectories)

    def _close(self) -> None:
        """The losses that were told become those of the round; without any, the last ones stay."""
        self._begun = self._position
        if self._told:
            self._losses.append(self._told.end_round(self._losses))

    def state(self) -> Mapping[str, object]:
        """The losses of the last rounds, what was told in this one, and the counters."""
        return {
            "position": self._position,
            "begun": self._begun,
            "walked": self._arms.state(),
            "total": self._told.total,
            "told": self._told.told,
            "losses": [[*losses] for losses in self._losses],
        }

    def restore(self, state: JsonMapping) -> None:
        """Continue from a `state`.

        Raises:
            SteelyardError: it is not a state of this curriculum.
        """
        kept = read_state(state, _State)
        self._arms.restore(kept.walked)
        right = all(len(listed) == len(self._arms) for listed in (kept.total, kept.told, *kept.losses))
        require(right, "its lists differ in length", where="curriculum state", hint=HINT)
        self._position = kept.position
        self._begun = kept.begun
        self._told.restore(kept.total, kept.told)
        self._losses = deque(kept.losses, maxlen=self._settings.window)
