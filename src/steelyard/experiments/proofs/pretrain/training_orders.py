"""Training orders on sums of few to many terms: do estimates rank orders as retraining ranks them?

The base model works short sums out and gives long ones up. Training problems are cut into T batches from few terms to
many; the model is trained on these in order, once, and the loss on held-out problems after other orders is estimated:
24 at random, 16 of them retrained, and one that a genetic algorithm finds by the estimates.
Arms differ in how an estimate takes derivatives of the gradients (`pretrain/order_estimate.py`): along the whole path
(span, ours), by the paper's quotients, one (fut) or two (fut++), or not at all (none). The control are span's
estimates, each of another order than it is asked for (span-off).

The rate is small: expansions hold where training moves the model little. At 1e-4 the paper's quotients are farther off
than no derivatives, and at 1e-3 no estimate is worth anything (docs/lab-notes.md).

`rank` is Spearman's correlation of estimated and true losses over the orders retrained; `error` the mean absolute
difference of the two, as a share of the standard deviation of the true ones; `gain` how far the order that is found
lies below the mean of the orders retrained, when it is retrained itself, in such standard deviations.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from steelyard.core import Prompt, derive, rng
from steelyard.experiments.harness import Arm, Claim, Proof
from steelyard.policy import Policy
from steelyard.pretrain.order_estimate import AdamRule, Reference, Training, Way
from steelyard.pretrain.order_rows import OrderRow, PolicyBatches
from steelyard.pretrain.order_search import Order, search
from steelyard.pretrain.training_orders import drawn_orders, spearman
from steelyard.task.answered import Answered
from steelyard.worlds.domains import Domains, base, solution


class Estimator(NamedTuple):
    """What estimates an order."""

    way: Way
    exchanged: bool = False


ARMS: Mapping[str, Estimator] = {
    "span": Estimator("span"),
    "fut": Estimator("fut"),
    "fut++": Estimator("fut++"),
    "none": Estimator("none"),
    "span-off": Estimator("span", exchanged=True),
}


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    world: Domains
    imitation: int = 300
    """Steps of the base model."""
    batches: int = 12
    rows: int = 32
    """Problems in a batch."""
    held_out: int = 100
    """Problems that measure."""
    orders: int = 24
    """Orders at random."""
    retrained: int = 16
    """Of these are trained indeed."""
    generations: int = 4


class Material:
    """The batches of a seed, the reference run, and what is true of the orders retrained."""

    def __init__(self, seed: int, setting: Setting, task: Domains, start: Policy, rate: float) -> None:
        self.seed = seed
        self.setting = setting
        draws = rng(seed, "orders", "rows")
        prompts = task.prompts("train")
        chosen = sorted(draws.permutation(len(prompts))[: setting.batches * setting.rows].tolist())
        train = [_row(prompts[i]) for i in chosen]
        asked = task.prompts("held-out")
        held_out = [_row(asked[i]) for i in draws.permutation(len(asked))[: setting.held_out]]
        batches = [train[i : i + setting.rows] for i in range(0, len(train), setting.rows)]
        self.given = PolicyBatches(start, batches, held_out)
        self.training = Training(self.given.gradient, lambda: AdamRule(0.9, 0.99), rate)
        self.reference = Reference(self.training, self.given.start_W, setting.batches)
        self.orders = drawn_orders(setting.batches, setting.orders, derive(seed, "orders"))
        self.truth = np.array([self.true(order) for order in self.orders[: setting.retrained]])

    def true(self, order: Order) -> float:
        """The loss after training in this order."""
        return self.given.held_out_loss(self.training.run(self.given.start_W, order)[-1])

    def estimated(self, estimator: Estimator, order: Order) -> float:
        """The loss that is estimated for it."""
        return self.given.held_out_loss(self.reference.estimate(order, estimator.way))


def judged(material: Material, arm: Arm[Estimator]) -> Mapping[str, float]:
    """How well an arm estimates."""
    setting = material.setting
    turned = rng(material.seed, "exchanged").permutation(setting.batches)

    def loss(order: Order) -> float:
        asked = tuple(int(turned[i]) for i in order) if arm.settings.exchanged else order
        return material.estimated(arm.settings, asked)

    found = [loss(order) for order in material.orders[: setting.retrained]]
    best = search(loss, material.orders, setting.generations, rng(material.seed, "search", arm.name))
    spread = float(material.truth.std())
    rows = material.given.batches
    return {
        "rank": spearman(found, material.truth.tolist()),
        "error": float(np.abs(np.array(found) - material.truth).mean() / spread),
        "gain": float((material.truth.mean() - material.true(best)) / spread),
        "spread": spread,
        "moved": float((material.reference.path[-1] - material.given.start_W).norm() / material.given.start_W.norm()),
        "parameters": float(len(material.given.start_W)),
        "tokens": float(sum(len(t.tokens_T) for batch in rows for t in batch)),
    }


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Estimator]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Each arm's estimates of the same orders; all arms have one learning rate, as they share the runs."""
    task = replace(setting.world, data_seed=seed)
    start = base(task, seed, setting.imitation)
    known: dict[float, Material] = {}
    for arm in arms:
        if arm.rate not in known:
            known[arm.rate] = Material(seed, setting, task, start, arm.rate)
        yield arm.name, judged(known[arm.rate], arm)


def _row(prompt: Prompt) -> OrderRow:
    return OrderRow(str(prompt.text), 0.0, Answered(prompt, solution(prompt)), prompt.where)


PROOF = Proof(
    proves=("training-orders",),
    ours="span",
    control="span-off",
    equal="the base model, the batches, the reference run, the orders and which of them are retrained",
    claims=(
        Claim("Estimates rank orders as retraining does: a rank correlation of .8 at least", "rank", 0.0, 0.8),
        Claim("The paper's quotients come nearer than no derivatives: a tenth of a deviation less error by fut",
              "error", "none", 0.1, lower_is_better=True, ours="fut", control=None),
        Claim("Derivatives along the whole path come nearer, too: a third less error", "error", "none", 0.33,
              lower_is_better=True, relative=True),
        Claim("The order found by estimates is a standard deviation better than a random one, when retrained",
              "gain", 0.0, 1.0),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(Domains()),
    quick=Setting(Domains(), imitation=150, batches=6, orders=12, retrained=8, generations=2),
    rates=dict.fromkeys(ARMS, 3e-5),
    first_seed=16,
    seeds=12,
)  # fmt: skip
