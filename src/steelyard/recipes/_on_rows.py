"""Every objective on prompts and answers of your own: steelyard train rows-METHOD --model DIR --path questions.jsonl.

Trajectory balance and what else takes old data learn from the replay buffer, all others from a single-use queue.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from steelyard.core import cards, needs_of
from steelyard.objective import (
    CANON,
    CGPO,
    CODPO,
    CRPG,
    CRRAFT,
    DPO,
    GRPO,
    HPT,
    IBPO,
    IPO,
    KTO,
    NFT,
    OAPL,
    PPO,
    RLOO,
    SAO,
    TIS,
    TOPR,
    AsymmetricReinforce,
    DecoupledPPO,
    DrGRPO,
    Kimi,
    LearnedZTB,
    MessageRLOO,
    ProximalRLOO,
    Reinforce,
    ReinforceEMA,
    StepKTO,
    SubTB,
    TBAPrime,
    Unified,
    VarGradTB,
)
from steelyard.recipes.rows import RECIPE as STORED
from steelyard.replay import SingleUse
from steelyard.runtime import Run

LONGEST = STORED.max_completion_length
FRESH = replace(STORED, replay=SingleUse(capacity=64))
PAIRS = replace(FRESH, num_generations=2, num_prompts=64, search_prompts=64, replay=SingleUse(capacity=128))

ON_ROWS: Mapping[str, Run] = {
    "vargrad-tb": replace(STORED, objective=VarGradTB(beta=0.05)),
    "learned-z-tb": replace(STORED, objective=LearnedZTB(beta=0.05)),
    "sub-tb": replace(STORED, objective=SubTB(beta=0.05, lam=2.0)),
    "nft": replace(STORED, objective=NFT()),
    "topr": replace(STORED, objective=TOPR()),
    "asymmetric-reinforce": replace(STORED, objective=AsymmetricReinforce()),
    "tba-prime": replace(FRESH, objective=TBAPrime(beta=0.005), reference_reset=50),
    "kimi": replace(FRESH, objective=Kimi(beta=0.05), reference_reset=10),
    "oapl": replace(FRESH, objective=OAPL(beta=0.05)),
    "grpo": replace(FRESH, objective=GRPO()),
    "dr-grpo": replace(FRESH, objective=DrGRPO(max_length=LONGEST)),
    "tis": replace(FRESH, objective=TIS(max_length=LONGEST)),
    "decoupled-ppo": replace(FRESH, objective=DecoupledPPO(), reference_reset=4),
    "unified": replace(FRESH, objective=Unified()),
    "canon": replace(FRESH, objective=CANON(max_length=LONGEST)),
    "hpt": replace(FRESH, objective=HPT(max_length=LONGEST)),
    "ibpo": replace(FRESH, objective=IBPO(short_length=LONGEST // 2)),
    "ppo": replace(FRESH, objective=PPO()),
    "sao": replace(
        FRESH,
        objective=SAO(),
        num_generations=1,
        num_prompts=128,
        search_prompts=128,
        replay=SingleUse(capacity=256),
    ),
    "rloo": replace(FRESH, objective=RLOO(beta=0.05)),
    "message-rloo": replace(FRESH, objective=MessageRLOO(beta=0.05, roles=1)),
    "proximal-rloo": replace(FRESH, objective=ProximalRLOO(beta=0.05)),
    "reinforce": replace(FRESH, objective=Reinforce(beta=0.05)),
    "reinforce-ema": replace(FRESH, objective=ReinforceEMA(beta=0.05)),
    "kto": replace(FRESH, objective=KTO()),
    "step-kto": replace(FRESH, objective=StepKTO()),
    "dpo": replace(PAIRS, objective=DPO()),
    "ipo": replace(PAIRS, objective=IPO()),
    "cgpo": replace(FRESH, objective=CGPO()),
    "codpo": replace(FRESH, objective=CODPO()),
    "crpg": replace(FRESH, objective=CRPG()),
    "crraft": replace(FRESH, objective=CRRAFT()),
}
"""Id of an objective -> its recipe, rows-ID, where that is not what `on_rows` gives to any other."""
GIVEN = ("sft",)
"""Objectives whose data are given: they have a job."""


@cache
def on_rows() -> Mapping[str, Run]:
    """Id of every objective of the package -> its recipe; one without a line above has its defaults and a queue."""
    own = [card for card in cards("objective") if card.cls.__module__.startswith("steelyard.objective.")]
    others = {card.id: card.cls() for card in own if card.id not in (*ON_ROWS, *GIVEN)}
    return {**ON_ROWS, **{id: replace(_base(objective), objective=objective) for id, objective in others.items()}}


def _base(objective: Any) -> Run:
    return PAIRS if needs_of(objective).group_size == 2 else FRESH
