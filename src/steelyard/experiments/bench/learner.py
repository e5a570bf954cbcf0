"""Learner steps, tokens per second forward and backward: ours against a plain padded step of transformers.

Random Llama models and random trajectories: groups of 8 completions of 4 to 40 tokens after a prompt of 12 to 24. Both
sides take the same weights, trajectories, objective (VarGrad TB), clipping and AdamW, at a learning rate of 0, so that
every step is the same step. One process and one thread for each size, the two in turn.

    ours    `Learner.step`: groups in micro-batches, ordered by length, with shared prompts
    plain   every row padded to the longest, one forward pass of the transformers model, log-softmax over the logits of
            all positions, one backward pass, `torch.optim.AdamW` as it comes

Tokens are those of all trajectories, prompt and completion, without padding: the same number for both. The gradients of
both are compared in the same process: the largest difference, over the largest gradient. Memory is what a process of
its own, with one of the two alone, has at its peak above what it had before the first step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.core import PositiveInt, Sampling, Trajectory, checked
from steelyard.core.json import JsonObject
from steelyard.experiments.bench.measuring import forget_peak, interleaved, ratios, resident_mib, seconds
from steelyard.experiments.bench.models import END, VOCABULARY, check_sizes, make
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import spread

TITLE = "Learner, tokens per second of a whole step on one thread"
GROUPS = {"0.2M": 32, "0.5M": 32, "2M": 16, "10M": 8}
"""Groups of a step, by size."""
SAMPLES = 8
SIDES = ("ours", "plain")
Step = Callable[[], object]
Gradients = Callable[[], JsonObject]


@checked()
@dataclass(frozen=True)
class Learner:
    """Tokens per second of a learner step, its gradients and its memory."""

    runs: PositiveInt = 5
    """Steps of each side."""
    sizes: tuple[str, ...] = ("0.2M", "2M", "10M")
    """Models."""

    def __post_init__(self) -> None:
        check_sizes(self.sizes, tuple(GROUPS))


def measure(settings: Learner, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each size: seconds of every step, the gradients' difference, and each side's memory."""
    rows = []
    for size in settings.sizes:
        asked = {"directory": str(make(size, workdir / size)), "num_groups": GROUPS[size]}
        row = ask_module(__name__, {**asked, "runs": settings.runs})
        peaks = {side: [ask_module(__name__, {**asked, "alone": side}) for _ in range(settings.runs)] for side in SIDES}
        rows.append({"size": size, "groups": GROUPS[size], **row, "peak_mib": peaks})
        say(f"{size}: {spread(_gain(rows[-1]))} x, gradients differ by {rows[-1]['difference']:.1g}")
    return rows


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each size."""
    columns = ["model", "groups of 8", "ours", "plain", "ours / plain", "gradients differ by", "MiB ours", "MiB plain"]
    return columns, [
        [
            row["size"],
            str(row["groups"]),
            *(spread(_rates(row, side)) for side in SIDES),
            spread(_gain(row)),
            f"{row['difference']:.1g}",
            *(spread(row["peak_mib"][side]) for side in SIDES),
        ]
        for row in rows
    ]


def _rates(row: Row, side: str) -> list[float]:
    return [row["tokens"] / taken for taken in row["seconds"][side]]


def _gain(row: Row) -> list[float]:
    return ratios(row["seconds"]["plain"], row["seconds"]["ours"])


# One size, in a process of its own


def cell(directory: str, num_groups: int, runs: int = 1, alone: str | None = None) -> Any:
    """Both sides in turn, and how far their gradients are apart; or with `alone`, that side's memory in MiB."""
    groups = ragged_groups(num_groups)
    make_side = {"ours": our_step, "plain": plain_step}
    if alone is not None:
        step, _ = make_side[alone](directory, groups)
        forget_peak()
        before = resident_mib()
        for _ in range(2):
            step()
        return resident_mib("VmHWM") - before
    sides = {side: make_side[side](directory, groups) for side in SIDES}
    taken = interleaved({side: lambda step=step: seconds(step) for side, (step, _) in sides.items()}, runs)
    tokens = sum(len(t.tokens_T) for group in groups for t in group)
    found = {side: gradients() for side, (_, gradients) in sides.items()}
    return {"tokens": tokens, "seconds": taken, "difference": difference(found["ours"], found["plain"])}


