"""The plan of a run, made without running it: `steelyard train RECIPE --dry-run`.

Checks everything that can be checked without training: settings, the output directory, the reward function, the prompts
(each is tokenised and must leave room for a completion) and the model's config. Nothing is written and nothing is
downloaded; the plan names what the run would download.
"""

from dataclasses import replace
from pathlib import Path

from steelyard.core import numeric_settings, require, scheduled, setting, settings
from steelyard.core.job import Job
from steelyard.core.json import JsonObject
from steelyard.policy import Policy
from steelyard.policy.meta_model import local_directory, told_of
from steelyard.reward import Closable
from steelyard.rollout import endings
from steelyard.runtime import Run
from steelyard.runtime.factories import (
    check_labels,
    check_prompts,
    fitting,
    make_demonstrations,
    make_task,
    planned_policy,
)
from steelyard.runtime.prompt_lengths import described
from steelyard.runtime.ray.cluster import check_cluster
from steelyard.runtime.run_dir.records import check_output
from steelyard.runtime.shards import check_sharding
from steelyard.training.device_memory import describe_devices
from steelyard.training.differing import differing
from steelyard.training.job_plan import plan_job
from steelyard.training.memory_estimate import estimate_memory
from steelyard.training.preflight import auxiliary_models, check_devices, check_head, try_reward
from steelyard.training.safe_region import outside

UNKNOWN = "prompts with characters that the model's tokenizer does not know: the model does not see these"
_MEASURED = "fresh data is as stale as the learner steps taken while a batch is generated; the run measures it"


def plan(run: Run | Job, name: str) -> JsonObject:
    """The plan of a run, as JSON values.

    Args:
        run: the settings, of post-training or of a job on given data.
        name: the recipe's name.

    Raises:
        SteelyardError: the run could not start, as far as that can be known without training.
    """
    if not isinstance(run, Run):
        return plan_job(run, name)
    try:
        return _plan(run, name)
    finally:
        if isinstance(run.task, Closable):
            run.task.close()


def _plan(run: Run, name: str) -> JsonObject:
    if run.output_dir is not None:
        check_output(Path(run.output_dir))
    check_cluster(run)
    check_sharding(run)
    check_devices(run)
    check_head(run)
    make_task(run)
    require(bool(run.model), "is missing", where="--model", hint="name a directory, a shipped model or a hub id")
    place = local_directory(run.model)
    policy = None if place is None else planned_policy(run)
    prompts = _prompts(run if policy is None else fitting(run, policy), policy)
    if "fetches" not in prompts:
        try_reward(run)
    others = _others(run)
    model_bytes = {role: model["bytes"] for role, model in others.items() if "bytes" in model}
    return {
        "dry_run": True,
        "recipe": name,
        "output_dir": run.output_dir or f"runs/{name}-TIME",
        "settings": differing(run),
        "prompts": prompts,
        "model": _model(run, place, policy),
        "other_models": others,
        "samples": _samples(run),
        "schedule": _schedule(run),
        "staleness": _staleness(run),
        "outside": outside(run),
        "weights": _way_of_weights(run),
        "generation": _generation(run, policy),
        "endings": None if policy is None else endings.described(policy, run.sampling),
        "devices": None
        if policy is None
        else describe_devices(run, policy, prompts.get("longest_tokens", 0), model_bytes),
        "memory": None if policy is None else estimate_memory(run, policy, model_bytes),
    }


def _prompts(run: Run, policy: Policy | None) -> JsonObject:
    """Number of prompts; where the tokenizer is on this machine, also the length of the longest one."""
    if (remote := getattr(run.task, "fetches", None)) is not None:
        return {"fetches": remote}
    counted = described(run.task)
    counted["evaluated"] = min(run.evaluation.prompts, counted["held_out"])
    if policy is None:
        check_labels(run)
        return counted
    lengths = check_prompts(run, policy)
    if lengths.unknown:
        counted["notes"][UNKNOWN] = lengths.unknown
    make_demonstrations(run, policy)
    room = {"longest_tokens": max(lengths.tokens), "context": policy.context_length}
    return counted | room | {"epochs": run.max_steps * run.num_prompts / counted["train"]}


