"""The verdicts of all proofs together: corrected for their number, and replicated.

    q_(i) = min over j >= i of p_(j) m / j        m proofs, p_(1) <= ... <= p_(m)

A proof is *shown* where its first block shows every claim, its adjusted p-value q is at most .10, and the later block
shows every claim again. A proof without a p-value counts among the m with p = 1. It is *refuted* where the whole
interval of one claim lies below what was claimed, in the first block. Proofs that are shown or refuted are decided: the
others could come out either way.
Source: Benjamini and Hochberg 1995.
"""

from collections.abc import Mapping
from typing import Literal

from steelyard.experiments.harness.proof_record import ProofRecord

Standing = Literal[
    "shown", "refuted", "not shown", "too noisy", "lost among many", "not yet replicated", "not replicated"
]
DECIDED: tuple[Standing, ...] = ("shown", "refuted")
FALSE_SHARE = 0.10
"""Of the proofs that are called shown, the share that may be chance."""


def adjusted(p: Mapping[str, float | None]) -> dict[str, float]:
    """Proof -> its p-value, adjusted for their number."""
    from scipy.stats import false_discovery_control

    if not p:
        return {}
    known = [1.0 if value is None else value for value in p.values()]
    return dict(zip(p, map(float, false_discovery_control(known, method="bh")), strict=True))


def standing_of(record: ProofRecord, adjusted_p: float) -> Standing:
    """What the proof comes to, among all."""
    if any(claim.refuted_by(found) for claim, found in zip(record.claims, record.first.claims, strict=True)):
        return "refuted"
    for verdict in ("not shown", "too noisy"):
        if record.first.verdict == verdict:
            return verdict
    if adjusted_p > FALSE_SHARE:
        return "lost among many"
    if record.later is None:
        return "not yet replicated"
    return "shown" if record.later.verdict == "shown" else "not replicated"


def standings(records: Mapping[str, ProofRecord]) -> dict[str, tuple[Standing, float]]:
    """Proof -> what it comes to and its adjusted p-value, from all records as they are."""
    found = adjusted({id: record.first.p for id, record in records.items()})
    return {id: (standing_of(record, found[id]), found[id]) for id, record in records.items()}


def changed_by_others(records: Mapping[str, ProofRecord]) -> dict[str, str]:
    """Proof -> what became of its verdict since it was published, where proofs that came later changed it."""
    told = {}
    for id, (standing, now) in standings(records).items():
        among = records[id].among
        if among is None or among.adjusted is None:
            continue
        then = standing_of(records[id], among.adjusted)
        if then != standing:
            told[id] = (
                f"{then} among {among.proofs} proofs (adjusted p {among.adjusted:.2g}), "
                f"{standing} among {len(records)} ({now:.2g})"
            )
    return told
