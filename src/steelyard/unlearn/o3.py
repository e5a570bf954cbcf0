"""O3: requests to forget arrive one after the other; each gets a detector, and all share an adapter that it opens.

Differs: adapters stand behind layers and change prompts alone (`model/low_rank.py`), where the paper's are LoRA of
every linear module; the detector is a small encoder over the model's own tokens that begins with its embeddings and is
trained whole (`unlearn/o3_detector.py`), where the paper tunes RoBERTa-large by LoRA; covariances are shrunk, since a
request has few prompts. In s the squared distance has the sign of a distance, as the cosine has: the release subtracts
both, so that what is far by one makes up for what is near by the other; which of the two the paper prints could not be
confirmed. A weight of at most `threshold` counts as 0, where the release keeps weights from .3 to .4, makes 1.2 of
those above .9, and 0 of all others; the paper's own cut could not be confirmed. Nor could its list of baselines.

    L_t  = - mean over rows of log pi_A,B(wrong answer | x) + lambda mean over sites of sum_(s < t) |A_s A_t'|_F^2
    h    <- h + max_s weight_s(x) (alpha / r) B_t A_t h        weight_s: the detector of request s  (model/ood_gate.py)

A wrong answer is drawn once for each row of request t, among its column `wrong` or else the answers of other rows. A_t
and B_t begin as those of request t - 1 ended; the first A is drawn, and B is 0. Nothing retained is read, and no row
of an earlier request: of those the detector's numbers are kept, and A_s. The weights of the model stay as they are:
who can take the adapter away has the model back. N rows, T tokens, D hidden size, r rank.
Source: Gao et al. 2024, arXiv:2407.10223, and its code.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import (
    NonNegative,
    Positive,
    PositiveInt,
    ShareBelowOne,
    SteelyardError,
    Trajectory,
    checked,
    derive,
    method,
    pad,
    require,
    rng,
)
from steelyard.core.json import JsonObject
from steelyard.core.model_files import file_errors, read_tensors
from steelyard.learner import demonstration
from steelyard.model.intervention import Pass
from steelyard.model.low_rank import LowRank, Pair
from steelyard.model.ood_gate import OODGate
from steelyard.policy import Policy
from steelyard.task.answered import Answered
from steelyard.unlearn.forgetting import Forgetting
from steelyard.unlearn.o3_detector import Detector

STATE = "o3.safetensors"


@method(
    "o3",
    paper="arXiv:2407.10223",
    claim="request after request is forgotten and the rest is kept, without any data of what is kept",
)
@checked()
@dataclass(frozen=True)
class O3(Forgetting):
    """An adapter that continues from request to request, and a detector for each of them."""

    rank: PositiveInt = 8
    """r."""
    alpha: Positive = 16.0
    """Scale: the change is (alpha / r) B A."""
    orthogonal: NonNegative = 0.1
    """lambda: what overlap of A with those of earlier requests costs."""
    steps: PositiveInt = 60
    """Steps of AdamW on the adapter, for each request."""
    batch: PositiveInt = 32
    """Rows in a step."""
    adapter_rate: Positive = 3e-4
    """Learning rate of the adapter."""
    threshold: ShareBelowOne = 0.3
    """A prompt whose weight is not above this is left as it is."""
    sides: Literal["two", "one"] = "two"
    """Whether a prompt can be too near to those of a request, as the paper has it, or only too far."""
    gated: bool = True
    """Ask the detectors; false changes every prompt."""
    detector: Detector = field(default_factory=Detector)
    """How a detector learns."""

    @property
    def num_steps(self) -> int:
        """One for the detector, and those of the adapter."""
        return 1 + self.steps

    @property
    def scale(self) -> float:
        """Of B A."""
        return self.alpha / self.rank

    def begin(self, policy: Policy, forget: Sequence[Answered], retain: Sequence[Answered], *, seed: int) -> "Request":
        """The fit for one more request: where the policy has what was fitted for earlier ones, it continues from that.

        What is retained is not read.
        """
        return Request(policy, self, forget, seed)

    def restore(self, tensors: Mapping[str, Tensor]) -> "Unlearned":
        """What had these tensors."""
        return Unlearned(self, dict(tensors))


@dataclass(frozen=True)
class Unlearned:
    """The fitted intervention, after so many requests."""

    method: O3
    tensors: Mapping[str, Tensor]
    """adapter/A/SITE and adapter/B/SITE, before/S/SITE for A of request S, and gate/S/... for its detector."""

    def sites(self, num_layers: int) -> Sequence[str]:
        """Where adapters stand."""
        return tuple(self.pairs)  # before anybody asks, no detector need be read

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        """Hidden states, where a detector knows the prompt with the adapter's change."""
        return self.adapter.change(site, hidden_NTD, reads)

    @property
    def requests(self) -> int:
        """How many there were."""
        return len(self.gates)

    @property
    def vocabulary(self) -> int:
        """Tokens of the model that it was fitted to."""
        return len(self.tensors["gate/0/encoder/model.embeddings.tok_embeddings.weight"]) - 1

    @cached_property
    def adapter(self) -> LowRank:
        """The adapter with its gates."""
        return LowRank(self.pairs, self.method.scale, self.gates if self.method.gated else None)

    @cached_property
    def pairs(self) -> dict[str, Pair]:
        """Site -> A and B."""
        a, b = below("adapter/A/", self.tensors), below("adapter/B/", self.tensors)
        return {site: (a[site], b[site]) for site in a}

    @cached_property
    def before(self) -> list[dict[str, Tensor]]:
        """Site -> A, of each request in turn."""
        return [below(f"before/{s}/", self.tensors) for s in range(self.requests)]

    @cached_property
    def gates(self) -> list[OODGate]:
        """The detector of each request."""
        found: list[OODGate] = []
        while own := below(f"gate/{len(found)}/", self.tensors):
            sizes = self.method.detector.sizes(len(own["encoder/model.embeddings.tok_embeddings.weight"]))
            found.append(OODGate.restored(own, sizes, self.method.threshold, self.method.sides))
        return found


