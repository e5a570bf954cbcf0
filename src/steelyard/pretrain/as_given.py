"""Documents as they are: nothing is left out and nothing added, the baseline of every preparation.

    prepared = documents

Plain likelihood (`SFT`) of these is ordinary pretraining, which papers of this room compare with. No paper.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import method
from steelyard.pretrain.document import Document, Preparation


@method("as-given", claim="nothing: the baseline that other preparations are compared with")
@dataclass(frozen=True)
class AsGiven(Preparation):
    """Documents stay as they are."""

    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        """The documents."""
        return [*documents]
