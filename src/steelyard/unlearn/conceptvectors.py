"""ConceptVectors: whether the vectors that hold what was forgotten are still there, whatever the model says.

    v_j        value vector j of a layer (`value_vectors.py`);   tokens(v) = its k tokens with the largest E v
    found      vectors among whose tokens most of the answers' are; of these, those that matter most:
    effect(v)  = drop of log p of the forgotten answers - that of the kept, with noise N(0, (s |v|)^2 / D) added to v
    jaccard    = |tokens(v) with tokens(v')| / |tokens(v) or tokens(v')|,  v' the same vector of the audited model
    cosine     = v.v' / (|v| |v'|),    distance = |v' - v| / |v|

E [V, D] is the head. Vectors are found in the model before unlearning, where one is named, else in the model itself;
then the table says where it keeps the concept. Answers that are gone while jaccard and cosine stay near 1 are
suppressed, not removed. `needle` is the oracle of the paper: noise on the very vectors.
Differs: the concept's tokens are those of the answers that no kept answer has, where the paper reads the top tokens by
a language model and by hand (its selection is unconfirmed). A vector counts by its tokens or by those of -v, whichever
fit: a gated activation has both signs. The noise is s times a vector's own size, where the authors' code adds
N(0, .1^2); effects are in nats, where they compare answers by BLEU and ROUGE. Distance is relative.
Source: Hong et al. 2024, arXiv:2406.11614.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from steelyard.core import Positive, PositiveInt, Seed, Trajectory, method, rng
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.policy.running_copy import running_copy
from steelyard.task.answered import Answered
from steelyard.unlearn.audit import mean_logp
from steelyard.unlearn.compared import Compared
from steelyard.unlearn.material import FORGET, RETAIN, Material
from steelyard.unlearn.value_vectors import Place, num_layers, projected, value_vectors

AT_ONCE = 1024
"""Vectors that are projected together."""
MEASURES = (
    Measure("jaccard", "share", "Tokens that the vector speaks for before and now, of those of either."),
    Measure("cosine", "share", "Between the vector before and now."),
    Measure("distance", "share", "How far the vector moved, of its length."),
    Measure("tokens", "share", "Of the answers' tokens, those among the vector's before."),
    Measure(
        "effect", "nats a token", "What noise on it took from the forgotten answers before, and not from the kept."
    ),
    Measure("effect_now", "nats a token", "The same in the audited model."),
)


@method(
    "conceptvectors", paper="arXiv:2406.11614", claim="tells knowledge that was removed from knowledge that is hidden"
)
@dataclass(frozen=True)
class ConceptVectors(Compared):
    """Look for the vectors that hold it."""

    vectors: PositiveInt = 3
    """Vectors that are reported."""
    candidates: PositiveInt = 32
    """Vectors whose effect is measured, those that speak most for the answers: each takes a pass over all rows."""
    tokens: PositiveInt = 200
    """Tokens that a vector speaks for; at most a tenth of the vocabulary."""
    noise: Positive = 2.0
    """Length of the noise, in lengths of the vector."""
    seed: Seed = 0
    """Of the noise."""

    def columns(self) -> tuple[Column, ...]:
        """Prompt and answer; perhaps wrong ones, other words, and the part."""
        *others, part = super().columns()
        return *others, Column(part.name, "label", labels=(FORGET, RETAIN))

    def lacks(self, material: Material) -> str:
        """Rows."""
        return "" if material.forget else "rows to be forgotten"

    def measure(self, policy: Policy, material: Material) -> Table:
        """A row for each vector, that with the largest effect first, and their mean."""
        before = policy if material.original is None else material.original
        concept = concept_tokens(before, material)
        places = self.found(before, material)
        now = self.effects(policy, material, [*places])
        rows = [
            (*self._compared(before, policy, place, concept), effect, now[place]) for place, effect in places.items()
        ]
        mean = tuple(float(np.mean(column)) for column in zip(*rows, strict=True))
        named = zip(map(str, places), rows, strict=True)
        return Table(MEASURES, (*named, ("mean", mean)))

    def found(self, policy: Policy, material: Material) -> Mapping[Place, float]:
        """The vectors that hold what is to be forgotten, and their effects, the largest first."""
        concept = concept_tokens(policy, material)
        scored = [
            (share, Place(layer, number))
            for layer in range(num_layers(policy))
            for number, share in enumerate(self._shares(policy, layer, concept).tolist())
        ]
        best = sorted(scored, key=lambda pair: (-pair[0], pair[1].layer, pair[1].number))[: self.candidates]
        effects = self.effects(policy, material, [place for _, place in best])
        order = sorted(effects, key=lambda place: (-effects[place], place.layer, place.number))
        return {place: effects[place] for place in order[: self.vectors]}

    def effects(self, policy: Policy, material: Material, places: Sequence[Place]) -> dict[Place, float]:
        """What noise on each vector takes from the forgotten answers and not from those to be kept (nats a token)."""
        tried = running_copy(policy)
        sides = [(sign, given(tried, rows)) for sign, rows in ((1, material.forget), (-1, material.retain)) if rows]
        before = [float(mean_logp(tried, rows).mean()) for _, rows in sides]
        found = {}
        for place in places:
            vector_D = value_vectors(tried, place.layer)[place.number]
            kept_D = vector_D.clone()
            vector_D += self._noise(vector_D, place)
            after = [float(mean_logp(tried, rows).mean()) for _, rows in sides]
            vector_D.copy_(kept_D)
            found[place] = sum(sign * (b - a) for (sign, _), b, a in zip(sides, before, after, strict=True))
        return found

    def needle(self, policy: Policy, places: Sequence[Place]) -> Policy:
        """A copy with noise on these vectors alone: what unlearning that finds its target would leave."""
        pierced = running_copy(policy)
        for place in places:
            vector_D = value_vectors(pierced, place.layer)[place.number]
            vector_D += self._noise(vector_D, place)
        return pierced

    def _noise(self, vector_D: Float[Tensor, "D"], place: Place) -> Float[Tensor, "D"]:
        drawn = rng(self.seed, "conceptvectors", place.layer, place.number).standard_normal(len(vector_D))
        scale = self.noise * float(vector_D.float().norm()) / len(vector_D) ** 0.5
        return torch.from_numpy(drawn * scale).to(vector_D)

    def _most(self, policy: Policy) -> int:
        return max(1, min(self.tokens, policy.vocab_size // 10))

    def _sides(self, policy: Policy, vector_MD: Float[Tensor, "M D"]) -> tuple[Int[Tensor, "M K"], Int[Tensor, "M K"]]:
        """The tokens that vectors speak for, and those that they speak for turned round."""
        logit_MV = projected(policy, vector_MD)
        most = self._most(policy)
        return logit_MV.topk(most).indices, (-logit_MV).topk(most).indices

    def _shares(self, policy: Policy, layer: int, concept: Sequence[int]) -> Float[np.ndarray, "M"]:
        """Of the concept's tokens, the share among those of each vector of a layer, on its better side."""
        known = torch.tensor(concept, device=policy.device)
        parts = value_vectors(policy, layer).split(AT_ONCE)
        sides = [[torch.isin(side_MK, known).float().sum(1) for side_MK in self._sides(policy, part)] for part in parts]
        return torch.cat([torch.stack(both).amax(0) for both in sides]).cpu().numpy() / len(concept)

    def _compared(self, before: Policy, now: Policy, place: Place, concept: Sequence[int]) -> tuple[float, ...]:
        """Jaccard, cosine, distance, and the concept's tokens that the vector had."""
        old_D, new_D = (value_vectors(one, place.layer)[place.number].float() for one in (before, now))
        sides = zip(self._sides(before, old_D[None]), self._sides(now, new_D[None]), strict=True)
        spoken = [({*old_1K[0].tolist()}, {*new_1K[0].tolist()}) for old_1K, new_1K in sides]
        old, new = max(spoken, key=lambda side: len(side[0] & {*concept}))
        cosine = float(torch.nn.functional.cosine_similarity(old_D, new_D, dim=0))
        distance = float((new_D - old_D).norm() / old_D.norm().clamp(min=1e-12))
        return len(old & new) / len(old | new), cosine, distance, len(old & {*concept}) / len(concept)


def concept_tokens(policy: Policy, material: Material) -> list[int]:
    """The tokens of the forgotten answers that no kept answer has; all of them where each is in one."""
    forget, retain = (
        {int(token) for t in given(policy, rows) for token in t.completion_T}
        for rows in (material.forget, material.retain)
    )
    ends = {*policy.eos_ids}
    return sorted(forget - retain - ends) or sorted(forget - ends) or sorted(forget)


def given(policy: Policy, rows: Sequence[Answered]) -> list[Trajectory]:
    """Rows with their answers in a policy's tokens."""
    return [demonstration(policy, row.prompt, row.answer) for row in rows]
