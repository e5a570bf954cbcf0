"""`train`: settings in, a run directory and its summary out. `resume`: a run that was cut short, taken to its end.

A pipeline is taken likewise: it has a run directory for each of its stages.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from steelyard.core import Reward, SteelyardError, require, suggest
from steelyard.core.job import Job
from steelyard.core.json import JsonMapping
from steelyard.learner.saved import lacks_masters
from steelyard.report import write_model_card, write_report
from steelyard.report.gauges import warnings
from steelyard.report.records import read_rows
from steelyard.report.track import Mirror, Tracked, check_trackers
from steelyard.reward import Closable, named_rewards, reward_function
from steelyard.reward.environments import asks_for_environments
from steelyard.runtime import Inline, Local, Ray, Records, Run, describe
from steelyard.runtime.factories import BUFFER, constrained
from steelyard.runtime.run_dir import checkpoint
from steelyard.runtime.run_dir.records import RESULT, Watch
from steelyard.training.job import KIND, JobRun
from steelyard.training.pipeline import Pipeline
from steelyard.training.pipeline_run import Driver, begin, go_on, is_pipeline
from steelyard.training.preflight import preflight
from steelyard.training.run_directory import extended, read_stored_run

DRIVERS = {"inline": Inline, "local": Local, "ray": Ray}
"""--runtime -> what drives the run."""


@dataclass(frozen=True)
class Result:
    """What a run came to. `summary` is the object that `steelyard train --json` prints.

    Jobs on given data measure something else than accuracy: their `summary` has `before` and `after`, by name. The
    `summary` of a pipeline has those of its stages, under `stages`.
    """

    run_dir: Path
    """Settings, records, model and report."""
    summary: JsonMapping = field(repr=False)
    """All of it; see `result.json`."""

    @property
    def accuracy_before(self) -> float:
        """Greedy held-out accuracy of the untrained policy, by what trains it."""
        return self.summary["accuracy_before"]

    @property
    def accuracy_after(self) -> float:
        """Greedy held-out accuracy of the last weights, by what trained them."""
        return self.summary["accuracy_after"]


def train(
    run: Run | Job | Pipeline,
    *,
    reward: object = None,
    watch: Watch | None = None,
    report: bool = True,
    track: Sequence[str] = (),
    name: str = "custom",
    command: Sequence[str] | None = None,
    **settings: Any,
) -> Result:
    """Post-train a model, carry out a job on given data, or run a pipeline of both.

    Args:
        run: the settings; recipes are runs, jobs and pipelines with a name.
        reward: replaces the task's verifier: a callable `f(prompts, completions, **columns) -> list[float | None]`,
            which then runs in this process and holds up its message loop while it does, or "module:function",
            which runs in worker processes and is tried on two empty completions before the run begins. A list is a sum,
            and a pair in it gives a weight: [f, (g, 0.5)]. Anything else is refused. Held-out samples are measured by
            it too; the accuracy by the task's own verifier stands beside it.
        watch: called with the name of a record file and each row written to it; before each stage of a pipeline with
            "stage" and what it is.
        report: write report.html at the end.
        track: where else the records are shown: "tensorboard", "trackio", "wandb", "mlflow".
        name: the recipe's name in the records.
        command: the command line that this run came from, for its page.
        settings: fields of the run to change, for example `max_steps=50`; of a pipeline, those of its `given`.

    Raises:
        SteelyardError: a setting, model or file is wrong, a job on given data is given a reward, or a pipeline one
            without a name.
        FaultError: the run could not go on; `resume` may.
        Stopped: a signal asked for it; `resume` goes on.
    """
    named = None if reward is None else named_rewards(reward)
    changed = settings | ({} if named is None else {"reward": named[0] if len(named) == 1 else named})
    if isinstance(run, Pipeline):
        hint = "name it as module:function"
        require(reward is None or named is not None, "a pipeline takes no callable", where="reward", hint=hint)
        pipeline = replace(run, given=_changed(run.given, changed))
        place = _place(pipeline.given.output_dir, name)
        return Result(place, begin(pipeline, name, place, _driver(watch, report, track), command))
    single: Run | Job = _changed(run, changed)
    directory = _place(single.output_dir, name)
    verifier = None if named is not None else _verifier(single, reward)
    config = describe(single, name, command) | {"callable_reward": verifier is not None}
    with _shown(track, Tracked(directory, resumed=False), watch) as seen:
        return _carry_out(single, name, Records(directory, seen, config), verifier, None, report)


def resume(
    run_dir: Path | str,
    *,
    reward: object = None,
    max_steps: int | None = None,
    watch: Watch | None = None,
    report: bool = True,
    track: Sequence[str] = (),
) -> Result:
    """Go on with a run that was cut short, from its newest whole checkpoint; without one, from its beginning.

    With `max_steps` a run that has reached its end goes on, too, as if it had been configured so from the start.
    Schedules go by learner steps and stay as they are: a learning rate or beta that has fallen to its end stays there.

    Args:
        run_dir: the directory of a run or of a pipeline; its settings are its own.
        reward: the callables that scored the run, if any did.
        max_steps: learner steps in all, in place of the run's own; more than its newest checkpoint has.
        watch: called with the name of a record file and each row written to it.
        report: write report.html at the end.
        track: where else the records are shown from here on, as for `train`.

    Raises:
        SteelyardError: it is no run directory, has reached its end, is being written, or is damaged.
        FaultError, Stopped: as for `train`.
    """
    directory = Path(run_dir)
    if is_pipeline(directory):
        hint = f"leave it out; a stage that has ended is extended by itself, such as {directory / '1-sft'}"
        alone = max_steps is None and reward is None
        require(alone, "a pipeline keeps its own steps and reward", where=str(directory), hint=hint)
        return Result(directory, go_on(directory, _driver(watch, report, track)))
    begun = read_stored_run(run_dir)
    ended = (directory / RESULT).exists()
    hint = f"begin a new run, or extend this one: steelyard train --resume {run_dir} --max-steps N"
    require(max_steps is not None or not ended, "has reached its end", where=str(directory), hint=hint)
    given = reward is not None
    hint = "use resume(run, reward=...) for a run that a callable scored, and only then"
    require(given == begun.callable_reward, "has no such reward function", where=str(directory), hint=hint)
    newest, damaged = checkpoint.whole(directory)
    lost = newest is None and bool(damaged)
    # To begin again here would throw away what the run has stored.
    require(not lost, f"no checkpoint is whole: {'; '.join(damaged)}", where=str(directory), hint="restore one of them")
    run = begun.settings
    kept = {} if newest is None else _kept(directory, newest, run)
    if newest is not None and isinstance(run, Run) and lacks_masters(newest):
        damaged.append(f"{newest.name} has no float32 master weights: they begin as its {run.dtype} weights")
    config = None
    if max_steps is not None:
        _check_longer(directory, newest, max_steps, ended)
        run = _changed(run, {"max_steps": max_steps})
        config = extended(directory, max_steps)
    with _shown(track, Tracked(directory, resumed=newest is not None), watch) as seen:
        records = Records(directory, seen, resume=kept, damaged=damaged, extended=config)
        return _carry_out(run, begun.recipe, records, _verifier(run, reward), newest, report)


def _driver(watch: Watch | None, report: bool, track: Sequence[str]) -> Driver:
    """Drives the stages of a pipeline: each is a run, also to a tracker."""
    check_trackers(track)
    return Driver(partial(train, track=track), partial(resume, track=track), watch, report)


@contextmanager
def _shown(track: Sequence[str], tracked: Tracked, watch: Watch | None) -> Iterator[Watch | None]:
    """What is called with each row: `watch`, and the trackers."""
    if not track:
        yield watch
        return
    with Mirror(track, tracked) as mirror:

        def see(file: str, row: JsonMapping) -> None:
            mirror.watch(file, row)
            if watch is not None:
                watch(file, row)

        yield see


def _check_longer(directory: Path, newest: Path | None, max_steps: int, ended: bool) -> None:
    """Refuse a number of steps that is already made, and a finished run that keeps no checkpoint."""
    hint = "begin a new run with that many steps"
    gone = ended and newest is None
    require(not gone, "has reached its end and keeps no checkpoint", where=str(directory), hint=hint)
    made = 0 if newest is None else int(checkpoint.read_state(newest).get("steps", 0))
    what = f"is {max_steps}, and {made} steps are made"
    require(max_steps > made, what, where="--max-steps", hint=f"use more than {made}")


def _verifier(run: Run | Job, reward: object) -> Reward | None:
    """What scores in place of the task, where a callable is given."""
    if reward is None:
        return None
    if not isinstance(run, Run):
        what = "a job on given data is scored by nothing"
        raise SteelyardError(what, where="reward", hint="leave it out, or choose a recipe that samples")
    verifier = reward_function(reward, timeout_s=run.reward_timeout, max_steps=run.max_steps)
    what = "asks for environments, whose objects live in the searchers' processes, and is a callable of this one"
    hint = "name it as module:function, which sees their plain attributes, or take --runtime inline"
    require(run.runtime == "inline" or not asks_for_environments(verifier), what, where="reward", hint=hint)
    return constrained(run, verifier)


def _kept(directory: Path, newest: Path, run: Run | Job) -> Mapping[str, int]:
    """How much of each file of rows a checkpoint counts on.

    Raises:
        SteelyardError: it is no checkpoint of this run, or the buffer that it counts on is gone.
    """
    state = checkpoint.read_state(newest)
    hint = "restore the run's own files"
    kind = run.runtime if isinstance(run, Run) else KIND
    mine = state.get("runtime") == kind and isinstance(state.get("records"), dict)
    said = f"a run with --runtime {kind}" if isinstance(run, Run) else "a job on given data"
    require(mine, f"is no checkpoint of {said}", where=str(newest), hint=hint)
    buffer = directory / BUFFER
    whole = buffer.is_file() or not isinstance(run, Run)
    require(whole, f"is missing, and {newest.name} counts on it", where=str(buffer), hint=hint)
    return state["records"]


def _carry_out(
    run: Run | Job, name: str, records: Records, verifier: Reward | None, newest: Path | None, report: bool
) -> Result:
    directory = records.directory
    with records:
        job = not isinstance(run, Run)
        found = JobRun(run, records, newest).train() if job else _post_train(run, records, verifier, newest)
        kind = KIND if job else run.runtime
        warned = [str(found) for found in warnings(read_rows(directory / "metrics.jsonl")[0])]
        told = {"warnings": warned} if warned else {}
        result = {"run_dir": str(directory), "recipe": name, "runtime": kind, **found, **told}
        records.write_json(RESULT, result)
    write_model_card(directory)
    if report:
        write_report(directory)
    return Result(directory, result)


def _post_train(run: Run, records: Records, verifier: Reward | None, newest: Path | None) -> JsonMapping:
    require(bool(run.model), "is missing", where="--model", hint="name a directory, a shipped model or a hub id")
    if run.vllm.log is None:
        run = replace(run, vllm=replace(run.vllm, log=str((records.directory / "vllm").absolute())))
    try:
        preflight(run)
        return DRIVERS[run.runtime](run, records, verifier, newest).train()
    finally:
        for part in (run.task, verifier):
            if isinstance(part, Closable):
                part.close()


def _place(output_dir: str | None, name: str) -> Path:
    """The run's directory."""
    return Path(output_dir or f"runs/{name}-{time.strftime('%Y%m%d-%H%M%S')}")


def _changed(run: Any, settings: Mapping[str, Any]) -> Any:
    known = [f.name for f in fields(run)]
    for name in settings:
        if name not in known:
            raise SteelyardError(f"unknown setting {name!r}", where="train", hint=suggest(name, known))
    return replace(run, **settings)
