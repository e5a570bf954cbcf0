"""LAF: a classifier forgets examples without any label, by the distribution of its representations.

Differs: representations are rebuilt by a decoder that ends linearly, where the release squashes them to 0 ... 1, which
theirs are not; they are divided by their mean length first, so that one setting serves every network; the mean of the
latent is used once the autoencoders are trained. Which of the two steps of a batch comes first is as in the release.
The baselines of the paper's tables could not be confirmed.

    h   : autoencoder of the representations of all training examples,   h_f : of those to be forgotten
          trained by  |h(e) - e|^2 + kl KL(q(z|e) || N(0, I)),  and then left as they are
    L_UE = sum_r exp(M_r / (M_r + 1)) - sum_f exp(M_f / (M_f + 1)),    M_r = |h(e_r) - e_r|^2,  M_f = |h_f(e_f) - e_f|^2
    L_RA = sum_r log( exp(C_r) / sum_f exp(C_f / tau) ),               C = 1 - cos(e, e_0)

e [N, D] is what the classifier's head reads, e_0 the same before; r runs over the R examples of a batch that are kept,
f over its F that are to be forgotten. Each batch makes a step of Adam by L_UE and then one by L_RA, on all but the
head: the one makes the forgotten unlike themselves, the other holds the kept in place and drives the forgotten away.
With `repair` the head is then fitted to the labels of kept examples, as far as there are any (LAF+R). N examples, D
numbers of a representation, Z of the latent. Source: Shen et al. 2024, arXiv:2404.00506, and its code.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from steelyard.core import (
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    checked,
    derive,
    method,
    require,
    rng,
)
from steelyard.core.model_files import file_errors, read_tensors
from steelyard.learner.fitting import Fitting

TENSORS = "laf.safetensors"


@dataclass(frozen=True)
class Parts:
    """A classifier in two parts, and the examples that it learned from, by their places."""

    states: Callable[[Int64[Tensor, "K"]], Float[Tensor, "K D"]]
    """What the head reads of some examples, with a gradient."""
    logits: Callable[[Float[Tensor, "K D"]], Float[Tensor, "K C"]]
    """The head."""
    extractor: Sequence[nn.Parameter]
    """Parameters of all but the head."""
    head: Sequence[nn.Parameter]


class Rows(NamedTuple):
    """Places of examples."""

    forget: Int64[Tensor, "F"]
    keep: Int64[Tensor, "R"]
    labelled: tuple[Int64[Tensor, "L"], Int64[Tensor, "L"]] | None
    """Of kept examples with their classes."""


@method(
    "laf",
    paper="arXiv:2404.00506",
    claim="Forgets classes or single examples without a label, as well as methods that are given all labels.",
)
@checked()
@dataclass(frozen=True)
class LAF:
    """How a classifier forgets."""

    latent: PositiveInt = 8
    """Numbers of the autoencoders' latent, Z."""
    kl: NonNegative = 0.025
    """Weight of the latent's divergence."""
    coding_epochs: PositiveInt = 10
    """Passes of each autoencoder over its examples."""
    coding_rate: Positive = 1e-3
    """Learning rate of the autoencoders."""
    epochs: PositiveInt = 20
    """Passes over the examples to be forgotten."""
    batch: PositiveInt = 32
    """Examples to be forgotten in a batch, and as many that are kept."""
    unlearn_rate: Positive = 5e-5
    """Learning rate of L_UE."""
    align_rate: Positive = 1e-4
    """Learning rate of L_RA."""
    temperature: Positive = 20.0
    """tau: the larger, the more alike the forgotten examples are driven away."""
    repair: NonNegativeInt = 0
    """Steps of the head on labels of kept examples, at the end; 0 uses no label."""
    repair_rate: Positive = 1e-3
    """Their learning rate."""

    def num_steps(self, number: int) -> int:
        """Steps to forget so many examples: one for the autoencoders, one for each batch, and those of the repair."""
        return 1 + self.epochs * -(-number // self.batch) + self.repair

    def begin(
        self,
        parts: Parts,
        forget_F: Int64[Tensor, "F"],
        keep_R: Int64[Tensor, "R"],
        *,
        seed: int,
        labelled: tuple[Int64[Tensor, "L"], Int64[Tensor, "L"]] | None = None,
        most: int | None = None,
    ) -> "Forgetter":
        """The forgetting before its first step.

        Args:
            parts: the classifier, which is changed in place.
            forget_F: the places of examples to be forgotten.
            keep_R: the places of all others.
            seed: of the order and of the autoencoders.
            labelled: places of kept examples with their classes, for `repair`.
            most: steps after which it ends, whatever is left; None for all.

        Raises:
            SteelyardError: nothing is to be forgotten, nothing is kept, or labels are lacking for `repair`.
        """
        require(len(forget_F) > 0, "there is nothing to forget", where="laf", hint="name an example")
        require(len(keep_R) > 0, "nothing is kept", where="laf", hint="leave some training examples out of the request")
        able = self.repair == 0 or (labelled is not None and len(labelled[0]) > 0)
        require(able, f"is {self.repair}, and nothing has a label", where="--repair", hint="leave it at 0")
        whole = self.num_steps(len(forget_F))
        made = Forgetter(self, parts, Rows(forget_F, keep_R, labelled), seed)
        made.num_steps = whole if most is None else min(most, whole)
        return made


class Autoencoder(nn.Module):
    """A variational autoencoder of representations of D numbers."""

    def __init__(self, size: int, latent: int, seed: int) -> None:
        super().__init__()
        wide, narrow = max(size // 2, latent), max(size // 8, latent)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "laf-autoencoder") % 2**63)
            self.inward = nn.Sequential(nn.Linear(size, wide), nn.ReLU(), nn.Linear(wide, narrow), nn.ReLU())
            self.mean, self.spread = nn.Linear(narrow, latent), nn.Linear(narrow, latent)
            self.outward = nn.Sequential(
                nn.Linear(latent, narrow), nn.ReLU(), nn.Linear(narrow, wide), nn.ReLU(), nn.Linear(wide, size)
            )

    def forward(self, e_ND: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        """h: what the mean of the latent is decoded to."""
        return self.outward(self.mean(self.inward(e_ND)))

    def loss(self, e_ND: Float[Tensor, "N D"], kl: float, generator: torch.Generator) -> Float[Tensor, ""]:
        """What it is trained by: the mean over examples."""
        inner = self.inward(e_ND)
        mean_NZ, log_NZ = self.mean(inner), self.spread(inner)
        noise_NZ = torch.randn(mean_NZ.shape, generator=generator)
        found_ND = self.outward(mean_NZ + (log_NZ / 2).exp() * noise_NZ)
        apart = (log_NZ.exp() + mean_NZ.square() - 1 - log_NZ).sum(1) / 2
        return ((found_ND - e_ND).square().sum(1) + kl * apart).mean()


class Forgetter:
    """The forgetting under way: first the autoencoders, then batch by batch, then the head."""

    def __init__(self, method: LAF, parts: Parts, rows: Rows, seed: int) -> None:
        self.steps = 0
        self.num_steps = method.num_steps(len(rows.forget))
        self._method, self._parts, self._seed, self._labelled = method, parts, seed, rows.labelled
        self._rows = {"forget": rows.forget, "keep": rows.keep}
        self._first = {name: self._read(row_K) for name, row_K in self._rows.items()}
        self._unit = float(self._first["keep"].norm(dim=1).mean().clamp(min=1e-12))
        self._code: dict[str, Autoencoder] = {}
        self._adams = [torch.optim.Adam(parts.extractor, lr=r) for r in (method.unlearn_rate, method.align_rate)]
        self._adams.append(torch.optim.Adam(parts.head, lr=method.repair_rate))

    @property
    def _batches(self) -> int:
        return -(-len(self._rows["forget"]) // self._method.batch)

    def step(self) -> float:
        """Make one; returns the loss before it: of the autoencoders, L_UE + L_RA, or the head's."""
        if self.steps == 0:
            loss = self._learn_codes()
        elif self.steps <= self._method.epochs * self._batches:
            loss = self._forget()
        else:
            loss = self._repair()
        self.steps += 1
        return loss

    def run(self) -> None:
        """Make all steps that are left."""
        while self.steps < self.num_steps:
            self.step()

    def _learn_codes(self) -> float:
        whole = torch.cat([self._first["keep"], self._first["forget"]])
        last = 0.0
        for name, e_ND in (("keep", whole), ("forget", self._first["forget"])):
            code = Autoencoder(e_ND.shape[1], self._method.latent, derive(self._seed, name))
            generator = torch.Generator().manual_seed(derive(self._seed, "laf-noise", name) % 2**63)
            fitting = self._coding(code, e_ND / self._unit, generator)
            while fitting.steps < fitting.num_steps:
                last = fitting.step()
            self._code[name] = code.requires_grad_(False)
        return last

    def _coding(self, code: Autoencoder, e_ND: Float[Tensor, "N D"], generator: torch.Generator) -> Fitting:
        size = min(2 * self._method.batch, len(e_ND))

        def loss() -> Tensor:
            of = torch.randint(len(e_ND), (size,), generator=generator)
            return code.loss(e_ND[of], self._method.kl, generator)

        adam = torch.optim.Adam(code.parameters(), lr=self._method.coding_rate)
        return Fitting(code, adam, loss, generator, self._method.coding_epochs * -(-len(e_ND) // size))

    def _forget(self) -> float:
        place = self._at(self.steps - 1)
        kept_RD, gone_FD = (self._states(name, place[name]) / self._unit for name in ("keep", "forget"))
        loss = unlike(kept_RD, self._code["keep"](kept_RD), gone_FD, self._code["forget"](gone_FD))
        self._descend(0, loss)
        far_R, far_F = (
            1 - cosine_similarity(self._states(name, place[name]), self._first[name][place[name]])
            for name in ("keep", "forget")
        )
        aligned = alignment(far_R, far_F, self._method.temperature)
        self._descend(1, aligned)
        return float((loss + aligned).detach())

    def _at(self, step: int) -> dict[str, Int64[Tensor, "K"]]:
        """The batch of a step: forgotten examples in the epoch's order, and as many kept ones."""
        epoch, turn = divmod(step, self._batches)
        draws = rng(self._seed, "laf", epoch)
        orders = {name: draws.permutation(len(rows)) for name, rows in self._rows.items()}
        part = slice(turn * self._method.batch, (turn + 1) * self._method.batch)
        forget = orders["forget"][part]
        start = turn * self._method.batch % len(orders["keep"])
        keep = orders["keep"][start : start + len(forget)]
        return {"forget": torch.from_numpy(forget), "keep": torch.from_numpy(keep)}

    def _repair(self) -> float:
        assert self._labelled is not None
        row_L, class_L = self._labelled
        draws = rng(self._seed, "laf-repair", self.steps)
        of = torch.from_numpy(draws.integers(len(row_L), size=2 * self._method.batch))
        with torch.no_grad():
            state_KD = self._parts.states(row_L[of])
        loss = cross_entropy(self._parts.logits(state_KD), class_L[of].to(state_KD.device))
        self._descend(2, loss)
        return float(loss.detach())

    def _descend(self, which: int, loss: Tensor) -> None:
        numbers = [p for group in self._adams[which].param_groups for p in group["params"]]
        for p, slope in zip(numbers, torch.autograd.grad(loss, numbers, allow_unused=True), strict=True):
            p.grad = slope
        self._adams[which].step()
        for p in numbers:
            p.grad = None

    def _states(self, name: str, place_K: Int64[Tensor, "K"]) -> Float[Tensor, "K D"]:
        return self._parts.states(self._rows[name][place_K]).float().cpu()

    @torch.no_grad()
    def _read(self, row_K: Int64[Tensor, "K"]) -> Float[Tensor, "K D"]:
        return torch.cat([self._parts.states(of).float().cpu() for of in row_K.split(64)])

    def save(self, directory: Path) -> None:
        """Write the classifier's parameters and the optimisers; the autoencoders are trained again."""
        from safetensors.torch import save_file

        tensors = {f"number/{i}": p for i, p in enumerate(self._numbers())}
        for k, adam in enumerate(self._adams):
            memory = adam.state_dict()["state"]
            tensors |= {f"adam/{k}/{i}/{name}": x for i, own in memory.items() for name, x in own.items()}
        tensors = {name: x.detach().cpu().clone().contiguous() for name, x in tensors.items()}
        save_file(tensors | {"steps": torch.tensor(self.steps)}, directory / TENSORS)

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote; the classifier must be as it was before the first step.

        Raises:
            SteelyardError: it is missing, damaged, or of another classifier.
        """
        with file_errors(
            "holds no forgetting of this classifier", where=str(directory), hint="go on from another checkpoint"
        ):
            tensors = read_tensors(directory / TENSORS)
            self.steps = int(tensors["steps"])
            if self.steps:
                self._learn_codes()
            with torch.no_grad():
                for i, p in enumerate(self._numbers()):
                    p.copy_(tensors[f"number/{i}"])
            for k, adam in enumerate(self._adams):
                memory: dict[int, dict[str, Tensor]] = {}
                for name, x in tensors.items():
                    if name.startswith(f"adam/{k}/"):
                        _, _, i, key = name.split("/", 3)
                        memory.setdefault(int(i), {})[key] = x
                adam.load_state_dict({"state": memory, "param_groups": adam.state_dict()["param_groups"]})

    def _numbers(self) -> list[nn.Parameter]:
        return [*self._parts.extractor, *self._parts.head]


def unlike(
    kept_RD: Float[Tensor, "R D"],
    kept_as_RD: Float[Tensor, "R D"],
    gone_FD: Float[Tensor, "F D"],
    gone_as_FD: Float[Tensor, "F D"],
) -> Float[Tensor, ""]:
    """L_UE, of representations and what the autoencoders make of them."""
    miss_R, miss_F = ((a - b).square().sum(1) for a, b in ((kept_as_RD, kept_RD), (gone_as_FD, gone_FD)))
    return (miss_R / (miss_R + 1)).exp().sum() - (miss_F / (miss_F + 1)).exp().sum()


def alignment(far_R: Float[Tensor, "R"], far_F: Float[Tensor, "F"], temperature: float) -> Float[Tensor, ""]:
    """L_RA, of cosine distances from where examples were."""
    return far_R.sum() - len(far_R) * (far_F / temperature).logsumexp(0)
