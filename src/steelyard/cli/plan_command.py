"""`steelyard plan RECIPE`: how many searchers a run needs, by simulated runs with measured or given costs."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from steelyard.cli.flags import parse, take_values
from steelyard.cli.plan_picture import draw
from steelyard.cli.train_command import read_words
from steelyard.core import NonNegative, Positive, PositiveInt, checked, require
from steelyard.core.json import JsonObject
from steelyard.policy.device import num_gpus
from steelyard.report.folding import say
from steelyard.runtime import Run
from steelyard.runtime.factories import make_task
from steelyard.runtime.simulated.costs import Costs, SideCosts
from steelyard.training.measured_costs import measure_costs
from steelyard.training.scale_plan import Asked, Tried, device_hours, enough, hours, row, simulate


@checked("cost")
@dataclass(frozen=True, kw_only=True)
class CostFlags(SideCosts):
    """Costs that are given, in seconds of one core or device. Without --cost.wave and --cost.step all are measured."""

    wave: Positive | None = None
    """A searcher batch."""
    step: Positive | None = None
    """A learner step."""


@checked()
@dataclass(frozen=True)
class Plan:
    """Say how many searchers a run needs. The run is simulated: the coordinator and the replay are those of every run,
    and everything else takes as long as it costs. Costs are measured here, in a minute or so, or given.

    steelyard plan RECIPE [OPTIONS] takes the options of steelyard train RECIPE, too: sizes, replay, curriculum, model.
    Measure on a machine that does nothing else."""

    searchers: str = "1,2,4,8,16"
    """Numbers of searchers, with commas between them."""
    sync: str = ""
    """Learner steps between two publications of weights, with commas between them; by default the recipe's."""
    cores: str = ""
    """Cores that all processes share, or "own": a device for each. By default this machine's cores where the model
    computes on the CPU, and own elsewhere."""
    steps: PositiveInt | None = None
    """Learner steps of each simulated run, after a few in which it settles; by default the recipe's, 200 at most."""
    uses: Positive = 1.0
    """How often a completion may be drawn on average; with fewer uses more searchers are needed."""
    way: Literal["streaming", "barrier"] = "streaming"
    """How data and weights travel: as in this project, or as in the code that the paper published."""
    price: NonNegative | None = None
    """Price of a GPU hour, in any currency."""
    plot: str | None = None
    """File of a picture, NAME.png."""
    cost: CostFlags = field(default_factory=CostFlags)


