"""Checks before a run starts, so that a run that cannot work leaves no directory behind.

Auxiliary models of the task (reward model, victim, judge, embedder) are checked by their config and tensor shapes; no
weights are read. A reward function scores two empty completions in a worker process, as it will score real ones. It
may fail on them, because a failure only loses that completion. Errors that would end every run are refused: the
function cannot be imported, does not accept the data's columns, or returns something other than one number or None for
each completion; a column holds what cannot be passed to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from steelyard.core import Episode, Prompt, Score, SteelyardError, require, settings
from steelyard.core.copies import own_prompt
from steelyard.policy.auxiliary_model import DEVICE_FLAG, AuxiliaryModel
from steelyard.policy.device import check_device, device_of
from steelyard.reward import Closable
from steelyard.reward.wire_values import unfit
from steelyard.rollout import check_int8_head
from steelyard.rollout.calls import Calls
from steelyard.runtime import Run
from steelyard.runtime.engines import check_engine
from steelyard.runtime.factories import make_reward, make_step_labels, planned_policy
from steelyard.runtime.ray.cluster import check_cluster
from steelyard.runtime.run import Part
from steelyard.runtime.shards import check_sharding
from steelyard.task.tool_use import UsesTools


def preflight(run: Run) -> None:
    """Check parts, cluster, devices, engine and the task's auxiliary models; call the reward functions of the run once.

    Raises:
        SteelyardError: a part cannot be imported by other processes; a cluster or an engine's server cannot be
            reached; a GPU is not here; the reward function cannot be loaded or called, or breaks the contract of reward
            functions; a model cannot be loaded for its role.
    """
    check_importable(run)
    check_cluster(run)
    check_devices(run)
    check_sharding(run)
    check_head(run)
    check_engine(run)
    for role, model in auxiliary_models(run).items():
        model.check(role)
    try_reward(run)


def check_importable(run: Run) -> None:
    """See that processes of their own can import the run's parts.

    Raises:
        SteelyardError: one stands in the program that was started, which has another name in every other process.
    """
    for name, part in settings(run).items():
        here = run.runtime == "inline" or type(part).__module__ != "__main__"
        what = f"{type(part).__name__} stands in the program itself, which the run's processes cannot import"
        hint = 'move it into a module of its own, or use runtime="inline"'
        require(here, what, where=name, hint=hint)


def check_devices(run: Run) -> None:
    """See that every GPU that the run names is here, and is one where weights are to go through its memory.

    Raises:
        SteelyardError: it is not.
    """
    parts: tuple[Part, ...] = ("learner", "search", "evaluation")
    for part in parts:
        check_device(*run.placed(part))
    for model in auxiliary_models(run).values():
        check_device(model.device, DEVICE_FLAG)
    _check_common_device(run)


def _check_common_device(run: Run) -> None:
    """A model that is not on this machine yet is looked at by the run's processes, when they have it."""
    policy = None if run.local.weights == "host" else planned_policy(run)
    if policy is not None:
        number = policy.num_parameters(trainable=False)
        (learner, flag), (search, search_flag) = run.placed("learner"), run.placed("search")
        ours, theirs = device_of(learner, number, flag), device_of(search, number, search_flag)
        what = f"is device, but the learner computes on {ours} and searchers on {theirs}"
        common = ours == theirs and ours.type == "cuda"
        require(common, what, where="--local.weights", hint="use host, or one GPU for both")


def check_head(run: Run) -> None:
    """See that the searchers' engine has the head that the run asks for, where the model is on this machine.

    Raises:
        SteelyardError: it has not.
    """
    policy = None if run.search.head == "own" else planned_policy(run)
    if policy is not None:
        name, flag = run.placed("search")
        check_int8_head(policy, device_of(name, policy.num_parameters(trainable=False), flag))


def auxiliary_models(run: Run) -> Mapping[str, AuxiliaryModel]:
    """Role -> model that the task loads besides the policy: reward model, victim, judge, embedder."""
    return getattr(run.task, "models", {})


def try_reward(run: Run) -> None:
    """Call the reward function that the run names, if it names one, on two empty completions.

    Raises:
        SteelyardError: it cannot be loaded or called, or breaks the contract of reward functions.
    """
    reward = make_reward(run)
    steps = make_step_labels(run)
    asked = [part for part in (reward, None if steps is None else steps.labels) if part is not None]
    if not asked:
        return
    check_columns([*run.task.prompts("train"), *run.task.prompts("held-out")])
    empty = _unplayed(run, _with_every_column(run.task.prompts("train")))
    try:
        for part in asked:
            part(empty)
    finally:
        for part in (reward, steps):
            if isinstance(part, Closable):
                part.close()


def _unplayed(run: Run, prompts: Sequence[Prompt]) -> list[Episode]:
    """Episodes in which nothing was said; where the task has tools, with objects that have just been reset.

    Raises:
        SteelyardError: an object cannot be made or reset, or takes longer than the task allows.
    """
    empty = [Episode.written(prompt, "") for prompt in prompts]
    if not isinstance(run.task, UsesTools):
        return empty
    calls = Calls(run.task.deadline_s)
    for prompt in prompts:
        calls.begin(prompt.id, run.task.just_reset, own_prompt(prompt))
    reset: list[Score] = []
    for answer in calls.collect("all"):
        what = f"an object with tools cannot be made and reset: {answer.error}"
        hint = "see that reset takes the columns of your rows"
        require(isinstance(answer.value, Score), what, where="environment", hint=hint)
        reset.append(answer.value)  # pyright: ignore[reportArgumentType]
    return [replace(episode, outcome=outcome) for episode, outcome in zip(empty, reset, strict=True)]


def check_columns(prompts: Sequence[Prompt]) -> None:
    """See that the columns of every prompt can be passed to a reward function in a process of its own.

    Raises:
        SteelyardError: a column has the name of another argument, or holds what cannot be sent.
    """
    for prompt in prompts:
        for taken in sorted({"prompts", "completions"} & prompt.columns.keys()):
            what = f"the column {taken!r} hides an argument of the reward function"
            raise SteelyardError(what, where=prompt.where, hint="rename it in the data")
        if (found := unfit(prompt.columns)) is not None:
            what = f"column {found[0]!r} cannot be passed to the reward function: {found[1]}"
            raise SteelyardError(what, where=prompt.where, hint="write it as a text or a number, or leave it out")


def _with_every_column(prompts: Sequence[Prompt]) -> list[Prompt]:
    """Two prompts, and for each column that these lack one that has it: a function may take only some names."""
    chosen = list(prompts[:2])
    seen = {name for prompt in chosen for name in prompt.columns}
    for prompt in prompts[2:]:
        if prompt.columns.keys() - seen:
            chosen.append(prompt)
            seen |= prompt.columns.keys()
    return chosen
