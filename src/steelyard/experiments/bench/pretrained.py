"""A pretrained model of your own: tokens per second, log-probabilities and memory, beside transformers.

Random prompts of 16 tokens, temperature 1, float32, one thread. In one process the engines generate in turn; nothing
ends a completion early. Each engine is then alone in a process, whose memory at its peak is taken: all of it, with the
weights and the interpreter, from when the model has been loaded.

    ours       the engine that a run would use, which also returns log-probabilities
    int8       the same with `--search.head int8`, where there is one
    generate   `generate` of transformers with a dynamic cache, without log-probabilities
    learner    one step with LoRA on as many completions, in groups of 8, VarGrad TB: whole steps, and the peak

Differences are over all tokens drawn by ours: |their log-probability - that of transformers' model|, mean and largest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from steelyard.core import PositiveInt, Request, Sampling, Trajectory, checked, require
from steelyard.core.json import JsonObject
from steelyard.experiments.bench.measuring import forget_peak, interleaved, ratios, resident_mib, seconds
from steelyard.experiments.bench.record import Row
from steelyard.experiments.harness.processes import ask_module, serve
from steelyard.experiments.harness.spread import spread

TITLE = "A pretrained model, one thread"
PROMPT = 16
GROUP = 8
SIDES = ("ours", "int8", "generate", "learner")


@checked()
@dataclass(frozen=True)
class Pretrained:
    """Generation and a learner step of one model directory."""

    model: str = ""
    """A directory that `save_pretrained` wrote."""
    runs: PositiveInt = 3
    """Runs of each side."""
    rows: PositiveInt = 16
    """Completions generated together."""
    new: PositiveInt = 32
    """Tokens of a completion."""


def measure(settings: Pretrained, workdir: Path, say: Callable[[str], None]) -> list[Row]:
    """A row for each side."""
    del workdir
    where = Path(settings.model)
    found = bool(settings.model) and where.is_dir()
    require(found, f"{settings.model!r} is no directory", where="--model", hint="name one that save_pretrained wrote")
    asked = {"directory": str(where), "rows": settings.rows, "new": settings.new}
    together: JsonObject = ask_module(__name__, {**asked, "runs": settings.runs})
    tokens = settings.rows * settings.new
    rows: list[Row] = []
    for side in SIDES:
        if side != "learner" and side not in together["seconds"]:
            continue
        runs = settings.runs if side == "learner" else 1
        alone: JsonObject = ask_module(__name__, {**asked, "runs": runs, "alone": side})
        taken = together["seconds"].get(side, alone["seconds"])
        row = {"side": side, "tokens": tokens, "seconds": taken, "peak_mib": alone["peak_mib"]}
        rows.append({**row, "differences": together["differences"].get(side, [])})
        say(f"{side}: {spread(_rates(row))} tokens/s, {alone['peak_mib']:.0f} MiB")
    return rows


def table(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """A line for each side."""
    columns = ["", "tokens/s", "times generate", "nats from transformers, mean", "most", "peak MiB"]
    generated = next((row for row in rows if row["side"] == "generate"), None)
    return columns, [
        [
            row["side"],
            spread(_rates(row)),
            spread(ratios(_rates(row), _rates(generated))) if generated and row["differences"] else "",
            *([f"{value:.1g}" for value in row["differences"]] or ["", ""]),
            f"{row['peak_mib']:.0f}",
        ]
        for row in rows
    ]


def _rates(row: Row) -> list[float]:
    return [row["tokens"] / taken for taken in row["seconds"]]


# In a process of its own


def cell(directory: str, rows: int, new: int, runs: int, alone: str | None = None) -> JsonObject:
    """Both engines in turn, and how far log-probabilities are apart; or with `alone`, one side's seconds and memory."""
    prompts = _prompts(directory, rows)
    if alone is not None:
        work = _MAKERS[alone](directory, prompts, new)
        forget_peak()
        taken = interleaved({alone: lambda: seconds(work)}, runs)[alone]
        return {"seconds": taken, "peak_mib": resident_mib("VmHWM")}
    engines = {"ours": _ours(directory, prompts, new)}
    if _has_int8(directory):
        engines["int8"] = _int8(directory, prompts, new)
    generate, differences = _transformers(directory, prompts, new)
    works: dict[str, Callable[[], object]] = {**engines, "generate": generate}
    found = interleaved({side: lambda work=work: seconds(work) for side, work in works.items()}, runs)
    return {"seconds": found, "differences": {side: differences(engine()) for side, engine in engines.items()}}


