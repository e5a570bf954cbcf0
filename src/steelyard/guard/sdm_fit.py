"""The fit of an SDM head, an epoch a step, so that a run of it can stop anywhere and go on, bit for bit.

What is drawn in an epoch depends on the seed, the split and the epoch alone. N states, of which T train and the others
calibrate.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import require, rng
from steelyard.core.model_files import file_errors, read_tensors
from steelyard.guard.sdm import (
    SDM,
    Adaptor,
    Awareness,
    Distances,
    Region,
    SDMHead,
    Support,
    log_sdm,
    loss_of,
    softmax_awareness,
)
from steelyard.learner.fitting import restore_tensors, tensors_of

TENSORS = "sdm.safetensors"


@dataclass
class SDMFit:
    """A fit under way."""

    method: SDM
    state_ND: Float[Tensor, "N D"]
    label_N: Int64[Tensor, "N"]
    seed: int
    limit: int | None = None
    """Most epochs to make; None for all."""
    steps: int = 0
    """Epochs that are made."""
    best: SDMHead | None = None
    best_loss: float = float("inf")
    """The lowest calibration loss, the mean of classes."""
    _adaptor: Adaptor = field(init=False)
    _adam: torch.optim.Adam = field(init=False)

    def __post_init__(self) -> None:
        classes = int(self.label_N.max()) + 1 if len(self.label_N) else 0
        hint = "give states of two classes, more than one of each"
        enough = classes > 1 and int(self.label_N.bincount().min()) > 1
        require(enough, "there is too little to learn from", where="sdm", hint=hint)
        what = f"is {self.method.level}, and a ruling of even odds is no ruling"
        require(self.method.level > 0.5, what, where="sdm.level", hint="use more than .5")
        self._classes = classes
        self.shift_2D = torch.stack([self.state_ND.mean(0), self.state_ND.std(0).clamp(min=1e-6)])
        self._scaled_ND = (self.state_ND - self.shift_2D[0]) / self.shift_2D[1]
        self._begin()

    @property
    def num_steps(self) -> int:
        """Epochs of all splits."""
        return self.limit or self.method.splits * self.method.epochs

    def run(self) -> SDMHead:
        """Make all steps that are left."""
        while self.steps < self.num_steps:
            self.step()
        return self.kept()

    def kept(self) -> SDMHead:
        """The best head by now; before the first epoch one that has learned nothing."""
        if self.best is None:
            self._keep(*self._parts(0))
        assert self.best is not None
        return self.best

    def step(self) -> float:
        """Make an epoch; returns its mean loss."""
        split, epoch = divmod(self.steps, self.method.epochs)
        if not epoch:
            self._begin()
        if not self.steps:
            self.best, self.best_loss = None, float("inf")
        train, held = self._parts(split)
        known = self._awareness(train) if epoch else softmax_awareness(len(train))
        order = torch.from_numpy(rng(self.seed, "sdm", split, epoch).permutation(len(train)))
        total = 0.0
        for of in order.split(self.method.batch):
            _, logit_BC = self._adaptor(self._scaled_ND[train[of]])
            part = Awareness(known.similarity_N[of], known.distance_N[of])
            loss = loss_of(logit_BC, part, self.label_N[train[of]]).mean()
            self._adam.zero_grad()
            loss.backward()
            self._adam.step()
            total += float(loss.detach()) * len(of)
        self.steps += 1
        self._keep(train, held)
        return total / len(train)

    def _begin(self) -> None:
        split = min(self.steps // self.method.epochs, self.method.splits - 1)
        units = self.state_ND.shape[1]
        self._adaptor = Adaptor(units, self.method.filters, self._classes, self.seed * 1000 + split)
        self._adam = torch.optim.Adam(self._adaptor.parameters(), lr=self.method.learning_rate)

    def _parts(self, split: int) -> tuple[Int64[Tensor, "T"], Int64[Tensor, "K"]]:
        """Places of training and of calibration states: of every class its share, at least one on each side."""
        train, held = [], []
        for c in range(self._classes):
            of = (self.label_N == c).nonzero().flatten().numpy()
            shuffled = torch.from_numpy(rng(self.seed, "sdm", "split", split, c).permutation(of))
            number = min(max(round(self.method.calibration * len(of)), 1), len(of) - 1)
            held.append(shuffled[:number])
            train.append(shuffled[number:])
        return torch.cat(train), torch.cat(held)

    @torch.no_grad()
    def _awareness(self, train: Int64[Tensor, "T"]) -> Awareness:
        """Of training states, none of which is its own neighbour."""
        distilled_TM, logit_TC = self._adaptor(self._scaled_ND[train])
        predicted_T = logit_TC.argmax(-1)
        near = Support(distilled_TM, self.label_N[train], predicted_T).near(distilled_TM, predicted_T, themselves=True)
        similarity_T, nearest_T = near
        known = Distances.of(nearest_T, similarity_T, self.label_N[train], self._classes)
        return Awareness(similarity_T, known.quantile(nearest_T))

    def _calibrated(self, similarity_K: Float[Tensor, "K"], distance_K: Float[Tensor, "K"]) -> Awareness:
        """Of calibration states."""
        return Awareness(similarity_K, distance_K)

    @torch.no_grad()
    def _keep(self, train: Int64[Tensor, "T"], held: Int64[Tensor, "K"]) -> None:
        """Remember the head, where its calibration loss is the lowest so far."""
        distilled_TM, logit_TC = self._adaptor(self._scaled_ND[train])
        support = Support(distilled_TM, self.label_N[train], logit_TC.argmax(-1))
        distilled_KM, logit_KC = self._adaptor(self._scaled_ND[held])
        similarity_K, nearest_K = support.near(distilled_KM, logit_KC.argmax(-1))
        label_K = self.label_N[held]
        distances = Distances.of(nearest_K, similarity_K, label_K, self._classes)
        known = self._calibrated(similarity_K, distances.quantile(nearest_K))
        loss_K = loss_of(logit_KC, known, label_K)
        loss = float(torch.stack([loss_K[label_K == c].mean() for c in range(self._classes)]).mean())
        if loss < self.best_loss:
            self.best_loss = loss
            kept = Adaptor(self.state_ND.shape[1], self.method.filters, self._classes, 0).requires_grad_(False)
            kept.load_state_dict(self._adaptor.state_dict())
            region = Region.of(log_sdm(logit_KC, known).exp(), similarity_K, label_K, self.method.level)
            self.best = SDMHead(self.shift_2D, kept, support, distances, region)

    def save(self, directory: Path) -> None:
        """Write all that `restore` needs."""
        from safetensors.torch import save_file

        own = {f"now.{name}": tensor for name, tensor in tensors_of(self._adaptor, self._adam).items()}
        own |= {f"best.{name}": tensor.contiguous() for name, tensor in self.kept().tensors().items()}
        own |= {"steps": torch.tensor(self.steps), "best_loss": torch.tensor(self.best_loss, dtype=torch.float64)}
        save_file(own, directory / TENSORS)

    def restore(self, directory: Path) -> None:
        """Go on from what `save` wrote.

        Raises:
            SteelyardError: it is missing, damaged, or of another fit.
        """
        with file_errors("holds no fit of this head", where=str(directory), hint="go on from another checkpoint"):
            tensors = read_tensors(directory / TENSORS)
            now = {name.removeprefix("now."): t for name, t in tensors.items() if name.startswith("now.")}
            best = {name.removeprefix("best."): t for name, t in tensors.items() if name.startswith("best.")}
            self.steps = int(tensors["steps"])
            self._begin()
            restore_tensors(self._adaptor, self._adam, now)
            self.best, self.best_loss = self.method.restored(best), float(tensors["best_loss"])
