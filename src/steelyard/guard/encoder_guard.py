"""A guard that is a small encoder over words, with an attention of one's choice.

    L = CE(harm(x), softmax(W_c h(x))),    h(x) the mean hidden state of an encoder (steelyard.model.encoder)

Another loss may stand for CE (`steelyard.guard.label_losses`).

A word is what stands between spaces; unknown ones are one token. The last layer's mean hidden state is the guard's, so
a router can be fitted to it. N texts, T tokens. No paper.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from steelyard.core import rng
from steelyard.guard.base import Ruling
from steelyard.guard.label_losses import LabelLoss
from steelyard.learner.fitting import Fitting
from steelyard.model import Encoder, EncoderSizes
from steelyard.policy.classifier import Classifier
from steelyard.policy.own_encoder import OwnEncoder

LABELS = ("harmless", "harmful")
PAD = "[PAD]"
UNKNOWN = "[UNK]"


class EncoderGuard:
    """An encoder with a head for two labels, and the tokenizer of its words.

    Args:
        words: the vocabulary; other words are one unknown token.
        sizes: of the encoder; vocabulary and labels are set here.
        seed: of the initial weights.
    """

    def __init__(self, words: Sequence[str], sizes: EncoderSizes, *, seed: int) -> None:
        self.tokenizer = _tokenizer(words, sizes.context_length)
        self.encoder = Encoder(sizes, seed=seed)

    @property
    def num_parameters(self) -> int:
        """Numbers that are fitted."""
        return sum(p.numel() for p in self.encoder.parameters())

    def begin(
        self,
        texts: Sequence[str],
        harm_N: Bool[Tensor, "N"],
        *,
        steps: int,
        batch: int,
        rate: float,
        seed: int,
        loss_of: LabelLoss | None = None,
    ) -> Fitting:
        """The training by AdamW, before its first step; each step learns from `batch` texts drawn with `seed`.

        `loss_of` is what is minimised; None for the encoder's own cross-entropy.
        """
        device = next(self.encoder.parameters()).device
        tokens_NT, attend_NT = (x.to(device) for x in self.encode(texts))
        draws = rng(seed, "encoder-guard")
        labels_N = harm_N.long().to(device)
        own = None if loss_of is None else loss_of.over(labels_N)

        def loss() -> Tensor:
            of = torch.from_numpy(draws.integers(len(labels_N), size=batch))
            longest = int(attend_NT[of].sum(1).max())
            read = tokens_NT[of, :longest], attend_NT[of, :longest]
            return self.encoder.loss(*read, labels_N[of]) if own is None else own(self.encoder(*read), labels_N[of])

        adam = torch.optim.AdamW(self.encoder.parameters(), lr=rate, weight_decay=1e-2)
        return Fitting(self.encoder, adam, loss, draws, steps)

    def encode(self, texts: Sequence[str]) -> tuple[Int[Tensor, "N T"], Int[Tensor, "N T"]]:
        """Tokens, padded behind and cut at the context, and 0 at padding."""
        read = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        return read["input_ids"], read["attention_mask"]

    def __call__(self, texts: Sequence[str]) -> Ruling:
        """The rulings, with mean hidden states of the last layer."""
        net = OwnEncoder(self.encoder, head=True)
        ruling = Ruling(*Classifier(net, self.tokenizer).read(texts, LABELS[1]))
        self.encoder.train()
        return ruling

    def write(self, directory: Path) -> None:
        """Write a classifier that `--small`, `--judge` and `Classifier.load` read."""
        self.encoder.save(directory)
        self.tokenizer.save_pretrained(directory)


def _tokenizer(words: Sequence[str], longest: int) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    known = {word: place for place, word in enumerate((PAD, UNKNOWN, *words))}
    inner = Tokenizer(models.WordLevel(known, unk_token=UNKNOWN))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    marks = {"pad_token": PAD, "unk_token": UNKNOWN, "padding_side": "right"}
    return PreTrainedTokenizerFast(tokenizer_object=inner, model_max_length=longest, **marks)
