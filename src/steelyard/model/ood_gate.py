"""A gate that knows one kind of prompt alone: how near a prompt is to those of a request, as a weight from 0 to 1.

    f_l    = mean over the prompt's tokens of layer l of an encoder, l = 1 ... L
    s_l(x) = 1/2 (f_l - mu_l)' S_l^-1 (f_l - mu_l) - 1000 max_j cos(f_l, f_l(x_j))      x_j: the fitted prompts
    score  = w . s,   w of a one-class support vector machine on s(x_j)  (model/one_class.py)
    F      = 1/2 Phi((score - m_1) / d_1) + 1/2 Phi((score - m_2) / d_2),    x_0 = (m_1 + m_2) / 2
    weight = sigma(10 (1 - |F(score) - F(2 x_0 - score)|) - 2);    0 where it is at most `threshold`

m, d are mean and deviation of the scores of the prompts that it was fitted on (1) and of others of the same request
that were held out (2). The weight is greatest at x_0 and falls to both sides; with `sides` one, prompts whose score is
above x_0 count as x_0, since nothing can be too near. S_l is shrunk towards a multiple of the identity. A pass without
any token of a prompt finds the weight 0. All of it is computed in double precision: where a request has few prompts, d
is small beside 1000 times the rounding of a cosine, and a row's weight would depend on its company. N rows, T tokens,
K fitted prompts, L layers, E numbers of a layer.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor
from torch.nn.functional import normalize

from steelyard.core import require
from steelyard.model.encoder import Encoder, EncoderSizes
from steelyard.model.intervention import Pass
from steelyard.model.one_class import fit_one_class

GAMMA = 1000.0
"""Weight of the cosine beside the squared distance."""
STEEPNESS = 10.0
OFFSET = 2.0
Sides = Literal["two", "one"]
ENCODER = "encoder/"
FACTS = ("mean_LE", "precision_LEE", "known_LKE", "direction_L", "normal_22")


@dataclass(frozen=True)
class OODGate:
    """A fitted gate."""

    encoder: Encoder
    """In double precision and evaluation mode; it reads the model's tokens."""
    mean_LE: Float64[Tensor, "L E"]
    precision_LEE: Float64[Tensor, "L E E"]
    known_LKE: Float64[Tensor, "L K E"]
    """f of the prompts that it was fitted on, of length 1."""
    direction_L: Float64[Tensor, "L"]
    """w."""
    normal_22: Float64[Tensor, "2 2"]
    """m and d of fitted prompts, then of held-out ones."""
    threshold: float
    sides: Sides

    @torch.no_grad()
    def weight(self, reads: Pass) -> Float64[Tensor, "N"]:
        """How near each row's prompt is; 0 where the pass has no token of it."""
        read_N = reads.prompt_NT.any(1)
        weight_N = torch.zeros(len(read_N), dtype=torch.float64)
        if bool(read_N.any()):
            tokens_NT, prompt_NT = (x[read_N].to(self.mean_LE.device) for x in (reads.tokens_NT, reads.prompt_NT))
            state_LNE = torch.stack(layer_means(self.encoder, tokens_NT, prompt_NT)[1:])
            weight_N[read_N.cpu()] = self.weight_of(self.scores(state_LNE)).cpu()
        return weight_N.to(reads.tokens_NT.device)

    def scores(self, state_LNE: Float64[Tensor, "L N E"]) -> Float64[Tensor, "N"]:
        """w . s of prompts with these states: larger is nearer."""
        return distances(state_LNE, self.mean_LE, self.precision_LEE, self.known_LKE) @ self.direction_L

    def weight_of(self, score_N: Float64[Tensor, "N"]) -> Float64[Tensor, "N"]:
        """The weight of scores."""
        weight_N = weight_of(score_N, self.normal_22, self.sides)
        return weight_N * (weight_N > self.threshold)

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Its numbers."""
        own = {f"{ENCODER}{name}": p.detach().float() for name, p in self.encoder.named_parameters()}
        return own | {name: getattr(self, name) for name in FACTS}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], sizes: EncoderSizes, threshold: float, sides: Sides) -> "OODGate":
        """The gate that had these `tensors`, and an encoder of these sizes."""
        with torch.random.fork_rng(devices=[]):
            encoder = Encoder(sizes)
        weights = {name.removeprefix(ENCODER): t for name, t in tensors.items() if name.startswith(ENCODER)}
        encoder.load_state_dict(weights, strict=False)  # the head is tied to the embeddings
        facts = {name: tensors[name] for name in FACTS}
        return cls(encoder.double().eval(), threshold=threshold, sides=sides, **facts)


def settle(
    encoder: Encoder,
    fitted: Sequence[Sequence[int]],
    held_out: Sequence[Sequence[int]],
    *,
    nu: float,
    shrinkage: float,
    threshold: float,
    sides: Sides,
) -> OODGate:
    """The gate of an encoder that is trained: all that is computed from the prompts' states.

    Raises:
        SteelyardError: there is no prompt to fit on, or none that is held out.
    """
    for name, rows in (("to fit on", fitted), ("that is held out", held_out)):
        require(bool(rows), f"there is no prompt {name}", where="gate", hint="give more prompts")
    encoder = encoder.double().eval()
    state_LKE, other_LNE = (states_of(encoder, rows) for rows in (fitted, held_out))
    mean_LE = state_LKE.mean(1)
    precision_LEE = torch.linalg.inv(shrunk_covariance(state_LKE, shrinkage))
    known_LKE = normalize(state_LKE, dim=-1)
    distance_KL, distance_NL = (distances(x, mean_LE, precision_LEE, known_LKE) for x in (state_LKE, other_LNE))
    direction_L = fit_one_class(distance_KL, nu)
    direction_L = direction_L / direction_L.norm()
    normal_22 = torch.stack([_normal(distance @ direction_L) for distance in (distance_KL, distance_NL)])
    return OODGate(encoder, mean_LE, precision_LEE, known_LKE, direction_L, normal_22, threshold, sides)


def weight_of(score_N: Float64[Tensor, "N"], normal_22: Float64[Tensor, "2 2"], sides: Sides) -> Float64[Tensor, "N"]:
    """The weight of scores before the threshold."""
    middle = normal_22[:, 0].mean()
    score_N = score_N.clamp(max=float(middle)) if sides == "one" else score_N
    apart_N = (_mixture(score_N, normal_22) - _mixture(2 * middle - score_N, normal_22)).abs()
    return torch.sigmoid(STEEPNESS * (1 - apart_N) - OFFSET)


def distances(
    state_LNE: Float64[Tensor, "L N E"],
    mean_LE: Float64[Tensor, "L E"],
    precision_LEE: Float64[Tensor, "L E E"],
    known_LKE: Float64[Tensor, "L K E"],
) -> Float64[Tensor, "N L"]:
    """s of each row at each layer: larger is farther."""
    apart_LNE = state_LNE - mean_LE[:, None]
    far_LN = torch.einsum("lne,lef,lnf->ln", apart_LNE, precision_LEE, apart_LNE)
    near_LN = torch.einsum("lne,lke->lnk", normalize(state_LNE, dim=-1), known_LKE).amax(-1)
    return (far_LN / 2 - GAMMA * near_LN).T


def shrunk_covariance(state_LKE: Float64[Tensor, "L K E"], shrinkage: float) -> Float64[Tensor, "L E E"]:
    """The covariance of each layer, a share of it replaced by the mean variance in all directions."""
    apart_LKE = state_LKE - state_LKE.mean(1, keepdim=True)
    covariance_LEE = torch.einsum("lke,lkf->lef", apart_LKE, apart_LKE) / state_LKE.shape[1]
    variance_L = covariance_LEE.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)
    identity_EE = torch.eye(state_LKE.shape[2], dtype=torch.float64)
    return (1 - shrinkage) * covariance_LEE + shrinkage * variance_L[:, None, None] * identity_EE


def layer_means(encoder: Encoder, tokens_NT: Int[Tensor, "N T"], attend_NT: Tensor) -> list[Float[Tensor, "N E"]]:
    """The mean over each row's tokens of the embeddings, and then of the state after each layer."""
    found: list[Tensor] = []
    share_NT1 = (attend_NT / attend_NT.sum(1, keepdim=True).clamp(min=1))[..., None]

    def keep(_: object, __: object, output: Tensor | tuple[Tensor, object]) -> None:
        hidden_NTE = output[0] if isinstance(output, tuple) else output
        found.append((hidden_NTE * share_NT1).sum(1))

    places = [encoder.model.embeddings, *encoder.model.layers]
    hooks = [place.register_forward_hook(keep) for place in places]
    try:
        encoder.hidden(tokens_NT, attend_NT.long())
    finally:
        for hook in hooks:
            hook.remove()
    return found