OWN = (*(f"--{f.name}" for f in fields(Plan) if f.name != "cost"), *(f"--cost.{f.name}" for f in fields(CostFlags)))
_HEAD = "    N  sync  steps/s  found/s   uses  idle: L     S  stale  p95  length  hours"


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Measure costs where none are given, simulate, and print the table and what it recommends."""
    if {"-h", "--help"} & {*words}:
        parse(Plan, ["--help"], command="plan RECIPE")
    found, rest = take_values(words, *OWN)
    asked = parse(Plan, [word for pair in found for word in pair], command="plan")
    settings = read_words(rest, command="plan").settings
    hint = "choose a recipe of post-training; a job on given data and a pipeline have none"
    require(isinstance(settings, Run), "has no searchers", where=f"plan {rest[0]}", hint=hint)
    assert isinstance(settings, Run)
    wanted = Asked(
        _numbers(asked.searchers, "--searchers"),
        _numbers(asked.sync, "--sync") if asked.sync else (settings.weight_sync_steps,),
        asked.steps or min(settings.max_steps, 200),
        _cores(asked.cores, settings),
        asked.way,
        asked.uses,
    )
    costs = _costs(asked.cost, settings)
    _tell_costs(costs, wanted)
    tried = [*simulate(settings, make_task(settings).prompts("train"), costs, wanted, lambda line: say(f"  {line}"))]
    print(_HEAD)
    for one in tried:
        print(_line(settings, one))
    print("idle: shares of learner and searchers; stale: versions; length: trained against found, in tokens")
    chosen = [_recommended(settings, tried, sync, asked, wanted) for sync in wanted.syncs]
    if asked.plot is not None:
        draw(Path(asked.plot), tried)
        print(f"picture: {asked.plot}")
    return {
        "costs": {f.name: getattr(costs, f.name) for f in fields(costs) if f.name != "lengths"},
        "rows": [row(settings, one, wanted.cores) for one in tried],
        "recommended": chosen,
    }


def _numbers(text: str, flag: str) -> tuple[int, ...]:
    words = text.split(",")
    hint = "give whole numbers from 1 on, with commas between them"
    require(all(word.strip().isdecimal() and int(word) for word in words), f"is {text!r}", where=flag, hint=hint)
    return tuple(dict.fromkeys(map(int, words)))


def _cores(text: str, settings: Run) -> float | None:
    if not text:
        shared = settings.placed("learner")[0] == "cpu" or not num_gpus()
        return float(max(1, len(os.sched_getaffinity(0)) // settings.local.threads)) if shared else None
    hint = "give a number of cores, or own"
    require(text == "own" or (text.isdecimal() and int(text) > 0), f"is {text!r}", where="--cores", hint=hint)
    return None if text == "own" else float(text)


def _costs(given: CostFlags, settings: Run) -> Costs:
    """What is given, or what is measured."""
    lacking = [name for name in ("wave", "step") if getattr(given, name) is None]
    if len(lacking) == 2:
        hint = "give --cost.wave and --cost.step too"
        others = [f.name for f in fields(CostFlags) if getattr(given, f.name) not in (None, 0.0)]
        require(
            not others,
            "is given, but not the costs of waves and steps",
            where=f"--cost.{''.join(others[:1])}",
            hint=hint,
        )
        say("measuring, each part alone:")
        return measure_costs(settings, lambda line: say(f"  {line}"))
    where = f"--cost.{lacking[0]}" if lacking else ""
    require(not lacking, "is missing", where=where, hint="give both, or none: then all are measured")
    assert given.wave is not None and given.step is not None
    rest = {f.name: getattr(given, f.name) for f in fields(CostFlags)}
    return Costs(**rest, lengths=(settings.max_completion_length,))


def _tell_costs(costs: Costs, wanted: Asked) -> None:
    where = "a device each" if wanted.cores is None else f"{wanted.cores:g} shared cores"
    print(
        f"costs, in s: searcher batch {costs.wave:.3g}, its scoring {costs.score:.3g}, learner step {costs.step:.3g}, "
        f"weights {costs.publish:.3g},\nevaluation {costs.evaluate:.3g}, storing 1,000 completions "
        f"{1000 * costs.store:.3g}, driver between steps {costs.draw:.3g}; on {where}, {wanted.way}\n"
    )


def _line(settings: Run, one: Tried) -> str:
    seen = one.seen
    longer = seen.length_trained / max(seen.length_found, 1)
    return (
        f"{one.searchers:>5} {one.sync:>5} {seen.steps_per_s:>8.3g} {seen.found_per_s:>8,.0f} {seen.uses:>6.2f} "
        f"{seen.learner_idle:>8.0%} {seen.searcher_idle:>5.0%} {seen.mean_staleness:>6.1f} "
        f"{seen.staleness_at(0.95):>4} {longer:>7.0%} {hours(settings, one):>6.2f}"
    )


def _recommended(settings: Run, tried: Sequence[Tried], sync: int, asked: Plan, wanted: Asked) -> JsonObject:
    """Say which number of searchers is enough, and what it costs."""
    mine = [one for one in tried if one.sync == sync]
    found = enough(mine, wanted.uses)
    about = f"weights every {'step' if sync == 1 else f'{sync} steps'}: "
    if found is None:
        best = min(mine, key=lambda one: one.seen.uses)
        print(
            f"{about}none of these is enough; with {best.searchers} searchers a completion is drawn "
            f"{best.seen.uses:.2g} times.\n  Try more searchers, or allow more uses (--uses)"
        )
        return {"sync": sync, "searchers": None}
    took = hours(settings, found)
    told = f"{about}{found.searchers} searchers are enough; {settings.max_steps} steps take {took:.2g} hours"
    answer: JsonObject = {"sync": sync, "searchers": found.searchers, "hours": took}
    devices = device_hours(settings, found, wanted.cores)
    if devices is not None:
        answer["device_hours"] = devices
        told += f", {devices:.2g} GPU hours"
        if asked.price is not None:
            answer["price"] = asked.price * devices
            told += f" at {asked.price:g}: {asked.price * devices:.2f}"
    print(told)
    return answer
