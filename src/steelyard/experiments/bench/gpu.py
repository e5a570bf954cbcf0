"""A GPU: rollouts and learner steps in bfloat16, against what its memory and its matrix units can do.

Random Llama models with the sizes of Gemma 3 270M (262,144 words) and of Llama 3.2 1B, each in a process of its own.

    memory    a copy of 2 GiB, bytes read and written
    products  8192 x 8192 x 8192 in bfloat16
    rollout   64 tokens of prompt, 128 new ones, 8 samples of a prompt, temperature 1: tokens a second of the native
              engine with log-probabilities, prompts included; share: the bytes that a decode step has to read (weights
              once, keys and values) over its time, over the copy's bytes
    generate  the same requests by transformers' `generate`, 32 new tokens, no log-probabilities
    learner   16 groups of 8: 128 tokens of prompt, 128 new ones, VarGrad TB, fused AdamW on float32 masters: tokens of
              the trajectories a second; share: operations (6 for each multiply-add, prompts once) over the products'
    publish   the learner waits / the weights can be seen (copy, digest) / a searcher has them (copy, digest, engine)

Rates are of whole calls, host work included.
"""

import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.core import PositiveInt, checked, require
from steelyard.experiments.bench.measuring import seconds
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import spread
from steelyard.policy.device import num_gpus

TITLE = "A GPU, in bfloat16"
PROMPT = 64
NEW = 128
GENERATED = 32
GROUPS = 16
LENGTH = 128
COPIED = 2**31
SQUARE = 8192


@checked()
@dataclass(frozen=True)
class Gpu:
    """Rollouts, learner steps and publication on a GPU."""

    runs: PositiveInt = 3
    """Runs of each measurement."""
    sizes: tuple[str, ...] = ("268M", "1B")
    """Models."""
    rows: tuple[PositiveInt, ...] = (1, 16, 64, 256)
    """Completions generated together."""