@torch.no_grad()
def states_of(encoder: Encoder, rows: Sequence[Sequence[int]]) -> Float64[Tensor, "L N E"]:
    """f of prompts at each layer."""
    return torch.stack(layer_means(encoder, *padded(rows))[1:])


def padded(rows: Sequence[Sequence[int]]) -> tuple[Int[Tensor, "N T"], Tensor]:
    """Rows of tokens, padded behind, and where they are real."""
    longest = max(map(len, rows))
    tokens_NT = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    return tokens_NT, torch.arange(longest) < torch.tensor([len(row) for row in rows])[:, None]


def _mixture(score_N: Float64[Tensor, "N"], normal_22: Float64[Tensor, "2 2"]) -> Float64[Tensor, "N"]:
    z_N2 = (score_N[:, None] - normal_22[:, 0]) / normal_22[:, 1]
    return torch.special.ndtr(z_N2).mean(1)


def _normal(score_N: Float64[Tensor, "N"]) -> Float64[Tensor, "2"]:
    """Mean and deviation; the deviation of one score, or of equal ones, is small, and not 0."""
    deviation = float(score_N.std(correction=0))
    return torch.tensor([float(score_N.mean()), max(deviation, 1e-3 * math.sqrt(GAMMA))], dtype=torch.float64)
