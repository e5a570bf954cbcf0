"""Pretraining with human preferences by conditional training: a control tag before each segment says how it scores.

Differs: control tags are not banned while sampling. Sample one segment at a time, or ban them in the sampler.

    c(x_i) = <|aligned|> if score(x_i) <= threshold, else <|misaligned|>;    no tag for a share of the segments
    L      = - sum_i log pi(c(x_i), x_i | c(x_1), x_1, ..., c(x_i-1), x_i-1)

P prompts, G samples per prompt, T steps: here P documents, G = 1, and all tokens but the first are steps. x_i are a
document's segments. L is plain likelihood (`SFT`) of the tagged documents, tags included. No data is discarded: the
model also learns what is undesirable and its tag, and a sample that begins with <|aligned|> avoids it.
The other objectives of the paper: `SFT` (MLE), `Filtering`, `Unlikelihood`, `AWR` and `RWR`.
Source: Korbak et al. 2023, arXiv:2302.08582, and its code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from steelyard.core import Share, method, require, rng
from steelyard.pretrain.document import Document, Preparation, Segment


@method(
    "phf",
    paper="arXiv:2302.08582",
    claim="undesirable text falls up to tenfold, more than by fine-tuning after pretraining",
)
@dataclass(frozen=True)
class PHF(Preparation):
    """Conditional training: each segment after a tag that says whether it is desirable."""

    threshold: float = 0.00056
    """A segment with a higher score is misaligned; the paper's for a toxicity classifier."""
    untagged: Share = 0.01
    """Share of the segments that get no tag, so that the model can also go on without one."""
    aligned: str = "<|aligned|>"
    """The tag of a desirable segment; sample after it."""
    misaligned: str = "<|misaligned|>"
    """The tag of an undesirable segment."""
    seed: Annotated[int, tyro.conf.arg(name="untagged-seed")] = 0
    """Seed of the choice of segments without a tag."""

    def __post_init__(self) -> None:
        same = self.aligned == self.misaligned
        require(not same, f"both tags are {self.aligned!r}", where="phf.aligned", hint="use two tags")

    @property
    def tags(self) -> tuple[str, ...]:
        """Both tags, that of desirable segments first."""
        return (self.aligned, self.misaligned)

    @property
    def needs_scores(self) -> bool:
        """Yes."""
        return True

    def present(self, documents: Sequence[Document]) -> list[Document]:
        """The documents with a tag before every segment."""
        return [Document(tuple(self._tagged(s, 1.0) for s in d.segments)) for d in documents]

    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        """The documents with a tag before each segment but a few; a tag has the score of its segment."""
        draws = rng(self.seed, "phf")
        return [Document(tuple(self._tagged(s, draws.random()) for s in d.segments)) for d in documents]

    def _tagged(self, segment: Segment, draw: float) -> Segment:
        tag = self.aligned if segment.score <= self.threshold else self.misaligned
        return segment if draw < self.untagged else Segment(tag + segment.text, segment.score)
