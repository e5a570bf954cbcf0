"""A gate on the token n-grams of a prompt: logistic regression, which learns from prompts of two kinds.

    score(x) = sigma(bias + sum_g weight[hash(g)] / sqrt(G))        g: the G n-grams of 1 to `longest` tokens of x
    L        = mean over classes of mean over x of CE(class(x), score(x)) + penalty |weight|^2 / 2
    open     = [score > threshold]

Beside the second kind stands each prompt of both kinds once more, its tokens in another order: the gate opens to what
tokens say together, and stays closed to a prompt that is like none it was shown. Other words for the same may be such.
Hashes fall into 2^14 buckets, so two n-grams may share a weight. Both classes weigh alike, however many prompts they
have. N rows, T tokens, B buckets. No paper; ECO (arXiv:2406.07933) fine-tunes an encoder for this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from steelyard.core import require, rng
from steelyard.model.intervention import Pass

BUCKETS = 2**14
_MULTIPLIER = 6364136223846793005
"""Of a linear congruential generator (Knuth); products wrap around at 64 bits."""


@dataclass(frozen=True)
class NgramGate:
    """A fitted gate."""

    weight_B: Float[Tensor, "B"]
    """One weight for each bucket."""
    bias: Float[Tensor, ""]
    longest: int
    """Tokens of the longest n-gram."""
    threshold: float = 0.5

    def score(self, reads: Pass) -> Float[Tensor, "N"]:
        """The chance that each row's prompt is of the first kind; 0 where the pass has no token of it."""
        prompt_NT = reads.prompt_NT
        place_NTG, known_NTG = ngrams(reads.tokens_NT, prompt_NT, self.longest)
        weight_NTG = self.weight_B.to(place_NTG.device)[place_NTG] * known_NTG
        number_N = known_NTG.sum((1, 2))
        logit_N = self.bias.to(weight_NTG) + weight_NTG.sum((1, 2)) / number_N.clamp(min=1).sqrt()
        return logit_N.sigmoid() * (number_N > 0)

    def opens(self, reads: Pass) -> Bool[Tensor, "N"]:
        """True where the score is above the threshold."""
        return self.score(reads) > self.threshold

    @property
    def tensors(self) -> Mapping[str, Tensor]:
        """Its numbers: the weights that are not 0, their buckets, and the bias."""
        used = self.weight_B.nonzero().flatten()
        return {"gate/bucket": used, "gate/weight": self.weight_B[used], "gate/bias": self.bias}

    @classmethod
    def restored(cls, tensors: Mapping[str, Tensor], longest: int, threshold: float) -> "NgramGate":
        """The gate that had these `tensors`."""
        weight_B = torch.zeros(BUCKETS, dtype=tensors["gate/weight"].dtype)
        weight_B[tensors["gate/bucket"]] = tensors["gate/weight"]
        return cls(weight_B, tensors["gate/bias"], longest, threshold)


def fit_gate(
    first: Sequence[Sequence[int]],
    second: Sequence[Sequence[int]],
    *,
    longest: int = 4,
    penalty: float = 1e-5,
    threshold: float = 0.5,
) -> NgramGate:
    """The gate that opens to prompts like the first and not to those like the second; their tokens are given.

    Raises:
        SteelyardError: there are none of one kind, or one is empty.
    """
    for name, rows in (("to open to", first), ("to stay closed to", second)):
        what = f"there is no prompt {name}" if not rows else "a prompt has no token"
        require(bool(rows) and all(map(len, rows)), what, where="gate", hint="give prompts of both kinds")
    second = [*second, *_shuffled([*first, *second], apart=first)]
    bag_NB = torch.cat([_bags(first, longest), _bags(second, longest)]).double()
    used_B = bag_NB.any(0)
    target_N = torch.tensor([1.0] * len(first) + [0.0] * len(second), dtype=torch.float64)
    class_N = torch.where(target_N == 1, 0.5 / len(first), 0.5 / len(second))
    weight = torch.zeros(int(used_B.sum()), dtype=torch.float64, requires_grad=True)
    bias = torch.zeros((), dtype=torch.float64, requires_grad=True)
    part_NU = bag_NB[:, used_B]
    solver = torch.optim.LBFGS([weight, bias], max_iter=200, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        told = binary_cross_entropy_with_logits(part_NU @ weight + bias, target_N, class_N, reduction="sum")
        whole = told + penalty / 2 * weight.square().sum()
        whole.backward()
        return whole

    solver.step(loss)  # pyright: ignore[reportArgumentType]
    weight_B = torch.zeros(BUCKETS)
    weight_B[used_B] = weight.detach().float()
    return NgramGate(weight_B, bias.detach().float(), longest, threshold)


def ngrams(
    tokens_NT: Int[Tensor, "N T"], counts_NT: Bool[Tensor, "N T"], longest: int
) -> tuple[Int[Tensor, "N T G"], Bool[Tensor, "N T G"]]:
    """The bucket of the n-gram of each length that ends at each token, and whether all of its tokens count."""
    places, known = [], []
    hash_NT = torch.zeros_like(tokens_NT, dtype=torch.int64)
    whole_NT = torch.ones_like(counts_NT)
    for back in range(longest):
        whole_NT = whole_NT & _earlier(counts_NT, back)
        hash_NT = (hash_NT + _earlier(tokens_NT.long(), back) + 1) * _MULTIPLIER + back
        places.append((hash_NT >> 40) % BUCKETS)
        known.append(whole_NT)
    return torch.stack(places, -1), torch.stack(known, -1)


def _earlier(x_NT: Tensor, back: int) -> Tensor:
    """What stands so many places earlier; zeros where there is nothing."""
    return torch.nn.functional.pad(x_NT, (back, 0))[:, : x_NT.shape[1]]


def _shuffled(rows: Sequence[Sequence[int]], apart: Sequence[Sequence[int]]) -> list[list[int]]:
    """Each row in another order, but for those that then are one of `apart`."""
    draws = rng(0, "ngram-gate")
    found = [[row[i] for i in draws.permutation(len(row)).tolist()] for row in rows]
    known = {tuple(row) for row in apart}
    return [row for row in found if tuple(row) not in known]


def _bags(rows: Sequence[Sequence[int]], longest: int) -> Float[Tensor, "N B"]:
    """What `score` multiplies the weights by."""
    bag_NB = torch.zeros(len(rows), BUCKETS)
    for bag_B, row in zip(bag_NB, rows, strict=True):
        tokens_1T = torch.tensor([[*row]])
        place_1TG, known_1TG = ngrams(tokens_1T, torch.ones_like(tokens_1T, dtype=torch.bool), longest)
        place_P = place_1TG[known_1TG]
        bag_B.index_add_(0, place_P, torch.ones(len(place_P)) / len(place_P) ** 0.5)
    return bag_NB
