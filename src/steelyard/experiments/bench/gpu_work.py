"""Random models of the Llama family on a GPU, and the work that is timed on them."""

import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import torch

from steelyard.core import Request, Sampling, Trajectory, Weights
from steelyard.core.json import JsonObject
from steelyard.experiments.bench.models import Size, llama_config, tokenizer
from steelyard.experiments.bench.operations import linear_macs
from steelyard.model import Architecture, architecture_of
from steelyard.policy import Policy
from steelyard.policy.native_config import Config
from steelyard.policy.native_loader import CONFIG, NativeModel
from steelyard.rollout import NativeEngine

SAMPLES = 8
"""Samples of each prompt."""
FIRST = 4
"""Tokens below it are not used: padding and ends."""


SIZES = {
    "tiny": Size(32, 2, 2, 64, keys=1, head=16, context=4096),
    # The sizes of Gemma 3 270M and of Llama 3.2 1B.
    "268M": Size(640, 18, 4, 2048, keys=1, head=256, vocabulary=262144, context=4096),
    "1B": Size(2048, 16, 32, 8192, keys=8, head=64, vocabulary=128256, context=4096),
}


def config_of(size: str) -> JsonObject:
    """The model's config.json."""
    whole = llama_config(SIZES[size], ends=False).to_dict()
    return {field.name: whole[field.name] for field in msgspec.structs.fields(Config) if field.name in whole}


def random_policy(size: str, device: torch.device, dtype: torch.dtype) -> Policy:
    """A model with random weights, made where it is used."""
    config = config_of(size)
    architecture = architecture_of(config)
    assert architecture is not None
    with torch.device(device):
        model = NativeModel(architecture, dtype, Path(size), {CONFIG: config})
    generator = torch.Generator(device).manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.02, generator=generator)
            if parameter.ndim == 1:
                parameter.add_(1.0)
    return Policy(model, tokenizer(ends=False))


def requests(size: str, rows: int, length: int) -> list[Request]:
    """Random prompts of `length` tokens, each for `SAMPLES` samples."""
    samples = min(SAMPLES, rows)
    tokens_PT = np.random.default_rng(0).integers(FIRST, SIZES[size].vocabulary, (rows // samples, length))
    prompts = [tuple(tokens_T) for tokens_T in tokens_PT.tolist()]
    return [Request(f"{p}", tokens, s) for p, tokens in enumerate(prompts) for s in range(samples)]


def groups(size: str, prompts: int, length: int, new: int) -> list[list[Trajectory]]:
    """Random groups: `SAMPLES` completions of `new` tokens for each prompt of `length`."""
    rng = np.random.default_rng(0)
    made: list[list[Trajectory]] = []
    for p in range(prompts):
        prompt_T = rng.integers(FIRST, SIZES[size].vocabulary, length)
        made.append([_trajectory(rng, size, f"{p}", prompt_T, new, sample) for sample in range(SAMPLES)])
    return made


def _trajectory(
    rng: np.random.Generator, size: str, prompt_id: str, prompt_T: np.ndarray, new: int, sample: int
) -> Trajectory:
    vocabulary = SIZES[size].vocabulary
    tokens_T = np.concatenate([prompt_T, rng.integers(FIRST, vocabulary, new)]).astype(np.int32)
    action_T = np.arange(len(tokens_T)) >= len(prompt_T)
    logp_T = np.where(action_T, -np.log(vocabulary), 0).astype(np.float32)
    reward = float(rng.integers(2))
    stamps = {"sample": sample, "logp_ref_T": logp_T, "reward": reward}
    return Trajectory(prompt_id, tokens_T, action_T, logp_T, 0, "", Sampling(), "length", **stamps)


def decode_bytes(a: Architecture, rows: int, length: int, new: int, itemsize: int) -> float:
    """Bytes that one decode step of these rows has to read: all weights once, and the keys and values of all rows."""
    weights = linear_macs(a) + a.vocab_size * a.hidden_size
    keys = 2 * a.num_layers * a.num_kv_heads * a.head_dim * rows * (length + new / 2)
    return itemsize * (weights + keys)


def step_flops(a: Architecture, prompts: int, length: int, new: int) -> float:
    """Operations of one learner step, forward and backward, with each prompt computed once: 6 for a multiply-add."""
    fed = prompts * (length + SAMPLES * (new - 1))
    pairs = prompts * (length**2 / 2 + SAMPLES * (new * length + new**2 / 2))
    attention = 2 * a.num_layers * a.num_heads * a.head_dim * pairs
    head = prompts * SAMPLES * new * a.vocab_size * a.hidden_size
    return 6.0 * (fed * linear_macs(a) + attention + head)


def take(engine: NativeEngine, weights: Weights) -> None:
    """Have the engine hold these weights, as it does before its next token."""
    engine.load(weights)
    only = Request("0", (FIRST,), 0)
    list(engine.generate([only], Sampling(0.0, 1)))


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the work, until the GPU has done it."""
    wait(device)
    began = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - began


def wait(device: torch.device) -> None:
    """Wait until the GPU has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
