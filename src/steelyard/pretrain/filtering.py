"""Dataset filtering: leave out documents whose mean score is too high.

    keep x if mean_i score(x_i) <= threshold,    x_i the segments of document x

P prompts, G samples per prompt, T steps: the rest is trained on by plain likelihood (`SFT`), P documents at G = 1.
Source: as in Korbak et al. 2023, arXiv:2302.08582.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import method, require
from steelyard.pretrain.document import Document, Preparation


@method(
    "filtering",
    paper="arXiv:2302.08582",
    claim="the simplest remedy: less undesirable text, at the price of the documents lost",
)
@dataclass(frozen=True)
class Filtering(Preparation):
    """Leave out documents whose mean score is above a threshold."""

    threshold: float = 0.00078
    """Highest mean score of a document that is kept; the paper's for a toxicity classifier."""

    @property
    def needs_scores(self) -> bool:
        """Yes."""
        return True

    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        """The documents that stay, in their order.

        Raises:
            SteelyardError: none stays.
        """
        kept = [document for document in documents if document.score <= self.threshold]
        what = f"none of {len(documents)} documents has a mean score of {self.threshold} or less"
        require(bool(kept), what, where="--threshold", hint="raise it")
        return kept
