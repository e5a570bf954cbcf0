"""The parts of a run, built from its settings: the only place where settings become live objects."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from steelyard.core import (
    Interactive,
    Prompt,
    Replay,
    Reward,
    SteelyardError,
    Trajectory,
    VerifiesTurns,
    Weights,
    WeightStore,
    labels_of,
    needs_of,
    require,
)
from steelyard.core.copies import own_episodes
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.decode import DecodeRule
from steelyard.eval import Evaluation, Listable, Rewarded, TaskWithMetrics, drift, evaluate, exact_distance
from steelyard.eval.answers import CHUNK
from steelyard.learner import Demonstrator, Learner, demonstrations_of
from steelyard.model.intervention_file import read_intervention
from steelyard.policy import Policy
from steelyard.policy.device import check_device
from steelyard.policy.meta_model import local_directory, meta_policy
from steelyard.policy.text import check_template, check_tools
from steelyard.reward import Constrained, compares_samples, reward_function
from steelyard.rollout import Codec, engine_for
from steelyard.rollout.endings import Endings
from steelyard.runtime.engines import searching_engine
from steelyard.runtime.prompt_lengths import Lengths, check_lengths, without_overlong
from steelyard.runtime.run import Part, Run
from steelyard.searcher import Searcher
from steelyard.searcher.step_labels import StepLabels
from steelyard.task.scored import Scored

BUFFER = "replay.sqlite"
"""The buffer's file in a run directory."""
EvaluateWeights = Callable[[Weights], tuple[JsonObject, list[JsonObject]]]
"""Weights -> the row of eval.jsonl, and samples to read. Its step is the version of the weights."""


def make_task(run: Run, reward: Reward | None = None) -> Any:
    """The task, scored by `reward` if one is given, or by the reward function that the run names.

    Raises:
        SteelyardError: the task has no verifier of its own and there is no reward function, or the task verifies parts
            and `reward` cannot be sent to where it does so.
    """
    if reward is None and run.reward is None and not getattr(run.task, "needs_answer", True):
        raise SteelyardError("has nothing to score with", where="task", hint="name a --reward function")
    if reward is not None and isinstance(run.task, VerifiesTurns):
        what = f"{type(run.task).__name__} verifies each turn or proposal by itself, and this is a bare callable"
        raise SteelyardError(what, where="reward", hint="name it as module:function")
    scores = make_reward(run) if reward is None else reward
    return run.task if scores is None else Scored(run.task, scores)


def verified(run: Run) -> Run:
    """The run whose task asks the reward that the run names about each turn, where the task can do so."""
    if run.reward is None or not isinstance(run.task, VerifiesTurns):
        return run
    reward = reward_function(run.reward, timeout_s=run.reward_timeout, max_steps=run.max_steps)
    return replace(run, task=run.task.verified_by(reward), reward=None)


def make_reward(run: Run) -> Reward | None:
    """The reward that the run names, under its constraints; None where its task scores and nothing constrains it."""
    if run.reward is not None:
        return constrained(run, reward_function(run.reward, timeout_s=run.reward_timeout, max_steps=run.max_steps))
    return None if run.constraint is None else constrained(run, run.task.score)


def constrained(run: Run, reward: Reward) -> Reward:
    """The reward under the constraints that the run names, if it names some."""
    if run.constraint is None:
        return reward
    judges = [run.constraint] if isinstance(run.constraint, str) else run.constraint
    asked = partial(reward_function, timeout_s=run.reward_timeout, max_steps=run.max_steps)
    return Constrained(reward, tuple(map(asked, judges)))


def make_step_labels(run: Run) -> StepLabels | None:
    """What labels single steps; None where the run names nothing."""
    return None if run.step_reward is None else StepLabels(run.step_reward, run.reward_timeout)


def check_prompts(run: Run, policy: Policy) -> Lengths:
    """Read every prompt once, before anything is generated: a run must not end at the prompt it meets last.

    Returns the lengths of all (tokens).

    Raises:
        SteelyardError: the model's tokenizer cannot read a prompt or write a stop string, its context has no room for
            a completion, the chat template of a task of several turns rewrites earlier turns, or its arguments are
            given and no prompt is a chat.
    """
    check_labels(run)
    Endings(policy, run.stops)
    prompts = (*run.task.prompts("train"), *run.task.prompts("held-out"))
    chats = any(isinstance(prompt.text, list) for prompt in prompts)
    hint = "leave it out, or make the prompts chats (--chat, where the task has it)"
    require(chats or not run.chat_options, "no prompt is a chat", where="--chat-template-kwargs", hint=hint)
    if chats and isinstance(run.task, Interactive):
        check_template(policy.tokenizer, run.model, chat_options(run))
    if tools_of(run):
        check_tools(policy.tokenizer, run.model, chat_options(run))
    return check_lengths(run, policy, prompts)


