"""`steelyard try ID`: a proof's arms with other settings and learning rates, before anything is claimed."""

import os
import signal
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from steelyard.check import import_rooms
from steelyard.cli.flags import parse
from steelyard.core import SteelyardError, Stopped, checked, find, require
from steelyard.experiments.harness import evidence
from steelyard.experiments.harness.claim import Judged
from steelyard.experiments.harness.metric import SAMPLES
from steelyard.experiments.harness.planning import plan_seeds
from steelyard.experiments.harness.processes import Jobs
from steelyard.experiments.harness.proof import MOST_SEEDS, AnyProof
from steelyard.experiments.harness.proof_index import load, module_of
from steelyard.experiments.harness.proof_seed import SeedJob, carry_out
from steelyard.experiments.harness.spread import NOT_MEASURED, short, spread
from steelyard.experiments.harness.table import show
from steelyard.experiments.harness.trials import (
    Grid,
    Kept,
    Tried,
    cells_of,
    check_rates,
    check_seeds,
    combined,
    jobs_of,
)
from steelyard.report.folding import say, say_out


@checked()
@dataclass(frozen=True)
class Try:
    """Measure any arms of a proof with any settings, on seeds that no verdict is about.

    Every value of every field is tried with every other, at every rate. Each arm is then taken at its best rate; the
    table shows all metrics and how far the weights moved, and for each claim the effect, its spread over paired seeds,
    and how many seeds would show it. Every trial is kept with the method's evidence as it ends, and the method's
    verdict says how many.
    """

    id: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="ID")]
    """The method, as steelyard methods lists it."""
    arms: str = ""
    """Arms, with commas between them; by default all, or for a quick trial those of the claims."""
    set: Annotated[tuple[str, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FIELD=A,B")] = ()
    """A field of the proof's setting or of arms, and the values to try; may be given several times."""
    rates: str = ""
    """Learning rates, with commas between them; by default each arm's own."""
    seeds: str = "900,901"
    """Seeds from 900 on, with commas between them."""
    quick: bool = False
    """The proof's small setting."""
    jobs: Jobs = 0
    """Arms at a time; 0 for one per core."""
    output_dir: str = "runs/try"
    """Where results go; what was measured there by the code of today is not repeated."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Try a grid; print its tables."""
    asked = parse(Try, words, command="try")
    import_rooms()
    id, module = module_of(find(asked.id).id)
    proof = load(module)
    seeds = [int(word) for word in _listed(asked.seeds, "--seeds", int)]
    check_seeds(seeds)
    grid = Grid(tuple(_listed(asked.arms, "--arms", str)), _values(asked.set), _rates(asked.rates))
    check_rates(proof, grid)
    jobs = jobs_of(id, module, grid, seeds, quick=asked.quick)
    directory = Path(asked.output_dir)
    at_a_time = asked.jobs or os.cpu_count() or 1
    own = module.startswith("steelyard.") and evidence.in_source_tree()
    file = (evidence.evidence() if own else directory) / "trials" / f"{id}.jsonl"
    kept = Kept(file, proof)
    try:
        results = carry_out(jobs, directory, at_a_time, _say, kept)
    except KeyboardInterrupt:
        raise _stopped(kept, jobs) from None
    tried = combined(proof, jobs, results)
    for one in tried:
        tell(one, proof)
    print(f"every trial: {file}")
    return {"output_dir": str(directory), "trials": str(file), "tried": [_plain(one, proof) for one in tried]}


def _say(line: str) -> None:
    say(f"  {line}")


def _stopped(kept: Kept, jobs: Sequence[SeedJob]) -> Stopped:
    """What is on record when Ctrl-C comes."""
    every = cells_of(kept.proof, jobs)
    what = f"stopped by Ctrl-C; {len(kept.ended)} of {len(every)} cells (an arm at a seed) are on record in {kept.file}"
    hint = "the same command goes on from there"
    return Stopped(what, where=f"try {jobs[0].id}", hint=hint, signal=signal.SIGINT)


def tell(tried: Tried, proof: AnyProof) -> None:
    """Print a combination's arms and claims."""
    rows_by_arm = {arm: [found[arm] for found in tried.seeds.values()] for arm in tried.rates}
    names = list(dict.fromkeys(name for rows in rows_by_arm.values() for name in rows[0] if SAMPLES not in name))
    table = [[name, *(_cell(rows, name) for rows in rows_by_arm.values())] for name in names]
    table.insert(0, ["learning rate", *(f"{rate:g}" if rate else NOT_MEASURED for rate in tried.rates.values())])
    show(f"{tried.label} ({len(tried.seeds)} seeds)", ["metric", *tried.rates], table)
    judged = tried.judged(proof)
    if len(tried.seeds) > 1 and judged:
        claims = [
            [j.claim.text, short(j.mean), short(j.claim.threshold), short(statistics.stdev(j.effect)), _needs(j)]
            for j in judged
        ]
        show("claims", ["claim", "effect", "claimed", "paired spread", "seeds"], claims)
        say_out(f"together: {plan_seeds(judged).text}")


def _cell(rows: Sequence[Mapping[str, float]], name: str) -> str:
    found = [row[name] for row in rows if name in row]
    return spread(found) if found else NOT_MEASURED


def _needs(judged: Judged) -> str:
    plan = plan_seeds([judged])
    return f"more than {MOST_SEEDS}" if plan.seeds is None else str(plan.seeds)


def _plain(tried: Tried, proof: AnyProof) -> Mapping[str, object]:
    judged = tried.judged(proof)
    planned = plan_seeds(judged) if len(tried.seeds) > 1 and judged else None
    return {
        "settings": dict(tried.changes),
        "rates": dict(tried.rates),
        "seeds": {str(seed): {arm: dict(row) for arm, row in arms.items()} for seed, arms in tried.seeds.items()},
        "effects": {one.claim.text: list(one.effect) for one in judged},
        "seeds_needed": planned.seeds if planned else None,
    }


def _values(words: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """`field=a,b` as the field and its values; what stands in brackets is one value."""
    found = []
    for word in words:
        name, equals, values = word.partition("=")
        require(bool(name and equals and values), f"{word!r} names no values", where="--set", hint="write FIELD=A,B")
        found.append((name, (values,) if values.startswith("[") else tuple(values.split(","))))
    return tuple(found)


def _rates(words: str) -> tuple[float, ...]:
    rates = tuple(float(word) for word in _listed(words, "--rates", float))
    require(all(rate > 0 for rate in rates), "a learning rate is above 0", where="--rates", hint="leave the others out")
    return rates


def _listed(words: str, where: str, kind: type) -> list[str]:
    """The words between commas.

    Raises:
        SteelyardError: one is not of this kind.
    """
    found = [word.strip() for word in words.split(",") if word.strip()]
    for word in found:
        try:
            kind(word)
        except ValueError as error:
            hint = "write numbers with commas between them"
            raise SteelyardError(f"{word!r} is no number", where=where, hint=hint) from error
    return found
