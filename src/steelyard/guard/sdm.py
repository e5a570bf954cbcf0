"""SDM: a softmax that knows the training states near a text, rules where they agree, and abstains elsewhere.

Differs: the adaptor is one linear layer, which is what the authors' convolution over the whole state is; defaults are
smaller than theirs (1000 filters, 200 epochs, 10 splits), which were for 18 thousand texts. Left out: the error of the
eCDFs by effective sample size, and the learned transform of the first paper, of which we have the abstract alone.

    h' = A h + a,   z = W h' + b,   y^ = argmax z            h the frozen state of a text, standardized
    q  = how many training states in a row, from the nearest on, are rightly predicted and as y^ says
    d  = min_c 1 - eCDF_c(distance of the nearest),     eCDF_c over calibration states of class c with q > 0
    SDM_c = (2 + q)^(d z_c) / sum_k (2 + q)^(d z_k),    L = -mean log_(2+q) SDM_y
    q' = min(q, (2 + q)^SDM_y^)
    admitted where q' >= q'_min and SDM_y^ >= psi_y^: q'_min is the least q' > 0 of calibration states from which on
               every psi_c, the 1 - level quantile of SDM_c over those of class c, is at least `level`

The first epoch has q = e - 2 and d = 1, a softmax; later ones have those of the epoch before, where a training state
is not its own neighbour, and eCDF_c is over training states. Kept is the epoch of the split whose calibration loss, the
mean of classes, is least. Where no q'_min is found, everything is abstained from. N states, D and M units, C classes.
Source: Schmaltz 2025, arXiv:2509.12760 sections 3.1 and 3.2, read there; for verification arXiv:2502.20167.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from steelyard.core import Positive, PositiveInt, ShareInside, checked, derive, method
from steelyard.guard.base import Ruling

E_MINUS_2 = math.e - 2


@dataclass(frozen=True)
class Awareness:
    """What is known of states beside the logits."""

    similarity_N: Float[Tensor, "N"]
    """q."""
    distance_N: Float[Tensor, "N"]
    """d, from 0, farther than any state that was seen, to 1."""


@dataclass(frozen=True)
class SelectiveRuling(Ruling):
    """A ruling that says where it can be relied upon."""

    admitted_N: Bool[Tensor, "N"] | None = None
    """False where the guard abstains."""


class Adaptor(nn.Module):
    """A and W."""

    def __init__(self, units: int, filters: int, classes: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "sdm"))
            self.distil = nn.Linear(units, filters)
            self.decide = nn.Linear(filters, classes)

    def forward(self, state_ND: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N M"], Float[Tensor, "N C"]]:
        """h' and z."""
        distilled_NM = self.distil(state_ND)
        return distilled_NM, self.decide(distilled_NM)


def log_sdm(logit_NC: Float[Tensor, "N C"], known: Awareness) -> Float[Tensor, "N C"]:
    """log SDM in base e."""
    scale_N = known.distance_N * torch.log(2 + known.similarity_N)
    return torch.log_softmax(logit_NC * scale_N[:, None], -1)


def loss_of(logit_NC: Float[Tensor, "N C"], known: Awareness, label_N: Int64[Tensor, "N"]) -> Float[Tensor, "N"]:
    """-log SDM of the true class, in base 2 + q."""
    true_N = log_sdm(logit_NC, known).gather(1, label_N[:, None]).squeeze(1)
    return -true_N / torch.log(2 + known.similarity_N)


def softmax_awareness(number: int) -> Awareness:
    """With these SDM is softmax."""
    return Awareness(torch.full((number,), E_MINUS_2), torch.ones(number))


@dataclass(frozen=True)
class Support:
    """The training states, as the adaptor has them, and what it said of them."""

    distilled_TM: Float[Tensor, "T M"]
    label_T: Int64[Tensor, "T"]
    predicted_T: Int64[Tensor, "T"]

    def near(
        self, distilled_NM: Float[Tensor, "N M"], predicted_N: Int64[Tensor, "N"], *, themselves: bool = False
    ) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
        """q, and the distance of the nearest; `themselves` says that the states are the support's, in its order."""
        apart_NT = torch.cdist(distilled_NM, self.distilled_TM)
        if themselves:
            apart_NT.fill_diagonal_(torch.inf)
        agrees_NT = (self.predicted_T == self.label_T) & (self.predicted_T == predicted_N[:, None])
        nearest_N, _ = apart_NT.min(1)
        against_NT = torch.where(agrees_NT, torch.inf, apart_NT)
        first_N, _ = against_NT.min(1)  # how many stand nearer than the first that does not agree
        return (agrees_NT & (apart_NT < first_N[:, None])).sum(1).float(), nearest_N