def measure(settings: Gpu, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """Rows of every measurement, with each run's figure."""
    del workdir
    require(num_gpus() > 0, "torch sees no GPU on this machine", where="bench gpu", hint="measure where there is one")
    rows = [_said(row, say) for row in ask_module(__name__, {"size": "", "runs": settings.runs, "batches": []})]
    for size in settings.sizes:
        asked = {"size": size, "runs": settings.runs, "batches": [*settings.rows]}
        rows += [_said(row, say) for row in ask_module(__name__, asked)]
    return rows


def _said(row: Row, say: Callable[[str], None]) -> Row:
    say(f"{row['what']} {row['size']} {row['rows']}: {spread(row['values'])} {row['unit']}")
    return row


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each measurement, with its share of the limit where it has one."""
    limits = {row["what"]: statistics.median(row["values"]) for row in rows if row["what"] in ("memory", "products")}
    columns = ["", "model", "rows", "median [lowest, highest]", "", "share of the limit"]
    lines: list[list[str]] = []
    for row in rows:
        share = ""
        if "of" in row:
            scale = row["per_unit"] / (limits[row["of"]] * (1e9 if row["of"] == "memory" else 1e12))
            share = spread([value * scale for value in row["values"]], lambda part: f"{part:.0%}")
        lines.append([row["what"], row["size"], str(row["rows"] or ""), spread(row["values"]), row["unit"], share])
    return columns, lines


# One size, in a process of its own


def cell(size: str, runs: int, batches: list[int], device: str = "cuda:0") -> list[Row]:
    """The limits of the device, or without a size for these everything else of one model."""
    import torch

    torch.manual_seed(0)
    where = torch.device(device)
    return [*(_of_model(size, runs, batches, where) if size else _limits(runs, where))]


def _row(what: str, size: str, rows: int, values: list[float], unit: str, **more: Any) -> Row:
    return {"what": what, "size": size, "rows": rows, "values": values, "unit": unit, **more}


def _limits(runs: int, device: Any) -> Iterator[Row]:
    import torch

    from steelyard.experiments.bench.gpu_work import timed

    source = torch.empty(COPIED, dtype=torch.uint8, device=device).random_(0, 256)
    target = torch.empty_like(source)
    times = [timed(lambda: target.copy_(source), device) for _ in range(runs + 1)][1:]
    yield _row("memory", "", 0, [2 * COPIED / 1e9 / taken for taken in times], "GB/s")
    a, b = (torch.randn(SQUARE, SQUARE, dtype=torch.bfloat16, device=device) for _ in range(2))
    out = torch.empty_like(a)
    times = [timed(lambda: [torch.mm(a, b, out=out) for _ in range(20)], device) for _ in range(runs + 1)][1:]
    yield _row("products", "", 0, [20 * 2 * SQUARE**3 / 1e12 / taken for taken in times], "TFLOP/s")


def _of_model(size: str, runs: int, batches: list[int], device: Any) -> Iterator[Row]:
    import torch

    from steelyard.experiments.bench.gpu_work import random_policy

    policy = random_policy(size, device, torch.bfloat16)
    for rows in batches:
        yield _rollout(policy, size, rows, runs, device)
    yield _generate(size, 64, runs, device)
    yield from _learner(policy, size, runs, device)
    yield from _publish(policy, size, runs, device)


def _rollout(policy: Any, size: str, rows: int, runs: int, device: Any) -> Row:
    from steelyard.core import Sampling
    from steelyard.experiments.bench.gpu_work import decode_bytes, requests, timed
    from steelyard.rollout import NativeEngine

    engine = NativeEngine(policy, 0, max_rows=rows)
    asked = requests(size, rows, PROMPT)
    sampling = Sampling(1.0, NEW)
    times = [timed(lambda: list(engine.generate(asked, sampling)), device) for _ in range(runs + 2)][2:]
    needed = NEW * decode_bytes(policy.architecture, rows, PROMPT, NEW, policy.dtype.itemsize)
    values = [rows * NEW / taken for taken in times]
    return _row("rollout", size, rows, values, "tokens/s", of="memory", per_unit=needed / (rows * NEW))


def _generate(size: str, rows: int, runs: int, device: Any) -> Row:
    import torch
    import transformers

    from steelyard.experiments.bench.gpu_work import config_of, decode_bytes, requests, timed
    from steelyard.model import architecture_of

    with torch.device(device):
        model: Any = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config_of(size)))
    model.bfloat16().eval()
    tokens = torch.tensor([request.tokens for request in requests(size, rows, PROMPT)], device=device)
    options = {"do_sample": True, "top_k": 0, "max_new_tokens": GENERATED, "pad_token_id": 0}

    @torch.inference_mode()
    def generate() -> object:
        return model.generate(tokens, attention_mask=torch.ones_like(tokens), **options)

    times = [timed(generate, device) for _ in range(runs + 1)][1:]
    architecture = architecture_of(config_of(size))
    assert architecture is not None
    needed = GENERATED * decode_bytes(architecture, rows, PROMPT, GENERATED, 2)
    values = [rows * GENERATED / taken for taken in times]
    return _row("generate", size, rows, values, "tokens/s", of="memory", per_unit=needed / (rows * GENERATED))


def _learner(policy: Any, size: str, runs: int, device: Any) -> Iterator[Row]:
    import torch

    from steelyard.experiments.bench.gpu_work import SAMPLES, groups, step_flops, timed
    from steelyard.learner import Adam, Learner
    from steelyard.objective import VarGradTB

    learner = Learner(policy, VarGradTB(), Adam(), learning_rate=1e-6)
    made = groups(size, GROUPS, LENGTH, LENGTH)
    tokens = GROUPS * SAMPLES * 2 * LENGTH
    needed = step_flops(policy.architecture, GROUPS, LENGTH, LENGTH)
    for what in ("learner", "learner, checkpointed"):
        if what != "learner":
            policy.checkpoint_layers()
        times = [timed(lambda: learner.step(made), device) for _ in range(runs + 1)][1:]
        values = [tokens / taken for taken in times]
        gib = torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else 0.0
        more = {"of": "products", "per_unit": needed / tokens, "peak_gib": gib}
        yield _row(what, size, GROUPS * SAMPLES, values, "tokens/s", **more)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)


def _publish(policy: Any, size: str, runs: int, device: Any) -> Iterator[Row]:
    from steelyard.core import Weights
    from steelyard.experiments.bench.gpu_work import take, timed, wait
    from steelyard.rollout import NativeEngine
    from steelyard.runtime.local.shared import SharedWeights, unnamed_file
    from steelyard.runtime.roles.publisher import Publisher

    handle = unnamed_file()
    store = SharedWeights.create(handle, Weights.of(policy.weights(), 0))
    publisher = Publisher(store, policy, lambda *_: None, 60.0)
    engine = NativeEngine(policy, 0)
    waits: list[float] = []
    seen: list[float] = []
    reads: list[float] = []
    for version in range(1, runs + 2):
        wait(device)
        waits.append(1e3 * seconds(lambda v=version: publisher.publish(v)))
        seen.append(waits[-1] + 1e3 * seconds(publisher.wait))
        reads.append(1e3 * timed(lambda: take(engine, store.read()), device))
    for what, values in (("publish: waits", waits), ("publish: seen", seen), ("publish: read", reads)):
        yield _row(what, size, 0, values[1:], "ms")
    os.close(handle)


if __name__ == "__main__":
    serve(cell)
