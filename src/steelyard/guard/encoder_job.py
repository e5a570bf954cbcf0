"""A guard that is an encoder, from one's own texts: `steelyard train encoder-guard --texts t.jsonl`.

`--loss` chooses what is minimised, for texts of which few are harmful; `--attention` how its layers mix tokens: empty
for full attention, `linformer` for long texts. What the run writes to RUN/model is a classifier like any other: of a
cascade, as a task's judge, as an embedder.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, ClassVar

import tyro

from steelyard.core import Positive, PositiveInt, SteelyardError, checked, require
from steelyard.core.json import JsonObject
from steelyard.guard.classifier_guard import ClassifierGuard
from steelyard.guard.dice_loss import DiceLoss
from steelyard.guard.encoder_guard import LABELS, EncoderGuard
from steelyard.guard.label_losses import NAMED, LabelLoss, LossName
from steelyard.guard.labelled import Labelled
from steelyard.guard.measures import measured
from steelyard.guard.settings import GuardSettings
from steelyard.guard.word_route import vocabulary
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.model import EncoderAttention, EncoderSizes, encoder_attention_by_name
from steelyard.policy.device import AUTO, Device, device_of, moved


@checked()
@dataclass(frozen=True)
class FitEncoder(GuardSettings):
    """Fit an encoder on labelled texts."""

    OWN_DATA: ClassVar[str] = "--texts labelled.jsonl"

    attention: str = ""
    """How tokens hear each other: empty for full attention, or a variant by name, such as linformer."""
    attention_settings: str = "{}"
    """Settings of the variant, as JSON: '{"compression": 8}'."""
    words: PositiveInt = 5000
    """Most frequent words that it knows; a word is what stands between spaces, letter by letter."""
    hidden_size: PositiveInt = 64
    """Width of the layers."""
    num_layers: PositiveInt = 2
    """Layers."""
    num_heads: PositiveInt = 4
    """Heads of a layer."""
    context_length: PositiveInt = 512
    """Longest text (tokens); what is longer loses its end."""
    loss: LossName = "cross-entropy"
    """What is minimised; where harm is rare: weighted by how rare a label is, focal (gamma 2), or dice."""
    dice: Annotated[DiceLoss, tyro.conf.OmitArgPrefixes] = field(default_factory=DiceLoss)
    """Settings of dice."""
    device: Device = AUTO
    """Where it computes: auto, cpu, cuda or cuda:NUMBER."""
    steps: PositiveInt = 500
    """Steps of AdamW."""
    batch_size: PositiveInt = 32
    """Texts in a step."""
    learning_rate: Positive = 1e-3
    """The optimizer's learning rate."""

    @property
    def mix(self) -> EncoderAttention | None:
        """The attention that `attention` names; None for full attention.

        Raises:
            SteelyardError: there is none, or its settings are wrong.
        """
        try:
            settings = json.loads(self.attention_settings)
        except ValueError as error:
            raise SteelyardError(
                f"is no JSON ({error})", where="--attention-settings", hint="write an object"
            ) from error
        fits = isinstance(settings, dict)
        require(fits, f"is {self.attention_settings}", where="--attention-settings", hint="write an object, {}")
        return encoder_attention_by_name(self.attention, settings)

    @property
    def title(self) -> str:
        """What is fitted on what."""
        return f"an encoder with {self.attention or 'full'} attention on {self.texts}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the network, and how many steps there are."""
        train, _, facts = self.read()
        guard = self._guard(train)
        _ = self.loss_of
        place = str(device_of(self.device, guard.num_parameters))
        known = {"device": place, "words": guard.encoder.sizes.vocab_size - 2, "attention": self.attention or "full"}
        network = {**known, "parameters": guard.num_parameters, "loss": self.loss}
        return {"data": facts, "guard": network, "steps": {"steps": self.max_steps or self.steps}}

    def open(self) -> FittingWork:
        """Read the texts, and begin to fit."""
        train, held_out, facts = self.read()
        if self.fitted:
            known = ClassifierGuard.load(self.fitted, LABELS[1], "--fitted", self.device)
            return FittingWork(None, partial(measured, known, held_out), unwritten, facts)
        guard = self._guard(train)
        moved(guard.encoder, self.device)
        fitting = guard.begin(
            train.texts,
            train.harm_N,
            steps=self.max_steps or self.steps,
            batch=self.batch_size,
            rate=self.learning_rate,
            seed=self.seed,
            loss_of=self.loss_of,
        )
        return FittingWork(fitting, partial(measured, guard, held_out), guard.write, facts)

    @property
    def loss_of(self) -> LabelLoss | None:
        """The loss that `loss` names; None for the encoder's own cross-entropy.

        Raises:
            SteelyardError: settings of dice are given for another loss.
        """
        if self.loss == "dice":
            return self.dice
        hint = "leave them out, or write --loss dice"
        require(self.dice == DiceLoss(), "settings of dice are given", where=f"--loss {self.loss}", hint=hint)
        return NAMED[self.loss] if self.loss != "cross-entropy" else None

    def _guard(self, train: Labelled) -> EncoderGuard:
        words = vocabulary(train.texts, self.words)
        sizes = EncoderSizes(
            vocab_size=len(words) + 2,
            labels=LABELS,
            hidden_size=self.hidden_size,
            intermediate_size=2 * self.hidden_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            context_length=self.context_length,
            attention=self.mix,
        )
        return EncoderGuard(words, sizes, seed=self.seed)