def tools_of(run: Run) -> Sequence[JsonMapping]:
    """Schemas of the tools that the task gives to the policy; none for most tasks."""
    return getattr(run.task, "tools", ())


def chat_options(run: Run) -> JsonMapping:
    """The arguments of the chat template, tools among them."""
    tools = tools_of(run)
    return {"tools": [*tools], **run.chat_options} if tools else run.chat_options


def check_labels(run: Run) -> None:
    """Read from every training prompt the labels that the objective needs, and those that the curriculum goes by.

    Raises:
        SteelyardError: a prompt has no column for one, or a value of the wrong kind.
    """
    labels = needs_of(run.objective).labels
    prompts = run.task.prompts("train")
    for prompt in prompts:
        labels_of(prompt, labels)
    if prompts:
        run.curriculum.open(prompts, run.seed)


def fitting(run: Run, policy: Policy | None = None) -> Run:
    """The run with its verifier in its task, where that asks it about turns, and without its overlong prompts, where it
    leaves them out; without a policy, one is read for its tokenizer.

    What it returns is for this process alone: other processes get the run as it was, and do the same.
    """
    run = verified(run)
    if not run.filter_overlong_prompts:
        return run
    return replace(run, task=without_overlong(run.task, run, policy or planned_policy(run) or make_policy(run)))


def planned_policy(run: Run) -> Policy | None:
    """The model without its weights; None where it is not on this machine."""
    place = local_directory(run.model)
    if place is None:
        return None
    policy = meta_policy(place, lora=run.lora, dtype=run.dtype, attention=run.mix)
    return _prepared(policy, run)


def make_policy(run: Run, part: Part = "evaluation", rank: int = 0) -> Policy:
    """The model as it stands before training, on the device of the part that computes with it.

    Args:
        run: the settings.
        part: which part.
        rank: the device's number, where the part has several.

    Raises:
        SteelyardError: there is no such GPU; or as for `Policy.load`.
    """
    name, flag = run.placed(part)
    check_device(name, flag)
    policy = Policy.load(run.model, lora=run.lora, dtype=run.dtype, seed=run.seed, attention=run.mix)
    if part == "learner" and run.learner.gradient_checkpointing:
        policy.checkpoint_layers()
    return _prepared(policy.placed(f"{name}:{rank}" if rank and name == "cuda" else name, flag), run)


def _prepared(policy: Policy, run: Run) -> Policy:
    """The policy with the run's chat options and its intervention.

    Raises:
        SteelyardError: there is no such intervention, or the model has none of its sites.
    """
    policy.chat_options = chat_options(run)
    if run.intervention is not None:
        policy.intervene(read_intervention(Path(run.intervention)))
    return policy


def make_learner(run: Run, policy: Policy) -> Learner:
    """The learner at version 0; one on several devices starts the processes of the others."""
    known = {**learner_settings(run), "demonstrations": make_demonstrations(run, policy)}
    if run.learner.devices > 1:
        from steelyard.runtime.shards import sharded_learner  # torch.distributed is large

        return sharded_learner(run, policy, **known)
    return Learner(policy, run.objective, run.optimizer, **known)


def learner_settings(run: Run) -> dict[str, Any]:
    """What every process of a learner has to know besides policy, objective and optimiser."""
    return {
        "learning_rate": run.learning_rate,
        "temperature": run.temperature,
        "schedules": run.schedules,
        "reference_reset": run.reference_reset,
        "micro_tokens": run.micro_tokens,
        "mask_truncated": run.mask_truncated_completions,
    }


def make_demonstrations(run: Run, policy: Policy) -> Mapping[str, Trajectory] | None:
    """A demonstration of each training prompt, where the objective learns from such.

    Raises:
        SteelyardError: one does not fit the model's context.
    """
    if not needs_of(run.objective).demonstrations:
        return None
    assert isinstance(run.task, Demonstrator)  # the settings have refused any other
    return demonstrations_of(run.task, run.task.prompts("train"), policy)