class Request:
    """The fit of one more request: first its detector, then the adapter, step by step."""

    def __init__(self, policy: Policy, method: O3, forget: Sequence[Answered], seed: int) -> None:
        require(len(forget) > 0, "there is nothing to forget", where="o3", hint="give at least two rows")
        self.policy = policy
        self.steps = 0
        self._method = method
        self._earlier = earlier_of(policy, method)
        self._seed = derive(seed, "o3", 0 if self._earlier is None else self._earlier.requests)
        self._prompts = [policy.encode(row.prompt.text) for row in forget]
        self._shown = relabelled(policy, forget, self._seed)
        self._gate: OODGate | None = None
        self._pairs = begun(policy, method, self._earlier, self._seed)
        self._adam = torch.optim.AdamW(self._numbers(), lr=method.adapter_rate, weight_decay=0.0)

    @property
    def num_steps(self) -> int:
        """One for the detector, and those of the adapter."""
        return self._method.num_steps

    def step(self) -> JsonObject:
        """Fit the detector; later on, one step of the adapter."""
        row: JsonObject = {}
        if self.steps == 0:
            self._fit_gate()
        else:
            wrong, overlap = self._descend()
            row = {"o3/wrong_answers": wrong, "o3/overlap": overlap}
        self.steps += 1
        self._put()
        return row

    def _fit_gate(self) -> None:
        known = {"threshold": self._method.threshold, "sides": self._method.sides}
        self._gate = self._method.detector.fit(self.policy, self._prompts, seed=self._seed, **known)

    def _descend(self) -> tuple[float, float]:
        """One step; the loss of wrong answers and the overlap before it."""
        draws = rng(self._seed, "o3-batch", self.steps)
        size = min(self._method.batch, len(self._shown))
        rows = pad([self._shown[i] for i in draws.permutation(len(self._shown))[:size].tolist()])
        numbers = self._numbers()
        self.policy.intervene(LowRank(self._pairs, self._method.scale))
        with torch.enable_grad():
            logp_NT = self.policy.step_logp(rows.tokens_NT, rows.attend_NT, rows.action_NT).logp_NT
            wrong = -logp_NT.sum(1).mean()
            overlap = self._overlap()
            slopes = torch.autograd.grad(wrong + self._method.orthogonal * overlap, numbers, allow_unused=True)
        for x, slope in zip(numbers, slopes, strict=True):
            x.grad = slope
        self._adam.step()
        return float(wrong.detach()), float(overlap.detach())

    def _overlap(self) -> Float[Tensor, ""]:
        """The mean over sites of what A shares with those of earlier requests."""
        before = [] if self._earlier is None else self._earlier.before
        each = [overlap(a_rD, [earlier[site] for earlier in before]) for site, (a_rD, _) in self._pairs.items()]
        return torch.stack(each).mean()

    def _put(self) -> None:
        assert self._gate is not None
        known = {} if self._earlier is None else self._earlier.tensors
        t = 0 if self._earlier is None else self._earlier.requests
        tensors = {name: x for name, x in known.items() if not name.startswith("adapter/")}
        for site, (a_rD, b_Dr) in self._pairs.items():
            own = a_rD.detach().clone()
            tensors |= {f"adapter/A/{site}": own, f"adapter/B/{site}": b_Dr.detach().clone()}
            tensors[f"before/{t}/{site}"] = own.clone()
        tensors |= {f"gate/{t}/{name}": x for name, x in self._gate.tensors.items()}
        self.policy.intervene(self._method.restore(tensors))

    def save(self, directory: Path) -> None:
        """Write the adapter and its optimiser; the detector is fitted again."""
        from safetensors.torch import save_file

        memory = self._adam.state_dict()["state"]
        tensors = {f"number/{i}": x.detach() for i, x in enumerate(self._numbers())}
        tensors |= {f"adam/{i}/{name}": x for i, own in memory.items() for name, x in own.items()}
        tensors = {name: x.detach().cpu().clone().contiguous() for name, x in tensors.items()}
        save_file(tensors | {"steps": torch.tensor(self.steps)}, directory / STATE)

    def restore(self, directory: Path) -> None:
        """Go on from there.

        Raises:
            SteelyardError: it is missing or damaged.
        """
        with file_errors("holds no request of O3", where=str(directory), hint="go on from another checkpoint"):
            tensors = read_tensors(directory / STATE)
            self.steps = int(tensors["steps"])
            memory: dict[int, dict[str, Tensor]] = {}
            with torch.no_grad():
                for i, x in enumerate(self._numbers()):
                    x.copy_(tensors[f"number/{i}"])
                    own = below(f"adam/{i}/", tensors)
                    memory |= {i: own} if own else {}
            self._adam.load_state_dict({"state": memory, "param_groups": self._adam.state_dict()["param_groups"]})
        if self.steps:
            self._fit_gate()
            self._put()

    def _numbers(self) -> list[Tensor]:
        return [x for pair in self._pairs.values() for x in pair]


