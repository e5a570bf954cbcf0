"""Old data: trajectory balance against Dr. GRPO without importance ratio, on data 1, 4, 16 and 64 versions old.

Searchers sample with weights that are exactly `lag` versions old (inline, synchronous clock). Each method learns as its
recipe has it, trajectory balance from the replay buffer and the others from the single-use queue, with one learning
rate and for the same number of steps, so from as many samples. GRPO with its importance ratio and clipping is shown
beside both. Source of the claim: Bartoldson et al. 2025, arXiv:2503.18929, section 6.
"""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.core import Positive, PositiveInt, checked
from steelyard.experiments.harness import study_base
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.run_index import by_seed
from steelyard.experiments.harness.run_metrics import SPENT, RunMetric, average, final, summed_up
from steelyard.experiments.harness.section import Section
from steelyard.objective import GRPO, DrGRPO
from steelyard.recipes.arithmetic import RECIPE
from steelyard.replay import SingleUse
from steelyard.report import RunRecords
from steelyard.runtime import HeldOut, VirtualClock

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LAGS = (1, 4, 16, 64)
# What each changes in the arithmetic recipe, which is trajectory balance with its replay buffer.
METHODS: Mapping[str, Mapping[str, object]] = {
    "vargrad-tb": {},
    "dr-grpo-uncorrected": {"objective": DrGRPO(importance_ratio=False, max_length=20), "replay": SingleUse()},
    "grpo": {"objective": GRPO(), "replay": SingleUse(capacity=64)},
}
NAMES = {
    "vargrad-tb": "trajectory balance",
    "dr-grpo-uncorrected": "Dr. GRPO, uncorrected",
    "grpo": "GRPO, ratio and clipping",
}
AT_END = RunMetric(final("eval/accuracy"))
MEASURES = {
    "accuracy at the end": AT_END,
    "mean over the run": RunMetric(average("eval/accuracy")),
    "distinct right answers of 8": RunMetric(final("eval/distinct_correct"), 2),
    "staleness": RunMetric(summed_up("staleness_mean"), 1),
    **SPENT,
}
Found = Mapping[str, Mapping[int, list[RunRecords]]]
"""Method -> lag -> its runs."""


@checked()
@dataclass(frozen=True)
class Study(study_base.Study):
    """Held-out accuracy after the same steps at growing lag."""

    seeds: PositiveInt = 3
    """Runs of each method at each lag."""
    steps: PositiveInt = 160
    """Learner steps of each run."""
    learning_rate: Positive = 5e-5
    """Of all methods."""


def measure(study: Study) -> Mapping[str, object]:
    """Run the grid, print the table, judge the claim."""
    base = replace(
        RECIPE,
        runtime="inline",
        max_steps=study.steps,
        learning_rate=study.learning_rate,
        save_steps=0,
        evaluation=HeldOut(every=max(1, study.steps // 8), prompts=512, sampled_prompts=64),
    )

    arms = {
        _arm(m, lag): replace(base, **METHODS[m], inline=VirtualClock(learn_cost=0.0, publication_lag=lag))
        for lag in LAGS
        for m in METHODS
    }
    return study_base.carry_out("lag", study_base.grid(arms, study.seeds, study.first_seed), section, study)


def _arm(method: str, lag: int) -> str:
    return f"{method}-lag{lag}"


def section(root: Path) -> Section:
    """The table by method and lag, and the claim, from the runs in `root` alone."""
    kept = by_seed(root, [_arm(m, lag) for m in METHODS for lag in LAGS])
    found = {m: {lag: list(kept[_arm(m, lag)].values()) for lag in LAGS} for m in METHODS}
    rows = [
        [NAMES[m], str(lag), *(one.over(found[m][lag]) for one in MEASURES.values())] for m in METHODS for lag in LAGS
    ]
    settings = found["vargrad-tb"][LAGS[0]][0].config["run"]
    steps = settings["max_steps"]
    rate = f"{settings['learning_rate']:g}".replace("e-0", "e-")
    return Section(
        "Old data: accuracy as the lag grows",
        f"`arithmetic`, {steps} steps of 32 x 8 at learning rate {rate} for all, half of the recipe's and tuned for "
        "none, sampled by weights exactly so many versions old (inline, synchronous clock). Held-out accuracy is "
        "greedy, over 512 prompts. Trajectory balance draws from its replay buffer, the others from the single-use "
        "queue, as their recipes do.",
        ["method", "lag", *MEASURES],
        rows,
        _claims(found),
        [
            ["the paper, section 6 (MATH, Qwen2.5-7B; a plot, no numbers)"],
            ["TBA' is at or above Dr. GRPO, and the gap grows with off-policyness"],
        ],
        lambda path: _draw(path, found),
    )


def _claims(found: Found) -> list[Judgement]:
    first = LAGS[0]
    last = LAGS[-1]
    end = {m: {lag: statistics.median(map(AT_END.read, runs)) for lag, runs in by.items()} for m, by in found.items()}
    lost = {m: 100 * (at[first] - at[last]) for m, at in end.items()}
    balance = lost["vargrad-tb"]
    other = lost["dr-grpo-uncorrected"]
    return [
        stated(
            f"at lag {last} trajectory balance loses at most 8 points of its own accuracy at lag {first}",
            f"{balance:.1f} points",
            balance <= 8,
        ),
        stated(
            "uncorrected Dr. GRPO loses at least 5 points more",
            f"{other:.1f} points, {other - balance:.1f} more (GRPO with ratio and clipping: {lost['grpo']:.1f} points)",
            other >= balance + 5,
        ),
    ]


def _draw(path: Path, found: Found) -> None:
    """Accuracy at the end over lag: the median of the seeds, and each seed."""

    def fill(figure: "Figure") -> None:
        ax = figure.subplots()
        for (method, by_lag), color in zip(found.items(), ("#0072B2", "#D55E00", "#009E73"), strict=True):
            values = {lag: [AT_END.read(run) for run in runs] for lag, runs in by_lag.items()}
            medians = [statistics.median(v) for v in values.values()]
            ax.plot(list(values), medians, color=color, label=NAMES[method], marker="o", markersize=4)
            for lag, seeds in values.items():
                ax.scatter([lag] * len(seeds), seeds, color=color, s=12, alpha=0.5)
        ax.set_xscale("log", base=2)
        ax.set_xticks(LAGS, list(map(str, LAGS)))
        ax.set(xlabel="lag (versions)", ylabel="held-out accuracy (greedy)", ylim=(0, 1.02))
        ax.legend(fontsize=8.5)

    save_figure(path, fill, (6.4, 3.6))
