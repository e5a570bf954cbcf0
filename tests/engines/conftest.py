"""A tiny Llama that every engine takes, and one server of vLLM for the tests of a process, where vLLM is."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from engines.table import Table
from steelyard.policy import LoRA, Policy, loading
from steelyard.rollout.vllm_server import Command, VllmServer

CONTEXT = 256
START_S = 600.0
ANSWER_S = 300.0
RANK = 2
"""Of adapters."""


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Callable[[str], Path]) -> Path:
    """28 tokens as in `tiny_model_dir("llama")`, heads of 32 numbers, which vLLM asks for, and room for 256 tokens."""
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=28,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,
        intermediate_size=96,
        max_position_embeddings=CONTEXT,
        initializer_range=0.3,
        bos_token_id=2,
        eos_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = transformers.AutoModelForCausalLM.from_config(config)
    made = tmp_path_factory.mktemp("wide-llama")
    model.save_pretrained(made)
    loading.load_tokenizer(str(tiny_model_dir("llama"))).save_pretrained(made)
    return made


@pytest.fixture
def policy(model_dir: Path) -> Policy:
    """The tiny Llama, anew."""
    return Policy.load(str(model_dir))


@pytest.fixture
def adapted(model_dir: Path) -> Callable[[], Policy]:
    """`adapted()`: the same with adapters that change nothing yet."""
    return lambda: Policy.load(str(model_dir), lora=LoRA(rank=RANK))


@pytest.fixture(scope="session")
def vllm_python() -> str:
    """The interpreter of an environment with vLLM, which the variable VLLM_PYTHON names."""
    named = os.environ.get("VLLM_PYTHON")
    if not named:
        pytest.skip("vLLM is not installed: make test-vllm makes an environment for it")
    if not Path(named).exists():
        pytest.skip(f"vLLM is not installed: there is no {named}")
    return named


@pytest.fixture(scope="session")
def start(vllm_python: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., VllmServer]:
    """`start(model, lora_rank)`: a server of vLLM that answers, and takes adapters of this rank."""

    def started(model: Path, lora_rank: int = 0) -> VllmServer:
        words = "--enforce-eager --enable-prompt-tokens-details"
        command = Command(vllm_python, model, "float32", CONTEXT, 1, words, lora_rank)
        server = VllmServer(command, tmp_path_factory.mktemp("vllm") / "log", ANSWER_S)
        server.wait(START_S)
        return server

    return started


@pytest.fixture(scope="session")
def server(start: Callable[..., VllmServer], model_dir: Path) -> Iterator[VllmServer]:
    """One for all tests: a new engine gives it the weights that it has."""
    started = start(model_dir)
    yield started
    started.close()


@pytest.fixture(scope="session")
def lora_server(start: Callable[..., VllmServer], model_dir: Path) -> Iterator[VllmServer]:
    """Another one, which takes adapters."""
    started = start(model_dir, RANK)
    yield started
    started.close()


@pytest.fixture(scope="session")
def table() -> Iterator[Table]:
    """What was measured; written where the variable ENGINES_TABLE says."""
    made = Table()
    yield made
    place = os.environ.get("ENGINES_TABLE")
    if place:
        Path(place).write_text(made.text())
