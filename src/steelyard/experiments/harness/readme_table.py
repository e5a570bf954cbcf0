"""The README's table of proofs: each method, what its paper claims, against what, and the verdict among all proofs."""

from collections.abc import Iterator

from steelyard.core import find, require
from steelyard.experiments.harness.card_text import claim_of
from steelyard.experiments.harness.evidence import verdicts
from steelyard.experiments.harness.standing import standings
from steelyard.experiments.harness.table import markdown

BEGIN = "<!-- proofs: written by steelyard prove --publish -->"
END = "<!-- end of proofs -->"


def renewed(text: str) -> str:
    """The README with the table of today between its two marks.

    Raises:
        SteelyardError: a mark is missing.
    """
    marked = BEGIN in text and END in text
    require(marked, "has no place for the table of proofs", where="README.md", hint=f"write {BEGIN} and {END}")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def table() -> str:
    """A row for each proof."""
    return markdown(("method", "what its paper claims", "against", "verdict"), _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    found = standings(verdicts())
    for id, record in verdicts().items():
        against = dict.fromkeys(claim.baseline for claim in record.claims if isinstance(claim.baseline, str))
        yield f"`{id}`", claim_of(find(id)), ", ".join(against), found[id][0]
