"""Makes the base model of the enumerable world: a tiny random Llama whose vocabulary is exactly the alphabet.

Random but not flat: its matrices are drawn wide, so that the reference has a structure of its own, which pi* keeps.
There is no special token, so "uniform over the vocabulary" is uniform over the completions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from steelyard.core import Seed, checked, rng
from steelyard.policy import Policy
from steelyard.task.enumerable import LETTERS
from steelyard.worlds.bases.new_model import save_new

WIDTH = 48
SPREAD = 0.07  # standard deviation of a matrix entry: next-letter logits then have one of about 0.07 sqrt(WIDTH) = 0.5


@checked()
@dataclass(frozen=True)
class EnumerableBase:
    """Draw the base model of the enumerable recipes: random weights, no training."""

    output_dir: str = "runs/build-base-enumerable"
    """Where the model is written."""
    seed: Seed = 0
    """Seed of the weights."""

    def __call__(self) -> Mapping[str, object]:
        """Write the model.

        Raises:
            SteelyardError: the output directory is not empty, or cannot be made.
        """
        print(f"model: {make(Path(self.output_dir), self.seed)}")
        return {"model": self.output_dir}


def make(directory: Path, seed: int = 0) -> Path:
    """Write the model to an empty or absent `directory`; the same seed gives the same weights, bit for bit.

    Raises:
        SteelyardError: the directory is not empty, or the disk does not take the model.
    """
    import transformers

    config = transformers.LlamaConfig(
        vocab_size=len(LETTERS),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=16,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = transformers.LlamaForCausalLM(config)
    draw(model, seed)
    return save_new(Policy(model, letter_tokenizer()), directory)


@torch.no_grad()
def draw(model: torch.nn.Module, seed: int) -> None:
    """Fill the matrices, each from a stream of its own: neither torch's generator nor the modules' order matters."""
    for name, weight in model.named_parameters():
        if weight.dim() == 2:
            weight.copy_(torch.from_numpy(rng(seed, "enumerable-base", name).normal(0.0, SPREAD, weight.shape)))


def letter_tokenizer() -> Any:
    """One token for each letter of the alphabet and no other; any other character is refused."""
    import tokenizers
    import transformers

    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({letter: id for id, letter in enumerate(LETTERS)}))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    inner.decoder = tokenizers.decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, model_max_length=16, clean_up_tokenization_spaces=False
    )