def make_searcher(
    run: Run,
    policy: Policy,
    prompts: Sequence[Prompt],
    score: Reward | None,
    weights: WeightStore,
    references: WeightStore,
) -> Searcher:
    """A searcher that looks for weights in the given stores.

    It scores a whole batch at once where samples of a prompt are compared, and in chunks elsewhere.
    """
    reward = getattr(getattr(score, "__self__", None), "reward", score)
    return Searcher(
        searching_engine(run, policy),
        policy,
        prompts,
        score,
        weights=weights,
        references=references,
        sampling=run.sampling,
        temperature=run.temperature,
        max_logp_mismatch=run.max_logp_mismatch,
        in_flight=run.in_flight,
        delay=run.search_delay,
        temperature_schedule=run.temperature_schedule,
        task=run.task,
        patient=run.runtime == "inline",
        labels=needs_of(run.objective).labels,
        step_labels=make_step_labels(run),
        chunk=run.search_prompts * run.samples_searched if compares_samples(reward) else CHUNK,
    )


def make_replay(run: Run, path: Path | None = None) -> Replay:
    """The live buffer or queue, in memory or in the file at `path`, which it continues where it exists."""
    return run.replay.open(seed=run.seed, max_staleness=run.max_staleness, path=path)


def save_model(policy: Policy, run_dir: Path) -> None:
    """Write RUN/model, in place of one that may be there."""
    save_whole(policy.save, run_dir)


def save_whole(write: Callable[[Path], object], run_dir: Path, name: str = "model") -> None:
    """Write RUN/model by `write`, whole or not at all, in place of one that may be there; or RUN/`name`."""
    part = run_dir / f".{name}.part"
    model = run_dir / name
    for rest in (part, model):
        if rest.exists():
            shutil.rmtree(rest)
    write(part)
    part.replace(model)


def make_evaluation(
    run: Run, policy: Policy, reference: Weights, reward: Reward | None = None, rule: DecodeRule | None = None
) -> EvaluateWeights:
    """Held-out evaluation by what is trained on; with exact distances where the task can be enumerated, and with the
    task's own measures, beside the distance from the reference, where it has some.

    Args:
        run: the settings.
        policy: the model, whose weights are replaced.
        reference: the weights that distances are measured from.
        reward: trains in place of the task's verifier; None for what the run names, or else the verifier.
        rule: chooses the samples, which are then none of the policy: no distance from the reference is estimated by
            them. Greedy answers stay greedy.
    """
    task = run.task
    trained = make_reward(run) if reward is None else reward
    listed = task if trained is None or not isinstance(task, Listable) else Rewarded(task, trained)
    prompts = run.task.prompts("held-out")[: run.evaluation.prompts]
    # An address of its own: evaluation never shares randomness with the searchers.
    engine = engine_for(policy, run.seed ^ 0x5EED)
    sampler = None if rule is None else engine_for(policy, run.seed ^ 0x5EED, rule=rule)
    sampling = replace(run.sampling, temperature=run.temperature)

    def asked(weights: Weights) -> Evaluation:
        return evaluate(
            engine,
            task,
            prompts,
            policy.encode,
            policy.decode,
            sampling=sampling,
            weights=weights,
            samples_per_prompt=run.evaluation.samples,
            num_sampled_prompts=run.evaluation.sampled_prompts,
            codec=Codec.of(policy),
            reward=trained,
            sampler=sampler,
        )

    begun = cache(lambda: asked(reference).episodes)

    def evaluate_weights(weights: Weights) -> tuple[JsonObject, list[JsonObject]]:
        before = begun() if isinstance(task, TaskWithMetrics) else []
        found = asked(weights)
        row = found.row(weights.version)
        if isinstance(listed, Listable):
            row |= exact_distance(policy, listed, beta=run.beta, reference=reference, temperature=run.temperature)
        if isinstance(task, TaskWithMetrics):
            own, theirs = ([e.trajectory for group in groups for e in group] for groups in (found.episodes, before))
            at = {"weights": weights, "reference": reference, "temperature": run.temperature}
            row |= drift(policy, own, theirs, **at) if rule is None else {}
            samples, references = ([own_episodes(group) for group in groups] for groups in (found.episodes, before))
            row |= {f"eval/{name}": value for name, value in task.measure(samples, references).items()}
        return row, [{"step": weights.version, "staleness": 0, **s} for s in found.samples]

    return evaluate_weights