def _model(run: Run, place: str | None, policy: Policy | None) -> JsonObject:
    if place is None or policy is None:
        return told_of(run.model, here=False)
    sizes = {"parameters": policy.num_parameters(trainable=False), "trained": policy.num_parameters()}
    kind = policy.model.config.model_type
    return {"model": run.model, "place": place, "type": kind, "dtype": run.dtype, **sizes}


def _generation(run: Run, policy: Policy | None) -> str | None:
    """Why completions come otherwise than from the fastest engine."""
    if run.decode is not None:
        told = "engine and learner are not compared, and evaluation draws from the policy itself"
        return f"searchers choose among continuations by {run.rule_name}; {told}"
    return None if policy is None else policy.slow_reason


def _others(run: Run) -> JsonObject:
    """The auxiliary models of the task; those on this machine are checked and their bytes are given."""
    found: JsonObject = {}
    for role, model in auxiliary_models(run).items():
        place = model.place(role)
        if place is None:
            found[role] = told_of(model.model, here=False)
            continue
        size = replace(model, model=place).check(role)
        found[role] = {"model": model.model, "bytes": size, "device": str(model.computes_on(size))}
    return found


def _samples(run: Run) -> JsonObject:
    step = run.num_prompts * run.num_generations
    return {
        "steps": run.max_steps,
        "prompts_per_step": run.num_prompts,
        "samples_per_prompt": run.num_generations,
        "samples_per_step": step,
        "episodes": step * run.max_steps,
        "searched_per_prompt": run.samples_searched,
        "searcher_batch": run.search_prompts * run.samples_searched,
        "before_first_step": settings(run.replay).get("warmup", 0),
        "tokens_at_most": step * run.max_steps * run.max_completion_length,
    }


def _schedule(run: Run) -> list[JsonObject]:
    """Learning rate, beta and every scheduled setting at the first step, at each quarter and at the last step."""
    last = run.max_steps - 1
    steps = sorted({0, last // 4, last // 2, 3 * last // 4, last})
    rate = run.optimizer.schedule
    shown = sorted(run.schedules.keys() | ({"beta"} & numeric_settings(run.objective).keys()))
    rows = []
    for step in steps:
        now = scheduled(run.objective, run.schedules, step)
        row = {"step": step, "learning_rate": run.learning_rate * rate(step)}
        rows.append(row | {name: setting(now, name) for name in shown})
    return rows


def _staleness(run: Run) -> list[str]:
    """Sentences on what is known about staleness before the run."""
    every = run.weight_sync_steps
    lines = []
    if every > 1:
        lines.append(f"weights are published every {every} steps, which makes data up to {every - 1} versions older")
    lines.append(_of_clock(run) if run.runtime == "inline" else _MEASURED)
    replay = settings(run.replay)
    recent = replay.get("recent_probability")
    if recent is not None:
        by = "by recency" if replay["recent_slots"] == "coin" else "by recency, a count in each step"
        lines.append(f"{recent:.0%} of a step's prompts are drawn {by}, the rest from all that is stored")
        lines += _of_old_data(replay)
    bound = run.max_staleness
    lines.append("no bound is set" if bound is None else f"at most {bound} versions; older data: {replay['over_age']}")
    return lines


def _of_old_data(replay: JsonObject) -> list[str]:
    """Sentences on how old data is drawn less, or not at all, where it is."""
    decay, share = replay["age_decay"], replay["min_ess"]
    lines = [f"what is drawn from it is drawn less often as it ages: by e in {1 / decay:.3g} versions"] if decay else []
    if share:
        lines.append(f"data too old for an effective sample size of {share:.0%}, as steps will measure it, is left out")
    return lines


def _way_of_weights(run: Run) -> str | None:
    """How weights get from the learner to searchers; None where both have the same ones."""
    if run.runtime == "inline":
        return None
    if run.runtime == "ray":
        return "to searchers through Ray's object store"
    if run.local.weights == "host":
        return "to searchers through the processor's memory"
    return "to searchers through the GPU's memory, which they share with the learner"


def _of_clock(run: Run) -> str:
    clock = run.inline
    lag = clock.publication_lag * run.weight_sync_steps
    if clock.learn_cost == 0:
        return f"a step follows each batch, sampled by weights {lag} versions old"
    steps = clock.search_cost / clock.learn_cost
    return f"a batch takes as long as {steps:g} steps (virtual clock), and its weights are {lag} versions late"
