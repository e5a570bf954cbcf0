"""Models that read and write printable text, a character a token."""

from pathlib import Path


def save_model(place: Path, family: str, kind: str = "CausalLM", *, context: int = 128, end: str = "<eos>") -> str:
    """A random model of one layer over printable characters, and what ends a completion."""
    import tokenizers
    import torch
    import transformers

    vocab = {token: i for i, token in enumerate([end, "<pad>", "\n", *map(chr, range(32, 127))])}
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<pad>"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    named = {"eos_token": end, "pad_token": "<pad>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **named).save_pretrained(place)
    sizes = {"vocab_size": len(vocab), "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 4}
    sizes |= {"max_position_embeddings": context, "bos_token_id": None, "eos_token_id": 0, "pad_token_id": 1}
    own = {"intermediate_size": 32, "num_key_value_heads": 4}
    config = {
        "llama": lambda: transformers.LlamaConfig(**sizes, **own),
        "qwen3": lambda: transformers.Qwen3Config(**sizes, **own, head_dim=8),
        "gpt2": lambda: transformers.GPT2Config(**sizes),
    }[family]()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        getattr(transformers, f"AutoModelFor{kind}").from_config(config).save_pretrained(place)
    return str(place)
