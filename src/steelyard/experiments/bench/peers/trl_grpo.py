"""TRL's GRPOTrainer on the arithmetic task, as a script: `python -m steelyard.experiments.bench.peers.trl_grpo`.

Settings come as JSON on standard input; times go as JSON to standard output, snapshots of the weights to `directory`.
The clock starts with the first generation and stops with the last step. Nothing but training happens on it: no
evaluation, no report, no checkpoint, no gradient checkpointing; snapshots are copies in memory, written afterwards.

The weights, the prompts, the verifier, the samples per prompt, the temperature and the optimiser family are the
recipe's. There is no KL penalty, so TRL needs no reference model and makes no pass through one.
"""

import importlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Trajectory
from steelyard.policy import loading
from steelyard.task import Arithmetic

_NONE_T = np.zeros(0, np.float32)


@dataclass(frozen=True)
class TrlGrpo:
    """Settings of one run: the tuned ones by default."""

    directory: str = ""
    """Where snapshots go; must exist."""
    seed: int = 0
    """Of samples and of the order of prompts."""
    max_steps: int = 60
    """Optimiser steps."""
    snapshot_steps: int = 5
    """Steps between two snapshots."""
    num_prompts: int = 32
    """Prompts in an optimiser step."""
    num_generations: int = 8
    """Completions of each prompt."""
    max_completion_length: int = 20
    """Most tokens of a completion."""
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
    steps: list[tuple[int, float]] = field(default_factory=list)
    """Each step with the seconds after which it was made."""
    completions: int = 0
    """Generated and scored."""
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
    model, tokenizer = _shipped()
    task = Arithmetic()
    times = Times()
    taken = {}
    prompts = task.prompts("train")

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
        reward_funcs=_reward(task, prompts, [tokenizer.eos_token_id]),
        args=trl.GRPOConfig(**_arguments(settings)),
        train_dataset=datasets.Dataset.from_list([{"prompt": p.text, "place": i} for i, p in enumerate(prompts)]),
        processing_class=tokenizer,
        callbacks=[_watch(times, taken, settings.snapshot_steps)],
    )
    trainer.remove_callback(_printer())
    trainer.train()
    for step, tensors in taken.items():
        save_file(tensors, Path(settings.directory) / f"{step}.safetensors")
    return times


def _shipped() -> tuple[Any, Any]:
    """The shipped model and its tokenizer, as transformers loads them."""
    import transformers

    base = Path(loading.__file__).parent / "base" / "arithmetic"
    model = transformers.LlamaForCausalLM.from_pretrained(base, dtype="float32")
    return model, transformers.PreTrainedTokenizerFast.from_pretrained(base)


def _arguments(settings: TrlGrpo) -> dict[str, object]:
    s = settings
    return {
        "output_dir": str(Path(s.directory) / "trl"),
        "use_cpu": True,
        "seed": s.seed,
        "max_steps": s.max_steps,
        "per_device_train_batch_size": s.num_prompts * s.num_generations,
        "steps_per_generation": s.steps_per_generation,
        "num_iterations": s.num_iterations,
        "num_generations": s.num_generations,
        "max_completion_length": s.max_completion_length,
        "temperature": 1.0,
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


def _reward(task: Arithmetic, prompts: Sequence[Prompt], eos_ids: Sequence[int]) -> Any:
    """The task's own verifier, as TRL calls a reward function."""

    def reward(completions: list[str], completion_ids: list[list[int]], place: list[int], **_: Any) -> list[float]:
        episodes = [
            Episode.of(prompts[i], text, _trajectory(prompts[i].id, ids[-1] in eos_ids))
            for i, text, ids in zip(place, completions, completion_ids, strict=True)
        ]
        return [score.value for score in task.score(episodes)]  # pyright: ignore[reportReturnType]

    return reward


def _trajectory(prompt_id: str, stopped: bool) -> Trajectory:
    """All that the verifier looks at beside the text: whether the completion came to its end."""
    tokens_T = _NONE_T.astype(np.int32)
    action_T = _NONE_T.astype(bool)
    return Trajectory(prompt_id, tokens_T, action_T, _NONE_T, 0, "", Sampling(), "stop" if stopped else "length")


def _watch(times: Times, taken: dict[int, Any], every: int) -> Any:
    """A callback that notes the time of each step and copies the weights after every few."""
    import transformers

    class Watch(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
            times.steps.append((state.global_step, times.passed()))
            if state.global_step % every == 0:
                taken[state.global_step] = {name: p.detach().clone() for name, p in model.named_parameters()}

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
