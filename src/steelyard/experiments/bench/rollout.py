"""Generated tokens per second: the native engine, transformers' generate, and vLLM's CPU build where there is one.

Random Llama models of five sizes, 64 characters, temperature 1, float32. Each cell of the table is a process of its own
with one thread, in which the engines generate in turn, and in between a 2048 x 2048 matrix product is timed: the limit.

    unique    every row has a prompt of its own, 16 tokens; 32 new tokens; nothing ends a completion earlier
    shared    8 rows share a prompt of 64 tokens; 32 new tokens
    ragged    256 completions of at most 96 tokens, 64 at a time; each token ends one with a chance of about 1 in 64

Slow cells draw fewer tokens, all engines equally many, so that a run takes a few seconds; a cell that could not draw 8,
or a ragged one that could not draw all, is left out. The share of the limit is the native engine's executed
multiply-adds (see `operations`), times 2, over its seconds, over the product's FLOP/s. Our engines also return
log-probabilities; the others are not asked for them. `cntp` is a decode rule: on random weights it tries ten
continuations at nearly every place, and only what it keeps is counted.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steelyard.core import Positive, PositiveInt, checked, require
from steelyard.experiments.bench.limits import SQUARE, gflops
from steelyard.experiments.bench.measuring import interleaved, ratios
from steelyard.experiments.bench.models import SIZES, check_sizes, config_of, make
from steelyard.experiments.bench.operations import generation_macs, linear_macs
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import short, spread
from steelyard.model import Architecture, architecture_of

TITLE = "Rollouts, generated tokens per second on one thread"
ENGINES = {
    "native": "native",
    "loop": "our loop on transformers",
    "dynamic": "generate, dynamic cache",
    "static": "generate, static cache",
    "cntp": "cntp",
    "vllm": "vLLM CPU",
}
LEAST = 8
VLLM_HEADS = 32
"""vLLM's CPU attention takes heads whose size is a multiple of this: not the 0.2M model's, which have 24."""
_NOMINAL = 40e9  # FLOP/s, to guess what a run takes


@dataclass(frozen=True)
class Shape:
    """What is generated, beside model and batch."""

    batches: tuple[int, ...] | None
    """None takes those of the settings."""
    prompt: int
    new: int
    shared: int = 1
    ends: bool = False
    rows: int = 1024
    """Completions generated together."""


SHAPES = {
    "unique": Shape(None, 16, 32),
    "shared": Shape((64, 256), 64, 32, shared=8),
    "ragged": Shape((256,), 16, 96, ends=True, rows=64),
}


@checked()
@dataclass(frozen=True)
class Rollout:
    """Tokens per second of rollouts, by engine, model and batch."""

    runs: PositiveInt = 5
    """Runs of each engine in each cell."""
    sizes: tuple[str, ...] = tuple(SIZES)
    """Models."""
    batches: tuple[PositiveInt, ...] = (1, 16, 64, 256)
    """Rows, where each has a prompt of its own."""
    shapes: tuple[str, ...] = tuple(SHAPES)
    """unique, shared, ragged."""
    seconds: Positive = 5.0
    """A run may take about so long; slower cells draw fewer tokens."""
    vllm_python: str | None = None
    """An interpreter that has vLLM's CPU build."""

    def __post_init__(self) -> None:
        check_sizes(self.sizes)
        for shape in self.shapes:
            require(shape in SHAPES, f"unknown shape {shape!r}", where="--shapes", hint=f"use {', '.join(SHAPES)}")