def ragged_groups(num_groups: int, seed: int = 0) -> list[list[Trajectory]]:
    """Random groups of 8 with a prompt of their own: lengths and tokens uniform, rewards 0 or 1."""
    rng = np.random.default_rng(seed)
    return [
        [_trajectory(rng, f"{p}", prompt_T, sample) for sample in range(SAMPLES)]
        for p in range(num_groups)
        for prompt_T in [rng.integers(END + 1, VOCABULARY, rng.integers(12, 25))]
    ]


def _trajectory(rng: np.random.Generator, prompt_id: str, prompt_T: np.ndarray, sample: int) -> Trajectory:
    new = int(rng.integers(4, 41))
    tokens_T = np.concatenate([prompt_T, rng.integers(END + 1, VOCABULARY, new)]).astype(np.int32)
    action_T = np.arange(len(tokens_T)) >= len(prompt_T)
    logp_T = np.where(action_T, -np.log(VOCABULARY), 0).astype(np.float32)
    return Trajectory(
        prompt_id,
        tokens_T,
        action_T,
        logp_T,
        0,
        "",
        Sampling(),
        "length",
        sample=sample,
        logp_ref_T=logp_T,
        reward=float(rng.integers(2)),
    )


def difference(found: Row, expected: Row) -> float:
    """The largest difference of any gradient, over the largest gradient."""
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    apart = max(float((found[name] - gradient).abs().max()) for name, gradient in expected.items())
    return apart / max(float(gradient.abs().max()) for gradient in expected.values())


def our_step(directory: str, groups: list[list[Trajectory]]) -> tuple[Step, Gradients]:
    """`Learner.step`, and the gradients that it left."""
    from steelyard import learner
    from steelyard.objective import VarGradTB
    from steelyard.policy import Policy

    ours = learner.Learner(Policy.load(directory), VarGradTB(), learner.Adam(), learning_rate=0.0)
    return lambda: ours.step(groups), lambda: _gradients(ours.policy.trainable())


def plain_step(directory: str, groups: list[list[Trajectory]]) -> tuple[Step, Gradients]:
    """What one writes with transformers and torch alone, and the gradients that it left."""
    import torch

    from steelyard.core import Batch, pad
    from steelyard.objective import VarGradTB
    from steelyard.policy import loading

    model, _ = loading.load(directory, "float32")
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0, betas=(0.9, 0.99), weight_decay=0.0)
    objective = VarGradTB()
    rows = [t for group in groups for t in group]
    shape = (len(groups), SAMPLES, -1)
    valid_PG = torch.ones(shape[:2], dtype=torch.bool)
    reward_PG = torch.tensor([float(t.reward or 0.0) for t in rows]).view(shape[:2])

    def step() -> None:
        optimizer.zero_grad()
        batch = pad(rows)
        logits_NTV = model(input_ids=batch.tokens_NT, attention_mask=batch.attend_NT.long(), use_cache=False).logits
        logp_NTV = logits_NTV[:, :-1].log_softmax(-1)
        taken_NT = logp_NTV.gather(-1, batch.tokens_NT[:, 1:, None].long())[..., 0]
        logp_NT = torch.nn.functional.pad(taken_NT, (1, 0)) * batch.action_NT
        ref_NT = torch.zeros(logp_NT.shape)
        for i, t in enumerate(rows):
            ref_NT[i, : len(t.tokens_T)] = torch.from_numpy(t.logp_ref_T)  # pyright: ignore[reportArgumentType]
        loss = objective(
            Batch(
                logp_PGT=logp_NT.view(shape),
                action_PGT=batch.action_NT.view(shape),
                logp_ref_PGT=ref_NT.view(shape),
                valid_PG=valid_PG,
                reward_PG=reward_PG,
            )
        )
        loss.value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step, lambda: _gradients(dict(model.named_parameters()))


def _gradients(parameters: Row) -> JsonObject:
    return {name: p.grad.clone() for name, p in parameters.items()}


if __name__ == "__main__":
    serve(cell)
