"""Tiny random models of four families, each a `save_pretrained` directory with its own character tokenizer."""

import os

# As many processes test at once as there are cores: further threads would wait for each other, for half of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported, here and in child processes

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

import typechecks

typechecks.install()  # before anything of the package is imported
os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is imported: no test touches the network

# No deadlines on a shared machine; the same examples in every run, so that a red check is red again.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

FAMILIES = ("llama", "qwen3", "gpt2", "gpt-neox")
CHARACTERS = "0123456789+-=# abcde"
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m['role'][0] + ':' + m['content'] + '#' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'a:' }}{% endif %}"
)


def _config(family: str, rows: int):
    import transformers

    sizes = {"vocab_size": rows, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"max_position_embeddings": 64, "initializer_range": 0.3, "bos_token_id": None, "eos_token_id": 0}
    llama = {**sizes, "intermediate_size": 32, "num_key_value_heads": 2}
    match family:
        case "llama":
            return transformers.LlamaConfig(**llama | {"bos_token_id": 2})
        case "qwen3":
            return transformers.Qwen3Config(**llama, head_dim=8, tie_word_embeddings=True)
        case "gpt2":
            return transformers.GPT2Config(**sizes)
        case "gpt-neox":
            return transformers.GPTNeoXConfig(**sizes, intermediate_size=32)
    raise ValueError(family)


def _tokenizer(family: str):
    """Characters, one token each. Llama prepends <bos> and Qwen3 has a chat template; GPT-2 has no padding token."""
    import tokenizers
    import transformers

    special = ["<eos>", "<pad>", "<bos>", ":"]
    vocab = {token: i for i, token in enumerate([*special, *CHARACTERS])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<pad>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    named = {"eos_token": "<eos>"} | ({} if family == "gpt2" else {"pad_token": "<pad>"})
    if family == "llama":
        named["bos_token"] = "<bos>"
        inner.post_processor = tokenizers.processors.TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", 2)]
        )
    outer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **named)
    if family == "qwen3":
        outer.chat_template = CHAT_TEMPLATE
    return outer


@pytest.fixture(scope="session")
def by_transformers() -> Callable[..., Any]:
    """`by_transformers(policy)`: another policy of the same model and weights, whose model is transformers' own."""

    def again(policy: Any) -> Any:
        from steelyard.policy import Policy, loading

        dtype = str(policy.head.weight.dtype).removeprefix("torch.")
        other = Policy(*loading.load(policy.model.name_or_path, dtype))
        other.load_weights(policy.weights())
        return other

    return again


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`tiny_model_dir(family)`: the directory of a random 2-layer model; made once in a session. Do not write to it.

    24 tokens: 0 <eos>, 1 <pad>, 2 <bos>, then ":" and the characters; 28 embedding rows, so four ids mean nothing.
    Context 64. Weights are drawn wide (0.3) so that next-token distributions are far from uniform.
    """
    made: dict[str, Path] = {}

    def directory(family: str) -> Path:
        if family not in made:
            import torch
            import transformers

            made[family] = tmp_path_factory.mktemp(family)
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(7)
                model = transformers.AutoModelForCausalLM.from_config(_config(family, rows=28))
            model.save_pretrained(made[family])
            _tokenizer(family).save_pretrained(made[family])
        return made[family]

    return directory
