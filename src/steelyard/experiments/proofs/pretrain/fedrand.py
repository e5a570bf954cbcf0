"""FedRand among four owners of private codes: does it hide who has which row, and is the code learned all the same?

A small model has learned an old code. Four clients, with 24 rows each, teach it a new one by low-rank adapters, in
rounds (`worlds/private_codes.py`: the code holds for all, a row's tag is its owner's alone). They share both factors
(fedavg), one random factor (fedrand), or always A (share-a, as in partial sharing). The control is fedrand before a
server that is told both factors (fedrand-off): the same training, nothing hidden. By the server's model: `accuracy` on
held-out problems. By what the server has of each client: `membership`, the AUC by which the loss tells the client's
rows from rows that nobody has, a mean over clients and over the later half of the rounds. `uploaded` is a share of all
adapters in all rounds.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from steelyard.core import Prompt, Trajectory
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.learner import Adam, Learner, demonstration
from steelyard.objective import SFT
from steelyard.policy import LoRA, Policy
from steelyard.pretrain.federation import Exposure, Federation, Passes
from steelyard.pretrain.fedrand import FedAvg, FedRand, Sharing
from steelyard.rollout.greedy import greedy
from steelyard.worlds.private_codes import LENGTH, TAG, PrivateCodes, base


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    teaching: int = 200
    """Steps of the base model."""
    clients: int = 4
    rows: int = 24
    """Of each client."""
    rounds: int = 8
    epochs: int = 5
    """Passes over its rows in a client's turn."""
    batch: int = 24
    rank: int = 8
    """Of the adapters."""


@dataclass(frozen=True)
class Shares:
    """What an arm's clients share."""

    sharing: Sharing
    told: bool = False
    """The server is told the other factor, too."""


ARMS: Mapping[str, Shares] = {
    "fedavg": Shares(FedAvg()),
    "fedrand": Shares(FedRand()),
    "fedrand-off": Shares(FedRand(), told=True),
    "share-a": Shares(FedRand(share_a=1.0)),
}


def given_rows(policy: Policy, rows: Iterable[tuple[str, str]]) -> list[Trajectory]:
    """Problems with what is to be said, as trajectories."""
    return [demonstration(policy, Prompt(text, text), said) for text, said in rows]


def right(policy: Policy, rows: list[Trajectory]) -> int:
    """How many of the greedy answers have the right signs."""
    said = greedy(policy, rows, LENGTH + TAG + 1)
    return sum(np.array_equal(own[:LENGTH], t.completion_T[:LENGTH]) for own, t in zip(said, rows, strict=True))


class Played(NamedTuple):
    """A federation that is over."""

    right: int
    """Held-out problems that the server's model gets right."""
    rebuilt: float
    """AUC of the attack by the models that the server rebuilds."""
    own: float
    """By the clients' own."""
    uploaded: float


class World:
    """The base model of a seed, the clients' rows, and rows that nobody has."""

    def __init__(self, setting: Setting, seed: int) -> None:
        self.setting = setting
        self.seed = seed
        world = PrivateCodes(data_seed=seed)
        self.start = base(setting.teaching)
        self.unseen = given_rows(self.start, world.unseen())
        self.clients = [given_rows(self.start, rows) for rows in world.owned(setting.clients, setting.rows)]

    def played(self, sharing: Sharing, rate: float) -> Played:
        """All rounds of a federation from the base model."""
        setting = self.setting
        policy = Policy(copy.deepcopy(self.start.model), self.start.tokenizer, LoRA(rank=setting.rank), self.seed)
        learner = Learner(policy, SFT(), Adam(), learning_rate=rate)
        passes = Passes(setting.epochs, setting.batch, self.seed)
        federation = Federation(learner, sharing, self.clients, passes, setting.rounds)
        found: list[Exposure] = []
        while federation.steps < federation.num_steps:
            federation.step()
            turn, at = divmod(federation.steps, setting.clients)
            if at == 0 and turn > setting.rounds // 2:
                exposed = Exposure.of(federation, self.unseen)
                assert exposed is not None
                found.append(exposed)
        whole = federation.num_steps * sum(tensor.numel() for tensor in federation.server.values())
        rebuilt, own = (float(np.mean(x)) for x in ([one.rebuilt for one in found], [one.own for one in found]))
        with federation.holding(federation.server):
            return Played(right(policy, self.unseen), rebuilt, own, federation.uploaded / whole)


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Shares]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Every arm's federation, from one base model; what the server is told changes nothing in it."""
    world = World(setting, seed)
    over: dict[tuple[Sharing, float], Played] = {}
    for arm in arms:
        key = arm.settings.sharing, arm.rate
        if key not in over:
            over[key] = world.played(*key)
        found = over[key]
        yield (
            arm.name,
            {
                **share("accuracy", found.right, len(world.unseen)),
                "membership": found.own if arm.settings.told else found.rebuilt,
                "uploaded": found.uploaded,
                "parameters": float(world.start.num_parameters()),
                "tokens": float(sum(len(t.tokens_T) for rows in world.clients for t in rows)),
            },
        )


PROOF = Proof(
    proves=("fedrand",),
    ours="fedrand",
    control="fedrand-off",
    equal="base model, clients and their rows, rounds, passes, adapters, learning rate, the attack",
    claims=(
        Claim("The server tells a client's rows from others by .04 of AUC less than under FedAvg", "membership",
              "fedavg", 0.04, lower_is_better=True),
        Claim("The server's model is not worse by 3 points than FedAvg's", "accuracy", "fedavg", -0.03,
              control="share-a"),
        Claim("A third less is uploaded", "uploaded", "fedavg", 0.33, lower_is_better=True, control=None),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(teaching=100, clients=3, rounds=3),
    rates=dict.fromkeys(ARMS, 3e-3),
    first_seed=16,
    seeds=8,
)  # fmt: skip