@dataclass(frozen=True)
class Distances:
    """eCDF_c: the distances that states of each class have from the nearest training state, sorted."""

    of_class: tuple[Float[Tensor, "_"], ...]

    @classmethod
    def of(
        cls, nearest_N: Float[Tensor, "N"], similarity_N: Float[Tensor, "N"], label_N: Int64[Tensor, "N"], classes: int
    ) -> "Distances":
        """Those of states with q > 0."""
        chosen = [(label_N == c) & (similarity_N > 0) for c in range(classes)]
        return cls(tuple(nearest_N[of].sort().values for of in chosen))

    def quantile(self, nearest_N: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
        """d; 0 where a class has no distances."""
        each = [
            1 - torch.searchsorted(known, nearest_N) / len(known) if len(known) else torch.zeros_like(nearest_N)
            for known in self.of_class
        ]
        return torch.stack(each).min(0).values


@dataclass(frozen=True)
class Region:
    """Where rulings are admitted."""

    least: float
    """q'_min; infinite where there is none."""
    threshold_C: Float[Tensor, "C"]
    """psi."""

    @classmethod
    def of(
        cls, sdm_NC: Float[Tensor, "N C"], similarity_N: Float[Tensor, "N"], label_N: Int64[Tensor, "N"], level: float
    ) -> "Region":
        """The largest region of calibration states in which every class keeps the level."""
        rescaled_N = rescaled(sdm_NC, similarity_N)
        classes = sdm_NC.shape[1]
        true_N = sdm_NC.gather(1, label_N[:, None]).squeeze(1)
        for least in rescaled_N[rescaled_N > 0].unique().tolist():
            inside_N = rescaled_N >= least
            held = [true_N[inside_N & (label_N == c)] for c in range(classes)]
            if not all(map(len, held)):
                break
            threshold_C = torch.stack([quantile(values, 1 - level) for values in held])
            if bool((threshold_C >= level).all()):
                return cls(least, threshold_C)
        return cls(math.inf, torch.full((classes,), math.inf))

    def admits(self, sdm_NC: Float[Tensor, "N C"], similarity_N: Float[Tensor, "N"]) -> Bool[Tensor, "N"]:
        """True where a ruling can be relied upon."""
        top_N, class_N = sdm_NC.max(1)
        return (rescaled(sdm_NC, similarity_N) >= self.least) & (top_N >= self.threshold_C[class_N])


def rescaled(sdm_NC: Float[Tensor, "N C"], similarity_N: Float[Tensor, "N"]) -> Float[Tensor, "N"]:
    """q'."""
    return torch.minimum(similarity_N, (2 + similarity_N) ** sdm_NC.max(1).values)


def quantile(values_K: Float[Tensor, "K"], share: float) -> Float[Tensor, ""]:
    """The value with this share of the others below it."""
    return values_K.sort().values[min(int(share * len(values_K)), len(values_K) - 1)]


@dataclass(frozen=True)
class SDMHead:
    """A fitted adaptor with its training states, distances and region."""

    shift_2D: Float[Tensor, "2 D"]
    """Mean and standard deviation of the states it was fitted on."""
    adaptor: Adaptor
    support: Support
    distances: Distances
    region: Region

    @torch.no_grad()
    def read(self, state_ND: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N C"], Awareness]:
        """SDM of each class, and what it rests on."""
        distilled_NM, logit_NC = self.adaptor((state_ND.float() - self.shift_2D[0]) / self.shift_2D[1])
        similarity_N, nearest_N = self.support.near(distilled_NM, logit_NC.argmax(-1))
        known = Awareness(similarity_N, self.distances.quantile(nearest_N))
        return log_sdm(logit_NC, known).exp(), known

    def rule(self, state_ND: Float[Tensor, "N D"]) -> SelectiveRuling:
        """SDM of class 1 as the probability of harm, and where it is admitted."""
        sdm_NC, known = self.read(state_ND)
        return SelectiveRuling(sdm_NC[:, 1], state_ND, None, self.region.admits(sdm_NC, known.similarity_N))

    @property
    def num_parameters(self) -> int:
        """Of the adaptor, and of the states that a text is compared with."""
        return sum(p.numel() for p in self.adaptor.parameters()) + self.support.distilled_TM.numel()

    def tensors(self) -> dict[str, Tensor]:
        """All that it is."""
        support, region = self.support, self.region
        own = {f"adaptor.{name}": tensor for name, tensor in self.adaptor.state_dict().items()}
        own |= {f"distances.{c}": known for c, known in enumerate(self.distances.of_class)}
        own |= {"shift_2D": self.shift_2D, "distilled_TM": support.distilled_TM, "label_T": support.label_T}
        own |= {"predicted_T": support.predicted_T, "threshold_C": region.threshold_C}
        return own | {"least": torch.tensor(region.least)}


@method(
    "sdm",
    paper="arXiv:2502.20167",
    claim="Accuracy of what is admitted stays at the chosen level out of distribution: it abstains, not misjudges.",
)
@checked()
@dataclass(frozen=True)
class SDM:
    """Settings of an SDM head."""

    level: ShareInside = 0.95
    """alpha: the accuracy that what is admitted should have, above 1/2."""
    filters: PositiveInt = 64
    """Units of the adaptor, M."""
    splits: PositiveInt = 3
    """Splits into training and calibration states; the best is kept."""
    calibration: ShareInside = 0.5
    """Share of the states that calibrate."""
    epochs: PositiveInt = 30
    """Passes over the training states of each split."""
    batch: PositiveInt = 50
    """States in a step of Adam."""
    learning_rate: Positive = 3e-3
    """Adam's learning rate."""

    def restored(self, tensors: Mapping[str, Tensor]) -> SDMHead:
        """The head that had these tensors.

        Raises:
            KeyError, RuntimeError: they are of another head.
        """
        own = {name.removeprefix("adaptor."): t for name, t in tensors.items() if name.startswith("adaptor.")}
        filters, units = own["distil.weight"].shape
        adaptor = Adaptor(units, filters, len(own["decide.bias"]), 0)
        adaptor.load_state_dict(own)
        support = Support(tensors["distilled_TM"], tensors["label_T"], tensors["predicted_T"])
        distances = Distances(tuple(tensors[f"distances.{c}"] for c in range(len(own["decide.bias"]))))
        region = Region(float(tensors["least"]), tensors["threshold_C"])
        return SDMHead(tensors["shift_2D"], adaptor.requires_grad_(False), support, distances, region)