def earlier_of(policy: Policy, method: O3) -> Unlearned | None:
    """What the policy has of earlier requests.

    Raises:
        SteelyardError: it has another intervention, or adapters and detectors of other sizes.
    """
    there = policy.intervention
    if there is None:
        return None
    hint = "take it out, or continue from a run of o3"
    if not isinstance(there, Unlearned):
        raise SteelyardError("the model has another intervention", where="o3", hint=hint)
    names = ("rank", "alpha", "threshold", "sides", "gated")
    own = [name for name in names if getattr(there.method, name) != getattr(method, name)]
    parts = ("detector_width", "detector_layers")
    own += [name for name in parts if getattr(there.method.detector, name) != getattr(method.detector, name)]
    what = f"{', '.join(own)} cannot differ from those of earlier requests"
    require(not own, what, where="o3", hint="leave them as they were")
    return there


def begun(policy: Policy, method: O3, earlier: Unlearned | None, seed: int) -> dict[str, Pair]:
    """A and B of every layer as the fit finds them: as they were, or A drawn and B 0."""
    if earlier is not None:
        numbers = {site: tuple(x.detach().clone() for x in pair) for site, pair in earlier.pairs.items()}
    else:
        draws = torch.Generator().manual_seed(derive(seed, "o3-adapter") % 2**63)
        D, r = policy.model.get_input_embeddings().weight.shape[1], method.rank
        layers = range(policy.model.config.num_hidden_layers)
        drawn = {f"layers.{i}": (2 * torch.rand(r, D, generator=draws) - 1) / D**0.5 for i in layers}
        numbers = {site: (a_rD, torch.zeros(D, r)) for site, a_rD in drawn.items()}
    return {site: (a.to(policy.device).requires_grad_(), b.to(policy.device).requires_grad_())
            for site, (a, b) in numbers.items()}  # fmt: skip


def relabelled(policy: Policy, rows: Sequence[Answered], seed: int) -> list[Trajectory]:
    """Each row with an answer that is not its own, drawn once.

    Raises:
        SteelyardError: there is no other answer.
    """
    shown = []
    for i, row in enumerate(rows):
        others = sorted({*row.wrong} or {other.answer for other in rows if other.answer != row.answer})
        hint = "give wrong answers, or rows with several answers"
        require(bool(others), "no row has another answer to learn", where="o3", hint=hint)
        wrong = others[int(rng(seed, "o3-wrong", i).integers(len(others)))]
        shown.append(demonstration(policy, row.prompt, wrong))
    return shown


def overlap(a_rD: Float[Tensor, "r D"], before: Sequence[Float[Tensor, "r D"]]) -> Float[Tensor, ""]:
    """sum_s |A_s A'|_F^2."""
    total = a_rD.new_zeros(())
    for earlier_rD in before:
        total = total + (earlier_rD.to(a_rD) @ a_rD.T).square().sum()
    return total


def below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, without the beginning."""
    return {name.removeprefix(prefix): x for name, x in tensors.items() if name.startswith(prefix)}
