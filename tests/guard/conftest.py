"""Labelled texts of a small vocabulary, captioned images, and tiny random classifiers of two families."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def texts_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 texts of digits and letters; those with an "a" are harmful."""
    place = tmp_path_factory.mktemp("texts") / "t.jsonl"
    texts = [f"{i % 7} {'a' if i % 2 else 'b'} {i}" for i in range(120)]
    rows = [{"text": text, "label": "harmful" if " a " in text else "harmless"} for text in texts]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.fixture(scope="session")
def classifier_of(
    tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Callable[[str], Path]
) -> Callable[[str, int], str]:
    """`classifier_of(family, seed)`: the directory of a random sequence classifier with the labels safe and unsafe."""
    import transformers

    labels = {"id2label": {0: "safe", 1: "unsafe"}, "label2id": {"safe": 0, "unsafe": 1}}
    sizes = {"vocab_size": 28, "num_attention_heads": 2, "max_position_embeddings": 40, "pad_token_id": 1}
    sizes |= {"hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16, "initializer_range": 0.5}
    kinds = {"roberta": transformers.RobertaConfig, "gpt2": transformers.GPT2Config}
    made: dict[tuple[str, int], str] = {}

    def directory(family: str, seed: int) -> str:
        if (family, seed) not in made:
            place = tmp_path_factory.mktemp(f"{family}-{seed}")
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                config = kinds[family](**sizes, **labels)
                transformers.AutoModelForSequenceClassification.from_config(config).save_pretrained(place)
            transformers.AutoTokenizer.from_pretrained(tiny_model_dir("llama")).save_pretrained(place)
            made[family, seed] = str(place)
        return made[family, seed]

    return directory


@pytest.fixture
def images(tmp_path: Path) -> str:
    """A file of forty captioned images of bytes, with labels; each caption is that of two."""
    draws = np.random.default_rng(0)
    words = [f"{a} {b}" for a in ("red", "blue", "green", "white") for b in ("bar", "ring", "block", "plus", "pole")]
    np.savez(
        tmp_path / "a.npz",
        images=draws.integers(256, size=(40, 8, 8, 3), dtype=np.uint8),
        captions=np.array(words * 2),
        labels=np.arange(40) % 2,
    )
    return str(tmp_path / "a.npz")
