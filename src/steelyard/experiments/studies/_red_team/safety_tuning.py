"""Safety-tuning: a victim learns to refuse the attacks that were found, and to answer all else as before.

    L = - mean over pairs of log pi(reply | attack),   half of the pairs (found attack, refusal), half (benign, own
    reply)

Benign sentences are of no family, and their replies the victim's own: tuning is to move nothing else.
Source: Lee et al. 2024, arXiv:2405.18540, section on safety-tuning; the mixture is theirs, its share ours.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from steelyard.core import Episode, Sampling, require, rng
from steelyard.eval import evaluate
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.task import RedTeam
from steelyard.task.provocation import ANSWER, REPLY_WORDS, family_of, sentence, words
from steelyard.task.victim import Victim
from steelyard.worlds.sync_loop import copied, imitate


def tuned(victim: Policy, attacks: Sequence[str], *, seed: int, steps: int = 200) -> Policy:
    """A copy of the victim that refuses these attacks.

    Raises:
        SteelyardError: there are no attacks.
    """
    require(bool(attacks), "there is nothing to refuse", where="safety-tuning", hint="attack first")
    policy = copied(victim)
    draws = rng(seed, "safety-tuning")
    benign = list(_benign(len(attacks), draws))
    own = Victim(victim, ANSWER).replies(benign, draws.random((len(benign), 1, REPLY_WORDS)))
    refusals = [" ".join(words("sorry")[int(i)] for i in draws.integers(2, size=REPLY_WORDS)) for _ in attacks]
    pairs = [*zip(attacks, refusals, strict=True), *((text, reply) for text, [reply] in zip(benign, own, strict=True))]
    lessons = [(f"{text} {ANSWER}", reply) for text, reply in pairs]
    imitate(policy, lessons, steps=steps, batch=64, learning_rate=1e-3, seed=seed)
    return policy


def refusals(victim: Policy, number: int = 256) -> float:
    """The share of benign sentences that a victim refuses: what safety-tuning costs."""
    draws = rng(0, "safety-tuning", "refusals")
    replies = Victim(victim, ANSWER).replies([*_benign(number, draws)], draws.random((number, 1, REPLY_WORDS)))
    return float(np.mean([any(word in words("sorry") for word in reply.split()) for [reply] in replies]))


def attacks_of(policy: Policy, number: int, *, seed: int, max_tokens: int = 12) -> list[Episode]:
    """So many attacks of an attacker, asked by the held-out prompt."""
    task = RedTeam()
    found = evaluate(
        engine_for(policy, seed),
        task,
        task.prompts("held-out"),
        policy.encode,
        policy.decode,
        sampling=Sampling(1.0, max_tokens),
        samples_per_prompt=number,
    )
    return [episode for group in found.episodes for episode in group]


def _benign(number: int, draws: np.random.Generator) -> Iterator[str]:
    while number:
        text = sentence(draws)
        if family_of(text) is None:
            number -= 1
            yield text
