"""`steelyard prove ID`: a paper's claim, measured on this machine, with a verdict that can fail."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
import tyro

from steelyard.check import import_rooms
from steelyard.cli.flags import parse
from steelyard.core import PositiveInt, checked, find, require
from steelyard.experiments.harness import evidence, null_method
from steelyard.experiments.harness.cost import core_minutes, cost_text
from steelyard.experiments.harness.current import current
from steelyard.experiments.harness.processes import keep
from steelyard.experiments.harness.proof_index import load, module_of, proof_modules
from steelyard.experiments.harness.proof_record import (
    Block,
    ClaimFigures,
    ClaimRecord,
    ProofRecord,
    effect_of,
    written,
)
from steelyard.experiments.harness.proving import ProofSettings, prove
from steelyard.experiments.harness.publish import publish, renew
from steelyard.experiments.harness.publishable import check_publishable
from steelyard.experiments.harness.spread import spread
from steelyard.experiments.harness.table import show
from steelyard.report.folding import say, say_out


@checked()
@dataclass(frozen=True)
class Prove:
    """Measure a method's claim against its paper's own baseline, at equal cost, on paired seeds.

    A claim is shown where the 90 % interval of its effect lies at or above what was claimed before the first run; not
    shown where the mean is below; too noisy in between. A gain is judged with the method switched off too: if that is
    shown, the experiment cannot tell, and shows nothing. Where the first block of seeds shows every claim, a later
    block of fresh seeds is measured.
    """

    settings: Annotated[ProofSettings, tyro.conf.OmitArgPrefixes]
    """How it is carried out."""
    id: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ID]")] = None
    """The method, as steelyard methods lists it."""
    all: bool = False
    """Prove every method that has a proof; in a source tree, records that are current are not repeated."""
    null: PositiveInt | None = None
    """In place of a method: two identical arms at margin 0, so many times through the same test."""
    output_dir: str | None = None
    """Where results go, by default runs/prove-ID-TIME, or runs/prove with --all; what is there is not repeated."""
    publish: bool = False
    """In a source tree: enter the records into docs/evidence, and renew verdicts, plots and docs/catalogue.md."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Carry out one proof or all, or the null method; print their tables."""
    asked = parse(Prove, words, command="prove", default=Prove(ProofSettings()))
    import_rooms()
    require(
        [asked.id is not None, asked.all, asked.null is not None].count(True) == 1,
        "takes a method's id, or --all, or --null N",
        where="prove",
        hint="see steelyard methods for those that have a proof",
    )
    if asked.publish:
        evidence.evidence()
    if asked.null is not None:
        return _null(asked, asked.null)
    if asked.publish:
        _check_whole(asked.settings)
    modules = proof_modules() if asked.id is None else dict([module_of(find(asked.id).id)])
    directory = Path(asked.output_dir or ("runs/prove" if asked.all else _named(next(iter(modules)))))
    held = current(modules, _say) if asked.all and not _own_seeds(asked.settings) else {}
    waiting = {id: module for id, module in modules.items() if id not in held}
    measured = prove(waiting, asked.settings, directory, _say) if waiting else {}
    records = {id: (held | measured)[id] for id in modules}
    for record in records.values():
        tell(record)
    if len(records) > 1:
        _tell_all(records)
    if asked.publish:
        _publish(measured, modules)
    print(f"records and plots: {directory if measured else evidence.evidence()}")
    return {"output_dir": str(directory), "proofs": {id: msgspec.to_builtins(r) for id, r in records.items()}}


def _say(line: str) -> None:
    say(f"  {line}")


def _named(id: str) -> str:
    return f"runs/prove-{id}-{time.strftime('%Y%m%d-%H%M%S')}"


def _null(asked: Prove, runs: int) -> Mapping[str, object]:
    """Run the null method, and keep what it found."""
    found = null_method.null_rate(runs, _say)
    say_out(found.text)
    directory = evidence.evidence() if asked.publish else Path(asked.output_dir or _named("null"))
    keep(directory / evidence.NULL, found)
    if asked.publish:
        renew(directory)
    print(f"record: {directory / evidence.NULL}")
    return {"output_dir": str(directory), "null": msgspec.to_builtins(found)}


def _publish(records: Mapping[str, ProofRecord], modules: Mapping[str, str]) -> None:
    """Enter records, all of them or none."""
    proofs = {id: load(modules[id]) for id in records}
    held = evidence.read_all(evidence.evidence())
    for id, record in records.items():
        check_publishable(record, proofs[id].block(later=False), held.get(id))
    publish(records, {id: proof.proves for id, proof in proofs.items()})


def _check_whole(settings: ProofSettings) -> None:
    """Refuse, before minutes are spent, what could not be published; the record itself is checked once more."""
    whole = not _own_seeds(settings)
    hint = "leave out --quick, --seeds and --first-seed"
    require(whole, "takes whole runs on the proof's own seeds", where="--publish", hint=hint)


def _own_seeds(settings: ProofSettings) -> bool:
    """True for a run on other seeds than the proof's own, or fewer."""
    return settings.one_block or settings.seeds is not None


def tell(record: ProofRecord) -> None:
    """Print a proof's tables, one for each block."""
    _tell_block(record, record.first, "a quick run, which gives no verdict" if record.quick else "first block")
    if record.later is not None:
        _tell_block(record, record.later, "later block")
    say_out(f"equal: {record.equal}")
    for line in _untold(record):
        say_out(line)
    if any(claim.control_verdict not in (None, "not shown") for claim in record.first.claims):
        say_out("the control does not fail every gain that is claimed: this experiment cannot tell")


def _tell_block(record: ProofRecord, block: Block, name: str) -> None:
    rows = [
        [
            claim.text,
            claim.metric,
            f"{claim.baseline}: {spread(found.baseline_by_seed)}",
            f"{claim.ours}: {spread(found.ours_by_seed)}",
            effect_of(claim, found),
            found.verdict,
            _control(claim, found),
        ]
        for claim, found in zip(record.claims, block.claims, strict=True)
    ]
    p = "" if block.p is None else f", p {block.p:.2g}"
    seeds = f"seeds {block.seeds[0]} to {block.seeds[-1]}"
    title = f"{record.id}: {block.verdict} ({name}, {seeds}, {block.minutes:.1f} minutes{p})"
    show(title, ["claim", "metric", "baseline", "ours", "effect [90 %]", "verdict", "control"], rows)


def _control(claim: ClaimRecord, found: ClaimFigures) -> str:
    if found.control_effect is None:
        return ""
    effect = written(claim, found.control_effect)
    return effect if found.control_verdict is None else f"{effect}: {found.control_verdict}"


def _untold(record: ProofRecord) -> Iterator[str]:
    """A line for each claim whose error cannot be told, and how to mend it."""
    for claim, found in zip(record.claims, record.first.claims, strict=True):
        if found.interval is None and len(record.first.seeds) > 1 and not record.quick:
            what = (
                f"all seeds have the same effect on {claim.metric}, and nobody says of how many samples it is a share"
            )
            yield f"{claim.text}: {what}; report it by `share`, and where it is none, claim something that varies"


def _tell_all(records: Mapping[str, ProofRecord]) -> None:
    rows = [
        [id, r.first.verdict, r.later.verdict if r.later else "", f"{core_minutes(r):.1f}"] for id, r in records.items()
    ]
    show("all proofs", ["method", "first block", "later block", "core minutes"], rows)
    say_out(f"{len(records)} proofs: {cost_text(records.values())}")
