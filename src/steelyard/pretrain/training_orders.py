"""Training orders: what other orders of the same batches would come to, estimated from one run.

    gamma_{t+1} = gamma_t - eta G_t(g_t)        g_t the gradient of batch pi(t) expanded around the run that was made

The rows are cut into T batches, a copy of the model is trained on these in order, and all T^2 gradients are taken along
its path. From these every other order is estimated (`order_estimate.py`, where the equation and what differs stand): a
sample of orders, the reverse, one that a genetic algorithm finds (`order_search.py`), and where each batch is put at
every place (own_loss, what the paper calls memorization). With `retrained`, some are trained indeed, to see how far the
estimates can be believed: look at `rank_correlation` before anything else.
Measured: at a rate of 3e-5 estimates rank orders as retraining does (.996), and so they do without derivatives; the
paper's quotients (`fut`) were farther off than none. At 1e-3 no estimate holds.
Differs: for small models or proxies, since T^2 gradients are held in memory and not projected; one pass over the rows.
Source: Yang et al. 2025, arXiv:2505.22042, by its reviews.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
import tyro
from jaxtyping import Float64
from msgspec import Meta

from steelyard.core import (
    NonNegativeInt,
    Positive,
    PositiveInt,
    Seed,
    ShareBelowOne,
    ShareInside,
    method,
    require,
    rng,
)
from steelyard.core.columns import Column
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow
from steelyard.pretrain.order_estimate import SGD, AdamRule, Reference, Rule, Training
from steelyard.pretrain.order_rows import PolicyBatches, order_rows
from steelyard.pretrain.order_search import Order, moved_to, search
from steelyard.task.answered import AnsweredFile
from steelyard.task.base import split_keys

GIGA = 2**30
MEASURES = (
    Measure("loss", "nats a token", "Estimated loss on held-out rows after training in this order; a mean, of orders."),
    Measure("measured", "nats a token", "The same after training indeed; of orders, the mean of those retrained."),
    Measure("spread", "nats a token", "Standard deviation of the estimates over the orders that were drawn."),
    Measure("rank_correlation", "Spearman's rho", "Of estimates and measured losses over the orders retrained."),
    Measure("own_loss", "nats a token", "Estimated loss on a batch that stood at this place, the mean over batches."),
    Measure("best_place", "place", "Where this batch stands in the best of the orders that were drawn."),
    Measure("searched_place", "place", "Where this batch stands in the order that was searched."),
)


class Told(NamedTuple):
    """What is known of an order."""

    loss: float
    measured: float | None
    order: Order


@method("training-orders", paper="arXiv:2505.22042", claim="tells how orders of training rank, without retraining")
@dataclass(frozen=True)
class TrainingOrders(Auditor):
    """Estimate what other orders of training would come to."""

    batches: Annotated[int, Meta(ge=2)] = 8
    """Batches that the rows are cut into, each learned once; fewer where there are fewer rows."""
    by: str = ""
    """Column with a number that the rows are sorted by before they are cut; empty cuts them by a hash of their text."""
    way: Literal["span", "fut", "fut++", "none"] = "span"
    """How derivatives are taken: over the whole path, by the paper's quotients, one (fut) or two (fut++), or not."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """What trains."""
    learning_rate: Positive = 1e-4
    """Of every step."""
    beta1: ShareBelowOne = 0.9
    """Of Adam."""
    beta2: ShareBelowOne = 0.99
    """Of Adam."""
    orders: PositiveInt = 16
    """Orders that are drawn at random and estimated."""
    generations: NonNegativeInt = 4
    """Generations of the genetic algorithm, of as many orders."""
    retrained: NonNegativeInt = 0
    """Of the orders that were drawn, how many are trained indeed; with 1 or more, the named ones are, too."""
    held_out_share: ShareInside = 0.2
    """Share of the rows that measures and is not learned, by hash of the text."""
    memory_gb: Positive = 8.0
    """Most gigabytes that gradients may take: batches^2 x trained parameters x 4 bytes."""
    seed: Seed = 0
    """Of the orders."""
    text: str = "text"
    """Column of documents: a row that has it is learned whole; others are learned by prompt and answer."""
    file: Annotated[AnsweredFile, tyro.conf.OmitArgPrefixes] = field(default_factory=AnsweredFile)
    """How other rows become prompts and answers."""

    def columns(self) -> tuple[Column, ...]:
        """The prompt and its answer, and the number that rows are sorted by."""
        (prompt, *_), (answer, *_) = self.file.columns.prompts, self.file.columns.answers
        return Column(prompt), Column(answer), *([Column(self.by, "number", "--by")] if self.by else [])

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """Named orders, the orders that were drawn, and every place.

        Raises:
            SteelyardError: there are too few rows, one lacks something, or gradients would take too much memory.
        """
        require(len(rows) > 0, "there are no rows", where="training-orders", hint="give at least three")
        known = order_rows(rows, self.text, self.by, self.file)
        train, held_out = split_keys(known, lambda row: row.key, self.held_out_share, where="training-orders")
        number = min(self.batches, len(train))
        require(number > 1, "one row is left to train on", where="training-orders", hint="give more rows")
        self._check_memory(policy, number)
        batches = [[train[i] for i in part] for part in np.array_split(np.arange(len(train)), number)]
        return self._table(PolicyBatches(policy, batches, held_out))

    def rule(self) -> Rule:
        """The optimizer at its beginning."""
        return AdamRule(self.beta1, self.beta2) if self.optimizer == "adam" else SGD()

    def _check_memory(self, policy: Policy, number: int) -> None:
        require(policy.dtype == torch.float32, "is not float32", where="--dtype", hint="leave it out")
        size = number**2 * policy.num_parameters() * 4
        what = f"{number}^2 gradients of {policy.num_parameters()} numbers take {size / GIGA:.1f} GB"
        hint = "take fewer --batches or a smaller model, or raise --memory-gb"
        require(size <= self.memory_gb * GIGA, what, where="training-orders", hint=hint)

    def _table(self, given: PolicyBatches) -> Table:
        number = len(given.batches)
        training = Training(given.gradient, self.rule, self.learning_rate)
        reference = Reference(training, given.start_W, number)

        def estimated(order: Order) -> float:
            return given.held_out_loss(reference.estimate(order, self.way))

        def trained(order: Order) -> float | None:
            return given.held_out_loss(training.run(given.start_W, order)[-1]) if self.retrained else None

        drawn = drawn_orders(number, self.orders, self.seed)
        losses = [estimated(order) for order in drawn]
        measured = [trained(order) for order in drawn[: self.retrained]]
        named = self._named(number, drawn, losses, estimated)
        told = {name: Told(estimated(order), trained(order), order) for name, order in named.items()}
        rows: list[tuple[str, tuple[float | None, ...]]] = [
            (name, (one.loss, one.measured, *(None,) * 5)) for name, one in told.items()
        ]
        truth = [float(one) for one in measured if one is not None]
        agree = spearman(losses[: len(truth)], truth) if len(truth) > 2 else None
        mean = float(np.mean(truth)) if truth else None
        rows.append(("orders", (float(np.mean(losses)), mean, float(np.std(losses)), agree, *(None,) * 3)))
        for place in range(number):
            own = [
                given.batch_loss(reference.estimate(moved_to(batch, place, number), self.way), batch)
                for batch in range(number)
            ]
            rows.append((f"place_{place}", (*(None,) * 4, float(np.mean(own)), None, None)))
        for batch in range(number):
            places = (float(told[name].order.index(batch)) for name in ("best", "searched"))
            rows.append((f"batch_{batch}", (*(None,) * 5, *places)))
        return Table(MEASURES, tuple(rows))

    def _named(
        self, number: int, drawn: Sequence[Order], losses: Sequence[float], estimated: Callable[[Order], float]
    ) -> dict[str, Order]:
        searched = search(estimated, drawn, self.generations, rng(self.seed, "training-orders", "search"))
        return {
            "reference": tuple(range(number)),
            "reverse": tuple(range(number))[::-1],
            "best": drawn[int(np.argmin(losses))],
            "worst": drawn[int(np.argmax(losses))],
            "searched": searched,
        }


def drawn_orders(number: int, orders: int, seed: int) -> list[Order]:
    """So many orders at random; in few batches some may be equal."""
    draws = rng(seed, "training-orders")
    return [tuple(draws.permutation(number).tolist()) for _ in range(orders)]


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """The correlation of ranks, where equal numbers share theirs; 0 where one side does not vary."""
    first_N, second_N = (_ranks(np.array(values)) for values in (one, other))
    spread = float(first_N.std() * second_N.std())
    return float(((first_N - first_N.mean()) * (second_N - second_N.mean())).mean() / spread) if spread else 0.0


def _ranks(values_N: Float64[np.ndarray, "N"]) -> Float64[np.ndarray, "N"]:
    return (values_N[:, None] > values_N).sum(1) + 0.5 * (values_N[:, None] == values_N).sum(1)