def _has_int8(directory: str) -> bool:
    from steelyard.policy.meta_model import meta_policy
    from steelyard.rollout.int8_projection import int8_works

    return meta_policy(directory).slow_reason is None and int8_works()


def _prompts(directory: str, rows: int) -> list[list[int]]:
    from steelyard.policy.meta_model import meta_policy

    words = meta_policy(directory).vocab_size
    return np.random.default_rng(0).integers(words, size=(rows, PROMPT)).tolist()


def _endless(policy: Any) -> Any:
    """The policy without tokens that end a completion, so that all are equally long."""
    policy.tokenizer.eos_token = None
    policy.model.generation_config.eos_token_id = None
    return policy


def _ours(
    directory: str, prompts: Sequence[Sequence[int]], new: int, *, int8_head: bool = False
) -> Callable[[], list[Trajectory]]:
    from steelyard.policy import Policy
    from steelyard.rollout import engine_for

    engine = engine_for(_endless(Policy.load(directory)), 0, int8_head=int8_head)
    requests = [Request(f"{i}", tuple(prompt), 0) for i, prompt in enumerate(prompts)]
    return lambda: [*engine.generate(requests, Sampling(1.0, new))]


def _int8(directory: str, prompts: Sequence[Sequence[int]], new: int) -> Callable[[], list[Trajectory]]:
    return _ours(directory, prompts, new, int8_head=True)


Differences = Callable[[Sequence[Trajectory]], list[float]]


def _transformers(
    directory: str, prompts: Sequence[Sequence[int]], new: int
) -> tuple[Callable[[], object], Differences]:
    """Its `generate`, and how far given log-probabilities are from those of its model."""
    import torch

    from steelyard.policy import Policy, loading

    model = _endless(Policy(*loading.load(directory, "float32"))).model
    tokens = torch.tensor(prompts)
    options = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_new_tokens": new}

    @torch.inference_mode()
    def generate() -> object:
        return model.generate(tokens, attention_mask=torch.ones_like(tokens), pad_token_id=0, **options)

    @torch.inference_mode()
    def differences(made: Sequence[Trajectory]) -> list[float]:
        gaps: list[np.ndarray] = []
        for t in made:
            row_T = torch.tensor(t.tokens_T.tolist())
            logp_TV = model(input_ids=row_T[None], use_cache=False).logits[0, :-1].float().log_softmax(-1)
            logp_T = logp_TV.gather(1, row_T[1:, None])[:, 0].numpy()
            gaps.append(np.abs(logp_T - t.logp_behaviour_T[1:])[t.action_T[1:]])
        every = np.concatenate(gaps)
        return [float(every.mean()), float(every.max())]

    return generate, differences


def _generate(directory: str, prompts: Sequence[Sequence[int]], new: int) -> Callable[[], object]:
    return _transformers(directory, prompts, new)[0]


def _learner(directory: str, prompts: Sequence[Sequence[int]], new: int) -> Callable[[], object]:
    """A step with LoRA on groups of 8 random completions; the first prompts are theirs."""
    from steelyard.learner import Adam, Learner
    from steelyard.objective import VarGradTB
    from steelyard.policy import LoRA, Policy

    learner = Learner(Policy.load(directory, lora=LoRA()), VarGradTB(), Adam(), learning_rate=0.0)
    of = [prompts[i // GROUP] for i in range(len(prompts))]
    draws = np.random.default_rng(1).integers(learner.policy.vocab_size, size=(len(of), new))
    made = [_completed(f"{i // GROUP}", i % GROUP, of[i], draws[i]) for i in range(len(of))]
    groups = [made[i : i + GROUP] for i in range(0, len(made), GROUP)]
    return lambda: learner.step(groups)


def _completed(prompt_id: str, sample: int, prompt: Sequence[int], drawn_T: np.ndarray) -> Trajectory:
    tokens_T = np.array([*prompt, *drawn_T], np.int32)
    action_T = np.arange(len(tokens_T)) >= len(prompt)
    logp_T = np.where(action_T, -12.0, 0).astype(np.float32)
    given = {"logp_ref_T": logp_T, "reward": float(sample % 2)}
    return Trajectory(prompt_id, tokens_T, action_T, logp_T, 0, "", Sampling(), "length", sample=sample, **given)


_MAKERS: dict[str, Callable[[str, Sequence[Sequence[int]], int], Callable[[], object]]] = {
    "ours": _ours,
    "int8": _int8,
    "generate": _generate,
    "learner": _learner,
}

if __name__ == "__main__":
    serve(cell)
