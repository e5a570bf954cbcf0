"""Are we truly forgetting: whether what was forgotten left a model's hidden states, or its answers alone.

    CKA(X, Y) = |Y^T X|_F^2 / (|X^T X|_F |Y^T Y|_F),    the columns of X and Y centred
    knn   = share of rows whose answer is the commonest among the k nearest rows about other prompts (cosine)
    probe = the same by ridge regression on the answers, fitted to four fifths of the prompts and asked of the others

X [N, D] holds the audited model's last hidden states, those that the answers' first tokens are predicted from; Y those
of the model before unlearning or of one that never knew, on the same N prompts in all their wordings. Forgetting shows
where knn and probe fall to the retrained model's, and cka_retrained passes cka_original. Where answers are gone and the
states are as before, the head alone was edited: whoever has the weights reads the answers off the states.
Differs: the paper's classes are of images and its models encoders; here a class is an answer that several prompts
share, and prompts whose answer nobody else has are not asked of knn and probe. Neighbours are other prompts', so a
prompt in other words is no neighbour of itself. The paper has no probe: that is ours. k = 5 with cosine distance and
linear CKA are those of the authors' code; their summary scores are left out.
Source: Kim et al. 2025, arXiv:2503.06991.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from steelyard.core import PositiveInt, method
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.policy.action_states import action_states
from steelyard.task.answered import Answered
from steelyard.unlearn.compared import Compared
from steelyard.unlearn.material import FORGET, RECALLED, RETAIN, Material, recalled, reworded_of
from steelyard.unlearn.two_sided_audit import question

AT_ONCE = 64
"""Rows of a forward pass."""
FOLDS = 5
"""Parts of the prompts that the probe is asked of in turn."""
RIDGE = 1e-2
"""Of the probe, as a share of the states' mean square."""
MEASURES = (
    *RECALLED,
    Measure("knn", "share", "Answers that the nearest states of other prompts vote for."),
    Measure("probe", "share", "Answers that a linear probe reads off the states."),
    Measure("commonest", "share", "Rows with the commonest answer: what knn and probe reach without any state."),
    Measure("cka_original", "share", "CKA with the model before unlearning; 1 is the same representation."),
    Measure("cka_retrained", "share", "CKA with a model that never knew."),
)


@dataclass(frozen=True)
class Seen:
    """Prompts in all their wordings, sorted by the row that each is of."""

    asked: tuple[Answered, ...]
    row_N: Int[np.ndarray, "N"]
    """The row of each."""
    answer_N: Int[np.ndarray, "N"]
    """The number of its answer; -1 where no other row has that answer."""

    @classmethod
    def of(cls, rows: Sequence[Answered]) -> "Seen":
        """Rows, each also in its other words."""
        pairs = [(i, one) for i, row in enumerate(rows) for one in (row, *reworded_of([row]))]
        common = Counter(row.answer for row in rows)
        number = {answer: i for i, answer in enumerate(sorted(a for a, n in common.items() if n > 1))}
        answers = [number.get(one.answer, -1) for _, one in pairs]
        return cls(tuple(one for _, one in pairs), np.array([i for i, _ in pairs]), np.array(answers))


