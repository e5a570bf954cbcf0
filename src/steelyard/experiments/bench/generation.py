"""What generates in the rollout part: each engine does the same requests, and says what it made in how long."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from steelyard.core import Engine, FaultError, Request, Sampling
from steelyard.core.json import JsonObject
from steelyard.decode import CNTP
from steelyard.experiments.bench.models import END, PAD, VOCABULARY
from steelyard.experiments.harness.processes import environment
from steelyard.policy import Policy, loading
from steelyard.rollout import CandidateEngine, TransformersEngine
from steelyard.rollout.native import NativeEngine

_PEER = Path(__file__).parent / "peers" / "vllm_generate.py"
Lengths = list[int]
"""Tokens of each completion, its end included."""
Made = tuple[float, Lengths]
"""Seconds, and what was made in them."""


@dataclass(frozen=True)
class Work:
    """What every engine of a cell is asked for."""

    prompts: list[list[int]]
    """One for each row; samples of one prompt stand together."""
    shared: int
    """Samples of each prompt."""
    new: int
    """Most tokens of a completion."""
    rows: int
    """Completions generated together."""

    @classmethod
    def draw(cls, batch: int, *, length: int, shared: int, new: int, rows: int) -> "Work":
        """Random prompts of `length` tokens, all different; none holds padding or an end."""
        tokens = np.random.default_rng(0).integers(max(END, PAD) + 1, VOCABULARY, (batch // shared, length))
        return cls(tokens.repeat(shared, 0).tolist(), shared, new, rows)


def native(directory: Path, work: Work) -> Callable[[], Made]:
    """The native engine."""
    return _ours(NativeEngine(Policy.load(str(directory)), 0, max_rows=work.rows), work)


def ours_on_transformers(directory: Path, work: Work) -> Callable[[], Made]:
    """Our decode loop on the transformers model."""
    policy = Policy(*loading.load(str(directory), "float32"))
    return _ours(TransformersEngine(policy, 0, max_rows=work.rows), work)


def cautious(directory: Path, work: Work) -> Callable[[], Made]:
    """The engine of decode rules, with cautious next-token prediction."""
    return _ours(CandidateEngine(Policy.load(str(directory)), CNTP(), 0, max_rows=work.rows), work)


def _ours(engine: Engine, work: Work) -> Callable[[], Made]:
    sampling = Sampling(1.0, work.new)
    requests = [Request(f"{i // work.shared}", tuple(p), i % work.shared) for i, p in enumerate(work.prompts)]

    def generate() -> Made:
        began = time.perf_counter()
        found = list(engine.generate(requests, sampling))
        return time.perf_counter() - began, [int(t.action_T.sum()) for t in found]

    return generate


def transformers_generate(directory: Path, work: Work, cache: str) -> Callable[[], Made]:
    """`generate` of transformers, without log-probabilities: what it has to do at least."""
    model = Policy(*loading.load(str(directory), "float32")).model
    ends = model.config.eos_token_id is not None
    options = {"do_sample": True, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "max_new_tokens": work.new}
    options |= {"pad_token_id": PAD, "cache_implementation": cache}

    @torch.inference_mode()
    def some(prompts: Sequence[Sequence[int]]) -> Lengths:
        tokens = torch.tensor(prompts)
        made = model.generate(tokens, attention_mask=torch.ones_like(tokens), **options)[:, tokens.shape[1] :]
        ended = (made == END).long().cummax(1).values.sum(1) if ends else torch.zeros(len(made))
        return [int(made.shape[1] - max(e - 1, 0)) for e in ended]

    def generate() -> Made:
        began = time.perf_counter()
        lengths = []
        for start in range(0, len(work.prompts), work.rows):
            lengths += some(work.prompts[start : start + work.rows])
        return time.perf_counter() - began, lengths

    return generate


class Vllm:
    """vLLM's CPU build in an interpreter of its own, which loads once and generates whenever asked."""

    def __init__(self, python: str, directory: Path, work: Work) -> None:
        env = environment(1) | {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "0"}
        self._process = subprocess.Popen(
            [python, str(_PEER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=sys.stderr, text=True, env=env
        )
        self._ask({"model": str(directory), "prompts": work.prompts, "new": work.new, "rows": work.rows})

    def __call__(self) -> Made:
        """Generate once."""
        answer = self._ask({"generate": True})
        return answer["seconds"], answer["lengths"]

    def close(self) -> None:
        """End it."""
        with self._process:
            self._process.stdin.close()  # pyright: ignore[reportOptionalMemberAccess]

    def _ask(self, what: JsonObject) -> JsonObject:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        for line in self._process.stdout:
            if line.startswith('{"vllm"'):
                return json.loads(line)
        hint = "look at what it said above, or leave --vllm-python out"
        raise FaultError(f"ended with exit code {self._process.wait()}", where="vllm", hint=hint)
