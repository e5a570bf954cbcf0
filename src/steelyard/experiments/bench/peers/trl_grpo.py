"""TRL's GRPOTrainer on the task of a run of ours, as a script: `python -m steelyard.experiments.bench.peers.trl_grpo`.

Settings come as JSON on standard input; times go as JSON to standard output, snapshots of the weights to `directory`.
The clock starts with the first generation and stops with the last step. Nothing but training happens on it: no
evaluation, no report, no checkpoint, no gradient checkpointing; snapshots are copies in memory, written afterwards.

The weights, the adapters, the prompts, the verifier, the most tokens of a completion and its stop strings, and the
temperature are those of the run. Where it has a stop string, every token that contains one ends a completion. There is
no KL penalty, so TRL needs no reference model and makes no pass through one.
"""

import importlib
import json
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Task, Trajectory, decode, require
from steelyard.core.json import JsonObject
from steelyard.experiments.bench.measuring import resident_mib
from steelyard.policy import LoRA, loading
from steelyard.runtime import Run

_NONE_T = np.zeros(0, np.float32)


@dataclass(frozen=True)
class TrlGrpo:
    """Settings of one run: those tuned for `arithmetic` by default."""

    run: JsonObject = field(default_factory=dict)
    """Our settings, encoded: what both sides share is read from them."""
    directory: str = ""
    """Where snapshots go; must exist."""
    seed: int = 0
    """Of samples and of the order of prompts."""
    max_steps: int = 60
    """Optimiser steps, at most."""
    seconds: float | None = None
    """The run ends with the step in which these have passed; None sets no limit."""
    snapshot_steps: int = 5
    """Steps between two snapshots."""
    num_prompts: int = 32
    """Prompts in an optimiser step."""
    num_generations: int = 8
    """Completions of each prompt."""
    micro_batch: int | None = None
    """Completions in one forward pass of the learner; None for all."""
    steps_per_generation: int = 1
    """Optimiser steps made with the completions of one generation, each with its own share of them."""
    num_iterations: int = 1
    """Times that every completion is used."""
    learning_rate: float = 1e-3
    """The highest."""
    stable_steps: int | None = 4
    """Steps at the highest learning rate; None for all. What follows is our schedule too."""
    decay_steps: int = 8
    """Steps of the linear decay after those."""
    floor: float = 0.15
    """Share of the highest learning rate at which the decay ends."""
    beta2: float = 0.99
    """Of AdamW; beta1 is .9."""
    max_grad_norm: float = 1.0
    """Gradients longer than this are scaled down to it."""
    loss_type: str = "dapo"
    """TRL's name of the loss."""
    scale_rewards: str = "group"
    """What advantages are divided by the deviation of: group, batch or none."""
    threads: int = 2
    """Compute threads."""


@dataclass
class Times:
    """What a run took."""

    started: float = 0.0
    """Monotonic seconds at the first generation; 0 before it."""
    steps: list[tuple[int, float, int]] = field(default_factory=list)
    """Each step with the seconds after which it was made, and the completions that had been generated."""
    completions: int = 0
    """Generated and scored."""
    peak_mib: float = 0.0
    """Memory of the process at its peak."""
    generating: float = 0.0
    """Seconds in generation and scoring."""

    def passed(self) -> float:
        """Seconds since the first generation."""
        return time.monotonic() - self.started


def train(settings: TrlGrpo) -> Times:
    """Carry out one run; snapshots are DIRECTORY/STEP.safetensors.

    Raises:
        SteelyardError: TRL is not installed.
    """
    try:
        trl: Any = importlib.import_module("trl")
        datasets: Any = importlib.import_module("datasets")
    except ImportError as error:
        hint = 'pip install "steelyard[bench]", or name an interpreter that has it with --peer-python'
        raise SteelyardError(f"is not installed ({error})", where="trl", hint=hint) from error
    import torch
    from safetensors.torch import save_file

    torch.set_num_threads(settings.threads)
    run: Run = decode(settings.run, Run, trusted=True)
    model, tokenizer = _model(run)
    prompts = run.task.prompts("train")
    times = Times()
    taken: dict[int, Any] = {}

    class Trainer(trl.GRPOTrainer):
        """The trainer with a stop-watch around what it generates and scores."""

        def _generate_and_score_completions(self, inputs: Any) -> Any:
            times.started = times.started or time.monotonic()
            began = time.monotonic()
            found = super()._generate_and_score_completions(inputs)
            times.generating += time.monotonic() - began
            times.completions += len(inputs)
            return found

    trainer = Trainer(
        model=model,
        reward_funcs=_reward(run.task, prompts, _ends(model), run.sampling.stop),
        args=trl.GRPOConfig(**_arguments(settings, run)),
        train_dataset=datasets.Dataset.from_list([{"prompt": p.text, "place": i} for i, p in enumerate(prompts)]),
        processing_class=tokenizer,
        callbacks=[_watch(times, taken, settings)],
        peft_config=_adapters(run),
    )
    trainer.remove_callback(_printer())
    trainer.train()
    times.peak_mib = resident_mib("VmHWM")
    for step, tensors in taken.items():
        save_file(tensors, Path(settings.directory) / f"{step}.safetensors")
    return times


