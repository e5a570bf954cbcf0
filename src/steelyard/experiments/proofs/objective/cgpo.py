"""A reward with a loophole, and judges that see it: who violates, and what becomes of the true quality.

A small model has learned to repeat letters, forwards or backwards, right in six places of ten, and now and then it uses
the loophole. All arms go on from it, by samples of their own and the calibrated proxy reward, and are measured on
held-out prompts by samples: `gold` is the true quality in the domain where it is lower, `violation` the share of
replies with a loophole in the domain where that is higher. Arms: the start; REINFORCE; RLOO with a KL penalty whose
weight, of 0.02, 0.05, 0.1 and 0.2, is the best for quality; CRPG, CODPO and CRRAFT, each in both domains; CGPO, which
is CRPG in one domain and CRRAFT in the other; and the control, CGPO without judges: everything passes. The response
that calibrates all rewards also stands in the groups of the constrained arms; only CRRAFT looks at it.
"""

from collections.abc import Iterator, Mapping

import numpy as np

from steelyard.core import Prompt, Trajectory, rng
from steelyard.experiments.harness import Claim, Proof
from steelyard.objective import CGPO, CODPO, CRPG, CRRAFT, RLOO, Objective, Reinforce
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp
from steelyard.worlds.loophole import CHARACTERS, Loophole, habit
from steelyard.worlds.sync_loop import SyncLoop, demonstration, imitate, tiny_policy

MIXTURE = CGPO(CRPG(), CRRAFT())
ARMS: Mapping[str, tuple[Objective, bool]] = {
    "reinforce": (Reinforce(), True),
    "rloo-kl": (RLOO(beta=0.2), True),
    "crpg": (CRPG(), True),
    "codpo": (CODPO(), True),
    "crraft": (CRRAFT(), True),
    "cgpo": (MIXTURE, True),
    "cgpo-off": (MIXTURE, False),
}
"""Each arm's objective, and whether judges are asked."""
CONSTRAINED = (CRPG, CODPO, CRRAFT, CGPO)


def base(task: Loophole, seed: int, quick: bool) -> Policy:
    """The model that all arms begin from."""
    policy = tiny_policy(CHARACTERS, seed=seed, width=32, context=16)
    draws = rng(seed, "habit")
    pairs = [(str(p.text), habit(p, draws)) for _ in range(6) for p in task.prompts("train")]
    imitate(policy, pairs, steps=350 if quick else 500, batch=64, learning_rate=5e-3, seed=seed)
    return policy


def measured(loop: SyncLoop) -> dict[str, float]:
    """Quality and violations on held-out prompts, in the worse domain, and what the proxy says of all."""
    prompts = loop.task.prompts("held-out")
    domain = {prompt.id: prompt.columns["domain"] for prompt in prompts}
    rows = [t for group in loop.sampled(prompts, 4) for t in group]

    def means(part: str) -> list[float]:
        return [float(np.mean([t.reward_parts[part] for t in rows if domain[t.prompt_id] == d])) for d in (0, 1)]

    return {"gold": min(means("gold")), "violation": max(means("loophole")), "proxy": sum(means("reward")) / 2}


def known(loop: SyncLoop, prompts: list[Prompt]) -> list[Trajectory]:
    """Each prompt's baseline response, as a demonstration with its calibrated reward."""
    given = [demonstration(loop.policy, p, p.columns["baseline"], reward=0.5) for p in prompts]
    return reference_logp(loop.policy, loop.learner.reference, given, 1.0)


def measure(seed: int, quick: bool) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The start, then every arm from it on the same prompts."""
    task = Loophole(data_seed=seed)
    policy = base(task, seed, quick)
    train = task.prompts("train")
    for number, (arm, (objective, judged)) in enumerate(ARMS.items()):
        world = Loophole(data_seed=seed, judged=judged)
        loop = SyncLoop(policy, world, objective, learning_rate=3e-3, seed=seed, num_generations=8, max_tokens=6)
        if number == 0:
            yield "start", measured(loop)
        order = rng(seed, "order")
        for _ in range(16 if quick else 60):
            prompts = [train[i] for i in order.choice(len(train), 32, replace=False)]
            groups = loop.sample(prompts)
            if isinstance(objective, CONSTRAINED):
                groups = [[*group, y0] for group, y0 in zip(groups, known(loop, prompts), strict=True)]
            loop.learn(groups)
        yield arm, measured(loop)


VARIANTS = ("crpg", "codpo", "crraft")
PROOF = Proof(
    proves=("cgpo", "codpo", "constrained", "crpg", "crraft"),
    ours="cgpo",
    control="cgpo-off",
    equal="start, prompts, 60 steps on 32 x 8 own samples, calibrated reward, learning rate, optimiser",
    claims=(
        Claim("REINFORCE violates nearly always, CGPO rarely", "violation", "reinforce", 0.8, lower_is_better=True),
        Claim("fewer than 5 % of CGPO's replies violate", "violation", 0.05, 0.0, lower_is_better=True),
        Claim("CGPO raises the true quality by 15 points", "gold", "start", 0.15),
        Claim("CGPO's true quality is 10 points above RLOO's with a KL penalty", "gold", "rloo-kl", 0.1),
        Claim("the mixture is not worse than CRPG alone by 5 points", "gold", "crpg", -0.05),
        *(Claim(f"fewer than 5 % of {o}'s violate", "violation", 0.05, 0.0, True, ours=o) for o in VARIANTS),
        *(Claim(f"{o} raises the true quality by 15 points", "gold", "start", 0.15, ours=o) for o in VARIANTS),
    ),
    measure=measure,
)
