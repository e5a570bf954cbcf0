"""`steelyard prove ID`: a paper's claim, measured on this machine, with a verdict that can fail."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import tyro

from steelyard.check import import_rooms
from steelyard.cli.flags import parse
from steelyard.core import find, require
from steelyard.experiments.harness.proof_index import load, module_of, proof_modules
from steelyard.experiments.harness.proof_record import LEAST_SEEDS, ProofRecord, check_publishable, effect_of
from steelyard.experiments.harness.proving import ProofSettings, prove
from steelyard.experiments.harness.publish import publish
from steelyard.experiments.harness.spread import spread
from steelyard.experiments.harness.table import show


@dataclass(frozen=True)
class Prove:
    """Measure a method's claim against its paper's own baseline, at equal cost, on paired seeds.

    A claim is shown where the 90 % interval of its effect lies at or above what was claimed before the first run; not
    shown where the mean is below; too noisy in between. The same claims are judged with the method switched off: if
    they are shown then too, the experiment cannot tell, and shows nothing.
    """

    settings: Annotated[ProofSettings, tyro.conf.OmitArgPrefixes]
    """How it is carried out."""
    id: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ID]")] = None
    """The method, as steelyard methods lists it."""
    all: bool = False
    """Prove every method that has a proof."""
    output_dir: str | None = None
    """Where results go, by default runs/prove-ID-TIME, or runs/prove with --all; what is there is not repeated."""
    publish: bool = False
    """In a source tree: renew the package's records, docs/proofs and docs/catalogue.md. Not from a quick run."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Carry out one proof or all; print their tables."""
    asked = parse(Prove, words, command="prove", default=Prove(ProofSettings()))
    import_rooms()
    require(
        (asked.id is None) == asked.all,
        "takes a method's id, or --all",
        where="prove",
        hint="see steelyard methods for those that have a proof",
    )
    if asked.publish:
        _check_whole(asked.settings)
    modules = proof_modules() if asked.id is None else dict([module_of(find(asked.id).id)])
    default = "runs/prove" if asked.all else f"runs/prove-{next(iter(modules))}-{time.strftime('%Y%m%d-%H%M%S')}"
    directory = Path(asked.output_dir or default)
    records = prove(modules, asked.settings, directory, lambda line: print(f"  {line}", file=sys.stderr, flush=True))
    for record in records.values():
        tell(record)
    if len(records) > 1:
        rows = [[r.id, r.verdict, f"{r.minutes:.1f}"] for r in records.values()]
        show("all proofs", ["method", "verdict", "minutes"], rows)
    if asked.publish:
        for id, record in records.items():
            check_publishable(record, (proof := load(modules[id])).first_seed, proof.seeds)
        publish(records, directory)
    print(f"records and plots: {directory}")
    return {"output_dir": str(directory), "proofs": {id: msgspec.to_builtins(r) for id, r in records.items()}}


def _check_whole(settings: ProofSettings) -> None:
    """Refuse, before minutes are spent, what could not be published; the record itself is checked once more."""
    whole = not settings.quick and settings.first_seed is None and (settings.seeds or LEAST_SEEDS) >= LEAST_SEEDS
    hint = f"leave out --quick and --first-seed, and use {LEAST_SEEDS} seeds or more"
    require(whole, "takes whole runs on the proof's own seeds", where="--publish", hint=hint)


def tell(record: ProofRecord) -> None:
    """Print a proof's table."""
    rows = [
        [
            claim.text,
            claim.metric,
            f"{claim.baseline}: {spread(claim.baseline_by_seed)}",
            f"{claim.ours}: {spread(claim.ours_by_seed)}",
            effect_of(claim),
            claim.verdict,
            f"{claim.control_effect:.3g}: {claim.control_verdict}",
        ]
        for claim in record.claims
    ]
    quick = ", QUICK: not the verdict that counts" if record.quick else ""
    title = f"{record.id}: {record.verdict} ({len(record.seeds)} seeds, {record.minutes:.1f} minutes{quick})"
    show(title, ["claim", "metric", "baseline", "ours", "effect [90 %]", "verdict", "switched off"], rows)
    print(f"equal: {record.equal}")
    if record.control != "not shown":
        print(f"with the method switched off the claims are {record.control}: this experiment cannot tell")
