"""The fit of a reward model to pairs: a network that learns from them, and how well it tells held-out ones apart.

    L = - mean over pairs of log sigma(s_w - s_l)  +  c mean over pairs of (s_w + s_l)^2

As `steelyard reward-model` has it (`reward/bradley_terry.py`), step by step. What is written and measured is calibrated
by held-out pairs; what goes on learning is not.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from steelyard.core import SteelyardError, WarmupStableDecay, rng
from steelyard.core.json import JsonObject
from steelyard.learner.fitting import Fitting
from steelyard.learner.given_data import epoch_batch
from steelyard.reward.bradley_terry import Pair, calibrate, pair_loss
from steelyard.reward.scorer import Said, Scorer, scores
from steelyard.task.preferences import Preference

LARGEST_NORM = 1.0
SHOWN = 4
_ADAM = (0.9, 0.98)


@dataclass(frozen=True)
class PairFit:
    """A network that learns from pairs."""

    scorer: Scorer
    train: Sequence[Preference]
    held_out: Sequence[Preference]
    learning_rate: float
    batch: int
    centre: float
    seed: int

    def begin(self, steps: int) -> Fitting:
        """The fit before its first step."""
        sides = [[self.scorer.encode(said) for said in said_of(pair)] for pair in self.train]
        warmup = steps // 10
        schedule = WarmupStableDecay(warmup=warmup, stable=0, decay=steps - warmup, floor=0.1)
        adam = torch.optim.AdamW(self.scorer.net.parameters(), self.learning_rate, _ADAM, weight_decay=0.0)
        adam.register_step_pre_hook(_clip)

        def loss() -> Tensor:
            turn = epoch_batch(fitting.steps, len(sides), self.batch, self.seed, "pairs")
            both_N = self.scorer([sides[i][k] for k in range(2) for i in turn])
            return pair_loss(both_N[: len(turn)], both_N[len(turn) :], self.centre)

        draws = rng(self.seed, "pairs")
        fitting = Fitting(
            self.scorer.net, adam, loss, draws, steps, rate=lambda step: self.learning_rate * schedule(step)
        )
        return fitting

    def measure(self) -> tuple[JsonObject, list[JsonObject]]:
        """How it tells held-out pairs apart, calibrated as it would be written now, and some of them to read."""
        with self.calibrated() as found:
            measured = {
                "eval/preference_accuracy": found["accuracy"],
                "eval/pairs": len(self.held_out),
                **{f"eval/{name}": found[name] for name in ("log_loss", "calibration_error", "calibration_error_raw")},
            }
            shown = self.held_out[:SHOWN]
            told = scores(self.scorer, [said for pair in shown for said in said_of(pair)])
        rewards = [None if isinstance(value, SteelyardError) else value for value in told]
        return measured, [
            {"prompt": pair.prompt.text, "completion": said, "reward": reward}
            for pair, both in zip(shown, zip(rewards[::2], rewards[1::2], strict=True), strict=True)
            for (said, _), reward in zip(pair.sides, both, strict=True)
        ]

    def write(self, directory: Path) -> None:
        """Write what `Scorer.load` and transformers read."""
        with self.calibrated():
            self.scorer.save(directory)

    @contextmanager
    def calibrated(self) -> Iterator[dict[str, float]]:
        """What held-out pairs say of the network; inside the `with` its head is divided by their temperature."""
        head = self.scorer.head
        kept = [parameter.detach().clone() for parameter in head.parameters()]
        try:
            yield calibrate(self.scorer, [Pair(p.prompt.text, p.chosen, p.rejected) for p in self.held_out])
        finally:
            with torch.no_grad():
                for parameter, before in zip(head.parameters(), kept, strict=True):
                    parameter.copy_(before)


def _clip(adam: torch.optim.Optimizer, *_: object) -> None:
    """Shorten the gradient before a step, where it is too long."""
    torch.nn.utils.clip_grad_norm_([p for group in adam.param_groups for p in group["params"]], LARGEST_NORM)


def said_of(pair: Preference) -> tuple[Said, Said]:
    """Both completions of a pair, the better one first."""
    chosen, rejected = (Said(pair.prompt.text, said, ends) for said, ends in pair.sides)
    return chosen, rejected


def readable(scorer: Scorer, pairs: Sequence[Preference]) -> list[Preference]:
    """The pairs of which the network reads both completions whole."""
    return [pair for pair in pairs if all(_fits(scorer, said) for said in said_of(pair))]


def _fits(scorer: Scorer, said: Said) -> bool:
    try:
        scorer.encode(said)
    except SteelyardError:
        return False
    return True