def measure(settings: Rollout, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each engine in each cell, with seconds, tokens and GFLOP/s of every run."""
    if settings.vllm_python is None:
        say("no vLLM: its figures are left out (--vllm-python PATH names an interpreter that has it)")
    rows = []
    for shape, size, batch in _cells(settings):
        new = new_tokens(size, batch, SHAPES[shape], settings.seconds)
        if new < (SHAPES[shape].new if SHAPES[shape].ends else LEAST):
            say(f"{shape} {size} batch {batch}: left out, too slow")
            continue
        place = workdir / f"{size}{'-ends' * SHAPES[shape].ends}"
        if not place.exists():
            make(size, place, ends=SHAPES[shape].ends)
        asked = {"shape": shape, "size": size, "batch": batch, "new": new, "runs": settings.runs}
        found = ask_module(__name__, {**asked, "directory": str(place), "vllm_python": settings.vllm_python})
        rows += found
        rates = ", ".join(f"{row['engine']} {short(statistics.median(tokens_per_s(row)))}" for row in found)
        say(f"{shape} {size} batch {batch}, {new} new: {rates}")
    return rows


def _cells(settings: Rollout) -> Iterator[tuple[str, str, int]]:
    for shape in settings.shapes:
        for size in settings.sizes:
            for batch in SHAPES[shape].batches or settings.batches:
                yield shape, size, batch


def new_tokens(size: str, batch: int, shape: Shape, seconds: float) -> int:
    """The shape's new tokens, or fewer where the linear layers alone would take longer at 40 GFLOP/s."""
    architecture = _architecture(size)
    affordable = seconds * _NOMINAL / (2 * linear_macs(architecture) * batch)
    return min(shape.new, int(affordable - shape.prompt / shape.shared))


def _architecture(size: str) -> Architecture:
    architecture = architecture_of(config_of(size, ends=False).to_dict())
    assert architecture is not None
    return architecture


def tokens_per_s(row: Row) -> list[float]:
    """Of each run."""
    return [tokens / seconds for tokens, seconds in zip(row["tokens"], row["seconds"], strict=True)]


def share_of_limit(row: Row) -> list[float]:
    """Of each run: FLOP/s executed over those of a large product in the same process."""
    limit = statistics.median(row["gflops"])
    return [2 * macs / 1e9 / seconds / limit for macs, seconds in zip(row["macs"], row["seconds"], strict=True)]


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each cell."""
    present = [engine for engine in ENGINES if any(row["engine"] == engine for row in rows)]
    columns = ["", "model", "batch", "new", *(ENGINES[engine] for engine in present)]
    columns += ["native / generate", "limit, GFLOP/s", "native reaches"]
    cells: dict[tuple[object, ...], dict[str, Row]] = {}
    for row in rows:
        cells.setdefault((row["shape"], row["size"], row["batch"], row["new"]), {})[row["engine"]] = row
    return columns, [[*map(str, cell), *_line(engines, present)] for cell, engines in cells.items()]


def _line(engines: Mapping[str, Row], present: Sequence[str]) -> list[str]:
    native = engines["native"]
    dynamic = engines["dynamic"]
    gain = spread(ratios(tokens_per_s(native), tokens_per_s(dynamic)))
    reached = spread(share_of_limit(native), lambda share: f"{share:.0%}")
    rates = [spread(tokens_per_s(engines[engine])) if engine in engines else "" for engine in present]
    return [*rates, gain, short(statistics.median(native["gflops"])), reached]


# One cell, in a process of its own


def cell(
    shape: str,
    size: str,
    batch: int,
    new: int,
    runs: int,
    directory: str,
    vllm_python: str | None = None,
    engines: Sequence[str] = tuple(ENGINES),
) -> list[Row]:
    """These engines in turn, and the limit."""
    from steelyard.experiments.bench import generation

    s = SHAPES[shape]
    place = Path(directory)
    work = generation.Work.draw(batch, length=s.prompt, shared=min(s.shared, batch), new=new, rows=s.rows)
    with ExitStack() as stack:
        makers: dict[str, Callable[[], Callable[[], Any]]] = {
            "native": lambda: generation.native(place, work),
            "loop": lambda: generation.ours_on_transformers(place, work),
            "dynamic": lambda: generation.transformers_generate(place, work, "dynamic"),
            "static": lambda: generation.transformers_generate(place, work, "static"),
            "cntp": lambda: generation.cautious(place, work),
        }
        if vllm_python is not None and SIZES[size].hidden // SIZES[size].heads % VLLM_HEADS == 0:
            makers["vllm"] = lambda: stack.enter_context(closing(generation.Vllm(vllm_python, place, work)))
        works = {engine: make_engine() for engine, make_engine in makers.items() if engine in engines}
        works["limit"] = lambda: gflops(SQUARE, SQUARE, SQUARE, repeats=1)
        found = interleaved(works, runs)
    limit = found.pop("limit")
    named = {"shape": shape, "size": size, "batch": batch, "new": new}
    return [
        {
            **named,
            "engine": engine,
            "seconds": [seconds for seconds, _ in made],
            "gflops": limit,
            "tokens": [sum(lengths) for _, lengths in made],
            "macs": [_macs(engine, size, work, m) for _, m in made],
        }
        for engine, made in found.items()
    ]


def _macs(engine: str, size: str, work: Any, lengths: list[int]) -> int:
    """What this engine executed: ours read a prompt once and drop ended rows, generate does neither."""
    own = engine in ("native", "loop", "cntp")
    length = len(work.prompts[0])
    prompts = [length] * (len(work.prompts) // (work.shared if own else 1))
    return generation_macs(_architecture(size), prompts, [(length, n if own else max(lengths)) for n in lengths])


if __name__ == "__main__":
    serve(cell)