def _model(run: Run) -> tuple[Any, Any]:
    """The run's model and its tokenizer, as transformers loads them; what ends a completion is in generation_config."""
    import transformers

    place, _ = loading.locate(run.model)
    model = transformers.AutoModelForCausalLM.from_pretrained(place, dtype="float32")
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    ends = {tokenizer.eos_token_id, *_ends(model), *_stopping(tokenizer, run.sampling.stop)}
    model.generation_config.eos_token_id = sorted(ends)
    return model, tokenizer


def _ends(model: Any) -> list[int]:
    """The tokens that end a completion."""
    found = model.generation_config.eos_token_id
    return [] if found is None else [found] if isinstance(found, int) else list(found)


def _stopping(tokenizer: Any, stops: Sequence[str]) -> set[int]:
    """The tokens whose text contains a stop string.

    Raises:
        SteelyardError: no token contains one of them.
    """
    found: set[int] = set()
    for stop in stops:
        ids = {i for i in range(len(tokenizer)) if stop in tokenizer.decode([i])}
        require(bool(ids), f"no token contains {stop!r}", where="trl", hint="TRL ends at tokens: use another --stop")
        found |= ids
    return found


def _adapters(run: Run) -> Any:
    """The run's adapters, in peft's words; None where all weights are trained."""
    lora = LoRA.of(run.lora_rank, run.lora_alpha, run.lora_dropout, run.lora_targets)
    if lora is None:
        return None
    import peft

    return peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=lora.dropout,
        target_modules=lora.targets if lora.targets == "all-linear" else lora.targets.split(","),
        task_type="CAUSAL_LM",
    )


def _arguments(settings: TrlGrpo, run: Run) -> dict[str, object]:
    s = settings
    batch = s.num_prompts * s.num_generations
    micro = s.micro_batch or batch
    return {
        "output_dir": str(Path(s.directory) / "trl"),
        "use_cpu": True,
        "seed": s.seed,
        "max_steps": s.max_steps,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": batch // micro,
        "steps_per_generation": s.steps_per_generation * batch // micro,
        "num_iterations": s.num_iterations,
        "num_generations": s.num_generations,
        "max_completion_length": run.max_completion_length,
        "temperature": run.temperature,
        "beta": 0.0,
        "loss_type": s.loss_type,
        "scale_rewards": s.scale_rewards,
        "learning_rate": s.learning_rate,
        **_schedule(s),
        "optim": "adamw_torch_fused",
        "adam_beta1": 0.9,
        "adam_beta2": s.beta2,
        "max_grad_norm": s.max_grad_norm,
        "bf16": False,
        "gradient_checkpointing": False,  # TRL: True
        "disable_dropout": True,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "dataloader_pin_memory": False,
    }


def _schedule(s: TrlGrpo) -> dict[str, object]:
    if s.stable_steps is None:
        return {"lr_scheduler_type": "constant"}
    shape = {"num_stable_steps": s.stable_steps, "num_decay_steps": s.decay_steps, "min_lr_ratio": s.floor}
    return {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": {**shape, "decay_type": "linear"}}


def _reward(task: Task, prompts: Sequence[Prompt], ends: Collection[int], stops: Sequence[str]) -> Any:
    """The task's own verifier, as TRL calls a reward function."""

    def reward(completions: list[str], completion_ids: list[list[int]], place: list[int], **_: Any) -> list[float]:
        episodes = [
            Episode.of(prompts[i], _before(text, stops), _trajectory(prompts[i].id, ids[-1] in ends))
            for i, text, ids in zip(place, completions, completion_ids, strict=True)
        ]
        return [score.value for score in task.score(episodes)]  # pyright: ignore[reportReturnType]

    return reward


def _before(text: str, stops: Sequence[str]) -> str:
    """The text up to the first stop string."""
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]


def _trajectory(prompt_id: str, stopped: bool) -> Trajectory:
    """All that the verifier looks at beside the text: whether the completion came to its end."""
    tokens_T = _NONE_T.astype(np.int32)
    action_T = _NONE_T.astype(bool)
    return Trajectory(prompt_id, tokens_T, action_T, _NONE_T, 0, "", Sampling(), "stop" if stopped else "length")


def _watch(times: Times, taken: dict[int, Any], settings: TrlGrpo) -> Any:
    """A callback that notes the time of each step, copies the weights after every few, and ends the run in time."""
    import transformers

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            step = state.global_step
            passed = times.passed()
            times.steps.append((step, passed, times.completions))
            late = settings.seconds is not None and passed >= settings.seconds
            control.should_training_stop = control.should_training_stop or late
            if late or step % settings.snapshot_steps == 0:
                taken[step] = {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}

    return Watch()


def _printer() -> Any:
    """The callback that prints on standard output, which belongs to the times."""
    import transformers

    return transformers.PrinterCallback


def main() -> int:
    """Read settings, train, print the times; returns the exit code."""
    settings = msgspec.json.decode(sys.stdin.read(), type=TrlGrpo)
    try:
        times = train(settings)
    except SteelyardError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(asdict(times)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