@method("truly-forgetting", paper="arXiv:2503.06991", claim="exposes forgetting that edited the head alone")
@dataclass(frozen=True)
class TrulyForgetting(Compared):
    """Look at the hidden states."""

    neighbours: PositiveInt = 5
    """Nearest states that vote (k)."""

    def columns(self) -> tuple[Column, ...]:
        """Prompt and answer; perhaps wrong ones, other words, and the part."""
        *others, part = super().columns()
        return *others, Column(part.name, "label", labels=(FORGET, RETAIN))

    def lacks(self, material: Material) -> str:
        """Two rows, so that there is anything to compare."""
        return "" if len(material.forget) > 1 else "two rows to be forgotten"

    def measure(self, policy: Policy, material: Material) -> Table:
        """What is to be forgotten, by this model and by the others, and what is to be kept."""
        named = {"original": material.original, "retrained": material.retrained}
        known = {name: one for name, one in named.items() if one is not None}
        parts = {FORGET: material.forget} | ({RETAIN: material.retain} if material.retain else {})
        found = {}
        for part, rows in parts.items():
            seen = Seen.of(rows)
            states = {name: states_of(one, seen.asked) for name, one in known.items()}
            beside = known if part == FORGET else {}
            models = {part: policy} | {f"{part}_{name}": one for name, one in beside.items()}
            found |= {name: self._row(one, seen, states) for name, one in models.items()}
        return Table(MEASURES, tuple(found.items()))

    def _row(
        self, policy: Policy, seen: Seen, others: Mapping[str, Float[np.ndarray, "N D"]]
    ) -> tuple[float | int | None, ...]:
        state_ND = states_of(policy, seen.asked)
        alike = [None if name not in others else cka(state_ND, others[name]) for name in ("original", "retrained")]
        said = recalled(policy, [question(policy, one) for one in seen.asked], self.max_completion_length)
        return *said, *self._read(seen, state_ND), *alike

    def _read(self, seen: Seen, state_ND: Float[np.ndarray, "N D"]) -> tuple[float | None, float | None, float | None]:
        """What the states say of answers that several rows share."""
        shared_N = seen.answer_N >= 0
        if len({*seen.row_N[shared_N].tolist()}) < FOLDS:
            return None, None, None
        state_ND, row_N, answer_N = state_ND[shared_N], seen.row_N[shared_N], seen.answer_N[shared_N]
        commonest = np.bincount(answer_N).max() / len(answer_N)
        near_N = nearest_votes(state_ND, row_N, answer_N, self.neighbours)
        return float(near_N.mean()), float(probed(state_ND, row_N, answer_N).mean()), float(commonest)


def states_of(policy: Policy, rows: Sequence[Answered]) -> Float[np.ndarray, "N D"]:
    """The last hidden states that the rows' answers begin from."""
    given = [demonstration(policy, row.prompt, row.answer) for row in rows]
    parts = (given[start : start + AT_ONCE] for start in range(0, len(given), AT_ONCE))
    return np.array([state_AD[0] for part in parts for state_AD in action_states(policy, part)], dtype=np.float64)


def cka(x_ND: Float[np.ndarray, "N D"], y_NE: Float[np.ndarray, "N E"]) -> float | None:
    """Linear centred kernel alignment; None where one of the two does not vary."""
    x_ND, y_NE = x_ND - x_ND.mean(0), y_NE - y_NE.mean(0)
    both = np.linalg.norm(x_ND.T @ x_ND) * np.linalg.norm(y_NE.T @ y_NE)
    return float(np.linalg.norm(y_NE.T @ x_ND) ** 2 / both) if both > 0 else None


def nearest_votes(
    state_ND: Float[np.ndarray, "N D"], row_N: Int[np.ndarray, "N"], answer_N: Int[np.ndarray, "N"], k: int
) -> Bool[np.ndarray, "N"]:
    """Whether the k nearest states of other rows vote for each answer; of answers with as many votes, the nearest's."""
    unit_ND = state_ND / np.maximum(np.linalg.norm(state_ND, axis=1, keepdims=True), 1e-12)
    near_NN = unit_ND @ unit_ND.T
    near_NN[row_N[:, None] == row_N] = -np.inf
    found = []
    for i, order in enumerate(np.argsort(-near_NN, axis=1, kind="stable")):
        votes = answer_N[[j for j in order[:k] if np.isfinite(near_NN[i, j])]].tolist()
        found.append(bool(votes) and Counter(votes).most_common(1)[0][0] == answer_N[i])
    return np.array(found)


def probed(
    state_ND: Float[np.ndarray, "N D"], row_N: Int[np.ndarray, "N"], answer_N: Int[np.ndarray, "N"]
) -> Bool[np.ndarray, "N"]:
    """Whether a probe that was fitted to other rows reads each answer."""
    right_N = np.zeros(len(answer_N), dtype=bool)
    for fold in range(FOLDS):
        asked_N = row_N % FOLDS == fold
        if not asked_N.any() or asked_N.all():
            continue
        mean_D = state_ND[~asked_N].mean(0)
        x_ND, target_NC = state_ND[~asked_N] - mean_D, np.eye(answer_N.max() + 1)[answer_N[~asked_N]]
        kernel_NN = x_ND @ x_ND.T
        weight_NC = np.linalg.solve(
            kernel_NN + RIDGE * max(np.trace(kernel_NN), 1e-12) / len(x_ND) * np.eye(len(x_ND)),
            target_NC - target_NC.mean(0),
        )
        said_NC = (state_ND[asked_N] - mean_D) @ x_ND.T @ weight_NC + target_NC.mean(0)
        right_N[asked_N] = said_NC.argmax(1) == answer_N[asked_N]
    return right_N
