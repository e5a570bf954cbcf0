"""Which objectives reach pi* from old, reward-prioritised data alone: all are fed the same groups at every step.

Searchers keep the starting weights, so all data is of version 0; the learner draws it from a store of all of it, by a
softmax of reward. Nothing depends on the policy that learns: the same seed gives every objective the same completions
in the same order. The distance to pi* is exact (enumerable world).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.curves import draw_curves
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, RunMetric, final, lowest, summed_up
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.study_base import Study, carry_out, grid
from steelyard.objective import GRPO, OAPL, RLOO, DrGRPO, Kimi, Reinforce, VarGradTB, WeightedTB
from steelyard.recipes import enumerable
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.report import RunRecords
from steelyard.runtime import Run, VirtualClock

BETA = 0.15
BOUND = 0.05
BASE = replace(
    enumerable.RECIPE,
    runtime="inline",
    inline=VirtualClock(learn_cost=0.0),
    weight_sync_steps=enumerable.RECIPE.max_steps + 1,  # never: searchers keep the starting weights
    replay=PrioritizedReplay(capacity_per_prompt=1000, recent_probability=0.0, reward_temperature=3.0, warmup=2560),
    target_beta=BETA,
    save_steps=0,
)
OWN = SingleUse(capacity=4)
# Rates by the distance after 300 steps on seed 900: grpo, dr-grpo and reinforce the best of 1.2e-3, 4e-3 and 1.2e-2,
# oapl the better of the first two; the others have the rate of the enumerable recipe.
ARMS: dict[str, Run] = {
    "vargrad-tb": replace(BASE, objective=VarGradTB(beta=BETA), learning_rate=4e-3),
    "weighted-tb": replace(BASE, objective=WeightedTB(beta=BETA), learning_rate=4e-3),
    "rloo": replace(BASE, objective=RLOO(beta=BETA), learning_rate=4e-3),
    "oapl": replace(BASE, objective=OAPL(beta=BETA), learning_rate=1.2e-3),
    "kimi": replace(BASE, objective=Kimi(beta=BETA), learning_rate=4e-3),
    "grpo": replace(BASE, objective=GRPO(beta=0.7), learning_rate=4e-3),
    "dr-grpo": replace(BASE, objective=DrGRPO(max_length=3), learning_rate=1.2e-3),
    "reinforce": replace(BASE, objective=Reinforce(beta=BETA), learning_rate=4e-3),
    "vargrad-tb, own data": replace(BASE, objective=VarGradTB(beta=BETA), replay=OWN, learning_rate=4e-3),
    "oapl, own data": replace(BASE, objective=OAPL(beta=BETA), replay=OWN, learning_rate=4e-3),
}
REACH = ("vargrad-tb", "weighted-tb", "rloo", "oapl")
MISS = ("grpo", "dr-grpo", "reinforce")
COLUMNS = {
    "before": RunMetric(summed_up("total_variation_before")),
    "at the end": RunMetric(final("eval/total_variation")),
    "lowest": RunMetric(lowest("eval/total_variation")),
    **SPENT,
}
TEXT = """\
Total variation to pi*, exact, in a world of 1,000 completions (`enumerable`). Every objective is fed the same groups at
every step: completions of the starting policy alone, up to 600 versions old, drawn by a softmax of reward (inverse
temperature 3) from a store of all of them. `grpo`, `dr-grpo` and `reinforce` have the best of three learning rates on a
development seed, `oapl` the better of two; the others have the recipe's own, untuned here.

The residuals of trajectory balance can all be 0, at pi* and nowhere else, whoever sampled. `rloo` on the KL-shaped
reward r - beta log(pi/pi_ref) has the same gradient up to a constant: what trajectory balance takes off each residual,
the group's mean, is the mean baseline. `weighted-tb` has the same zero: its weights say how much a residual counts, and
where all are 0 that makes no difference. Without the mean (`reinforce`) the same rewards push up whatever was drawn
often. `grpo` and `dr-grpo` centre the reward but not the log-ratio, and their clip holds the policy near the one that
sampled. GRPO's k3 estimates the KL only on the policy's own samples; its weight, 0.7, is beta over the deviation of
rewards in a group, so that on fresh data its target would be pi*. Dr. GRPO has no reference, and none such target.

`oapl` has the same regression with another baseline, V = beta log mean exp(r/beta) of the group, and so not the same
gradient. V estimates beta log Z where the lagged policy itself drew the group. Where draws prefer reward V is too high,
and no policy has residuals of 0. On its own data (as many completions fresh from the starting policy, each used once,
as in its paper) V counts the very sample that it is taken off from: in groups of 128 it is higher by 0.06, or 0.4 beta,
where one of the best is among them. `kimi` has the mean reward in that place: how near it comes depends on the draw.
"""


def measure(study: Study) -> Mapping[str, object]:
    """Run the grid, print the section."""
    return carry_out("exact", grid(ARMS, study.seeds, study.first_seed), section, study)


def section(root: Path) -> Section:
    """The distances by objective, and the claims: who reaches pi* from this data, and who does not."""
    found = {arm: list(runs.values()) for arm, runs in by_seed(root, ARMS).items()}
    rows = [[arm, *(column.over(found[arm]) for column in COLUMNS.values())] for arm in ARMS]
    claims = [*(_reaches(arm, found[arm]) for arm in REACH), *(_misses(arm, found[arm]) for arm in MISS)]
    claims.append(_same_data([runs for arm, runs in found.items() if ARMS[arm].replay == BASE.replay]))
    return Section(
        "Old, reward-prioritised data: who reaches pi*",
        TEXT,
        ["objective", *COLUMNS],
        rows,
        claims,
        draw=lambda path: draw_curves(path, found, "eval/total_variation", logarithmic=True, bound=BOUND),
    )


def _reaches(arm: str, runs: Sequence[RunRecords]) -> Judgement:
    most = max(map(COLUMNS["at the end"].read, runs))
    return stated(f"{arm} ends below {BOUND:g} in every seed", f"at most {most:.3f}", most < BOUND)


def _misses(arm: str, runs: Sequence[RunRecords]) -> Judgement:
    """Its lowest distance on the way counts, so that stopping early could not have helped it."""
    least = min(map(COLUMNS["lowest"].read, runs))
    return stated(f"{arm} never comes below {BOUND:g} in any seed", f"at least {least:.3f}", least >= BOUND)


def _same_data(arms: Sequence[Sequence[RunRecords]]) -> Judgement:
    """By the mean reward of what each step learned from, seed by seed: another draw would have another one."""
    fed = [[[row["batch/reward_mean"] for row in run.metrics] for run in runs] for runs in arms]
    steps = sum(map(len, fed[0]))
    same = all(rewards == fed[0] for rewards in fed)
    return stated(
        "in each seed all but `own data` were fed the same groups",
        f"{steps} steps of each compared",
        same and steps > 0,
    )
