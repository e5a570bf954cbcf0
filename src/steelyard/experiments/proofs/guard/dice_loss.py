"""Dice loss on a stream of texts whose harm annotators often overlook: which texts are harmful, which words of them.

A twentieth of the texts have two words of one intent. Annotators call seven in ten harmful of the commonest intent, and
four in ten or a little more of the others; of texts with one such word, eight in a hundred. So no label is sure, and
what is best for F1 is neither to call harmful what is so more often than not, as cross-entropy at a threshold of a half
does, nor what is so more often than most texts, as weighted cross-entropy does. A tagger says the same of words, of
which six in a thousand are harmful. Networks have one hidden layer and read how many words a text has of each intent,
and a tagger of which a word is. Arms differ in the loss alone: dice; cross-entropy, weighted, focal; dice without its
adjustment (flat), or for each text (example); and the control, dice of the common class alone. By held-out texts:
`f1_texts` and `f1_words` at a half, `off` how far probabilities are from shares, `tuned` F1 of texts at the threshold
that is best on the texts that were learned from, and `sure` F1 where annotators overlook nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import one_hot

from steelyard.core import checked, derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.guard.bag import f1
from steelyard.guard.dice_loss import DiceLoss
from steelyard.guard.label_losses import NAMED, LabelLoss
from steelyard.worlds.text_stream import EVERYDAY, INTENTS, WORDS_OF_EACH, TextStream

OFTEN = (0.7, 0.45, 0.45, 0.4, 0.4)
"""How often annotators call a text harmful that has two words of an intent."""
ALONE = 0.08
"""How often one that has one."""


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    texts: int = 12_000
    """Half of them held out."""
    steps: int = 300
    batch: int = 128
    """Texts in a step."""


@checked()
@dataclass(frozen=True)
class CommonClass(DiceLoss):
    """The control: the rare class has no coefficient of its own, only the common one."""

    def __call__(self, logits: Float[Tensor, "*N C"], labels: Int[Tensor, "*N"]) -> Float[Tensor, ""]:
        """The same sum over the first class alone."""
        p_N = logits.softmax(-1)[..., 0]
        y_N = (labels == 0).to(p_N)
        pt_N = (1 - p_N).clamp(min=1e-7) ** self.alpha * p_N
        return 1 - (2 * (pt_N * y_N).sum() + self.smooth) / (pt_N.sum() + y_N.sum() + self.smooth)


ARMS: Mapping[str, LabelLoss] = {
    "dice": DiceLoss(),
    "dice-off": CommonClass(),
    "cross-entropy": NAMED["cross-entropy"],
    "weighted": NAMED["weighted"],
    "focal": NAMED["focal"],
    "flat": DiceLoss(alpha=0.0),
    "example": DiceLoss(form="example"),
}


class Examples(NamedTuple):
    """Texts or words, M in all with F features each, and labels."""

    input_MF: Float[Tensor, "M F"]
    label_M: Int[Tensor, "M"]

    def half(self, first: int) -> "Examples":
        """Every second one."""
        return Examples(self.input_MF[first::2], self.label_M[first::2])


class Bench:
    """Texts of a seed and their words, as annotators label them; `sure` overlook nothing."""

    def __init__(self, setting: Setting, seed: int, sure: bool = False) -> None:
        self.setting = setting
        self.seed = seed
        messages = TextStream(number=2 * setting.texts, small_group=0.0, data_seed=seed).messages()[: setting.texts]
        word_NT = torch.tensor([m.words for m in messages])
        intent_NT = torch.where(word_NT < EVERYDAY, INTENTS, (word_NT - EVERYDAY) // WORDS_OF_EACH)
        count_NK = one_hot(intent_NT, INTENTS + 1).sum(1)[:, : len(OFTEN)].clamp(max=2)
        often_N = (torch.tensor(OFTEN) * (count_NK == 2)).amax(1)
        chance_N = torch.where(often_N > 0, often_N, ALONE * (count_NK == 1).any(1))
        drawn_N = torch.from_numpy(rng(seed, "annotators").random(len(word_NT)))
        label_N = (often_N > 0).long() if sure else (drawn_N < chance_N).long()
        read_NF = one_hot(count_NK, 3).flatten(1).float()
        label_NT = (label_N[:, None] * (intent_NT < INTENTS)).flatten()
        own_NTK = one_hot(intent_NT, INTENTS + 1).float()
        read_NTF = torch.cat([own_NTK, read_NF[:, None].expand(-1, word_NT.shape[1], -1)], -1)
        self.texts = Examples(read_NF, label_N)
        self.words = Examples(read_NTF.flatten(0, 1), label_NT)
        self.length = word_NT.shape[1]

    def f1_words(self, loss: LabelLoss, rate: float) -> float:
        """Of a tagger; a text's words are on one side of the split with it."""
        every = self.words.input_MF.unflatten(0, (-1, self.length)), self.words.label_M.unflatten(0, (-1, self.length))
        train, held_out = (Examples(*(x[first::2].flatten(0, 1) for x in every)) for first in (0, 1))
        p_M = self.fit(train, loss, rate, self.setting.batch * self.length, held_out.input_MF)
        return f1(p_M >= 0.5, held_out.label_M.bool())

    def of_texts(self, loss: LabelLoss, rate: float) -> dict[str, float]:
        """Of a classifier."""
        train, held_out = self.texts.half(0), self.texts.half(1)
        p_M = self.fit(train, loss, rate, self.setting.batch, self.texts.input_MF)
        known_M, asked_M, harm_M = p_M[0::2], p_M[1::2], held_out.label_M.bool()
        best = max(known_M.unique().tolist(), key=lambda at: f1(known_M >= at, train.label_M.bool()))
        tuned = f1(asked_M >= best, harm_M)
        return {"f1_texts": f1(asked_M >= 0.5, harm_M), "tuned": tuned, "off": off(asked_M, harm_M)}

    def fit(
        self, train: Examples, loss: LabelLoss, rate: float, batch: int, asked_MF: Float[Tensor, "M F"]
    ) -> Float[Tensor, "M"]:
        """Train a network, and ask it for probabilities."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(self.seed, "network"))
            net = nn.Sequential(nn.Linear(train.input_MF.shape[1], 16), nn.ReLU(), nn.Linear(16, 2))
        adam = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-2)
        own, draws = loss.over(train.label_M), rng(self.seed, "batches")
        for _ in range(self.setting.steps):
            of = torch.from_numpy(draws.integers(len(train.label_M), size=batch))
            adam.zero_grad()
            own(net(train.input_MF[of]), train.label_M[of]).backward()
            adam.step()
        with torch.no_grad():
            return net(asked_MF).softmax(-1)[:, 1]


def off(p_M: Float[Tensor, "M"], y_M: Bool[Tensor, "M"], bins: int = 10) -> float:
    """The calibration error: the mean distance of probability and share in ten bins of probability."""
    place_M = (p_M * bins).long().clamp(max=bins - 1)
    gap_K = torch.zeros(bins).index_add_(0, place_M, p_M - y_M.float())
    return float(gap_K.abs().sum() / len(p_M))


def measure(seed: int, setting: Setting, arms: Iterable[Arm[LabelLoss]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm, on the same texts."""
    bench, sure = Bench(setting, seed), Bench(setting, seed, sure=True)
    for arm in arms:
        row = bench.of_texts(arm.settings, arm.rate) | {"f1_words": bench.f1_words(arm.settings, arm.rate)}
        yield arm.name, row | {"sure": sure.of_texts(arm.settings, arm.rate)["f1_texts"]}


PROOF = Proof(
    proves=("dice-loss",),
    ours="dice",
    control="dice-off",
    equal="texts and labels, network, steps, batches, a threshold of a half",
    claims=(
        Claim("F1 of harmful texts is .05 above cross-entropy's", "f1_texts", "cross-entropy", 0.05),
        Claim(".1 above that of weighted cross-entropy", "f1_texts", "weighted", 0.1),
        Claim("and .02 above focal loss's", "f1_texts", "focal", 0.02),
        Claim("F1 of harmful words is .1 above cross-entropy's", "f1_words", "cross-entropy", 0.1),
        Claim(".1 above that of weighted cross-entropy", "f1_words", "weighted", 0.1),
        Claim("and within .02 of focal loss's", "f1_words", "focal", -0.02, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(texts=6000, steps=200),
    rates=dict.fromkeys(ARMS, 1e-2),
    first_seed=20,
    seeds=12,
)
