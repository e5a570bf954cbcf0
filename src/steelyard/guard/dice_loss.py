"""Dice loss: learn the F1 of a rare class, with less weight on examples that are easy.

Differs: hard examples are not mined, as in the scripts of the released code. That code divides, for more than two
logits, what single examples give by what the whole batch gives, which neither form below does; we keep to the forms.
Unconfirmed: the exponent and the smoothing that the paper reports its numbers with; ours are the scripts'. Its Tversky
form, which weighs false positives and false negatives apart, is not built.

    pt_i     = (1 - p_i)^alpha p_i                                         p_i the probability of a class, y_i 0 or 1
    batch    L = sum over classes of 1 - (2 sum_i pt_i y_i + s) / (sum_i pt_i + sum_i y_i + s)
    example  L = sum over classes of mean_i 1 - (2 pt_i y_i + s) / (pt_i + y_i + s)

With `squared`, squares stand in the denominators. A batch without an example of a class still pushes it down. Texts or
tokens, N in all, C classes; labels that the encoder leaves out (-100) count nowhere. At alpha 0 it is the smoothed dice
loss, without adjustment. Thresholds are not tuned: who may tune one on held-out examples gains as much for any loss.
Source: Li et al. 2019, arXiv:1911.02855, and its released code.
"""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from steelyard.core import NonNegative, Positive, checked, method
from steelyard.model.encoder import IGNORED


@method(
    "dice-loss",
    paper="arXiv:1911.02855",
    claim="Where positives are rare, F1 is above that of cross-entropy, weighted or not, and of focal loss.",
)
@checked()
@dataclass(frozen=True)
class DiceLoss:
    """Self-adjusting dice."""

    alpha: NonNegative = 0.01
    """How much less an easy example weighs; 0 weighs all alike."""
    smooth: Positive = 1.0
    """s: what keeps an example without its class from having no loss."""
    form: Literal["batch", "example"] = "batch"
    """Whether a batch has one coefficient for each class, or each example has."""
    squared: bool = False
    """Squares in the denominators."""

    def __call__(self, logits: Float[Tensor, "*N C"], labels: Int[Tensor, "*N"]) -> Float[Tensor, ""]:
        """The loss of a batch of texts, [N, C], or of tokens, [N, T, C]."""
        kept = labels != IGNORED
        p_NC = logits[kept].softmax(-1)
        y_NC = one_hot(labels[kept], logits.shape[-1]).to(p_NC)
        pt_NC = (1 - p_NC).clamp(min=1e-7) ** self.alpha * p_NC
        sizes_NC = pt_NC.square() + y_NC if self.squared else pt_NC + y_NC
        if self.form == "batch":
            overlap_C, size_C = (pt_NC * y_NC).sum(0), sizes_NC.sum(0)
            return (1 - (2 * overlap_C + self.smooth) / (size_C + self.smooth)).sum()
        each_NC = 1 - (2 * pt_NC * y_NC + self.smooth) / (sizes_NC + self.smooth)
        return each_NC.sum(-1).mean() if len(each_NC) else logits.sum() * 0

    def over(self, labels: Int[Tensor, "*N"]) -> "DiceLoss":
        """The loss of batches of these labels: it needs nothing of them."""
        return self
