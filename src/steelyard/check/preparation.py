"""Checks for what prepares a corpus before a model is trained on it."""

import math
from collections.abc import Mapping
from types import MappingProxyType

from steelyard.check.verdict import Check, demand
from steelyard.pretrain import Document, Preparation, Segment


def _corpus(harm: float = 1.0) -> list[Document]:
    """Nine documents of three segments, from wholly harmless to wholly undesirable."""
    return [Document(tuple(Segment(f"d{i}s{j}. ", harm * float(j < i % 4)) for j in range(3))) for i in range(9)]


def prepared_documents(preparation: Preparation) -> None:
    """What comes is documents, of at least one segment each, with finite scores."""
    prepared = preparation.prepare(_corpus())
    demand(len(prepared) > 0, "nothing is left of nine documents")
    for document in prepared:
        demand(len(document.segments) > 0, "a document has no segments")
        demand(all(math.isfinite(segment.score) for segment in document.segments), "a score is not finite")


def prepared_repeatable(preparation: Preparation) -> None:
    """Two calls agree, and the corpus is only read."""
    corpus = _corpus()
    demand(preparation.prepare(corpus) == preparation.prepare(_corpus()), "two calls differ")
    demand(corpus == _corpus(), "the corpus is changed")


def prepared_harmless(preparation: Preparation) -> None:
    """Of a corpus without harm no text is lost, and the documents stay in order."""
    corpus = _corpus(harm=0.0)
    prepared = preparation.prepare(corpus)
    demand(len(prepared) == len(corpus), f"of {len(corpus)} harmless documents {len(prepared)} are left")
    for before, after in zip(corpus, prepared, strict=True):
        kept = all(segment.text in after.text for segment in before.segments)
        demand(kept, f"{after.text[:40]!r} stands where {before.text[:40]!r} was")


PREPARATION_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "prepared-documents": prepared_documents,
        "prepared-repeatable": prepared_repeatable,
        "prepared-harmless": prepared_harmless,
    }
)
