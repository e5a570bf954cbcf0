"""A pretrained model on two cores: VarGrad TB with replay beside TRL's GRPOTrainer, on text, with LoRA.

The task is reasoning-gym's needle_haystack: three sentences such as "Peter hates the color blue.", and a question for
one of the names; its verifier wants the name. The model sees one solved example. Both sides train the same adapters, on
groups of 8 completions of 4 prompts, at a constant rate, for the same time, each alone on the machine with both cores:
ours with a searcher and a learner of one thread each, TRL with two threads. Nothing is measured on the clock.

    tuning       each side at three rates, on seed 900; the rate of the highest mean accuracy over the run is taken
    the runs     seeds 0, 1, 2 at those rates
    two terms    TB alone, one seed, at its rate: reasoning-gym's chain_sum, sums and differences of two digits

Adam has a beta2 of .99 on both sides. TRL's loss is its default (DAPO's, without a KL term), advantages are divided by
their deviation in the group.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from steelyard.core import Positive, PositiveInt, checked, require
from steelyard.experiments.bench.contest import crossing, has_trl
from steelyard.experiments.harness.claim import Judgement, stated
from steelyard.experiments.harness.figure import save_figure
from steelyard.experiments.harness.processes import kept
from steelyard.experiments.harness.section import Section
from steelyard.experiments.harness.spread import fixed, percent, spread
from steelyard.experiments.harness.study_base import place, tell
from steelyard.experiments.harness.table import markdown
from steelyard.experiments.studies._pretrained_cells import Ask, Cell, Side, carry_out
from steelyard.objective import VarGradTB
from steelyard.replay import PrioritizedReplay
from steelyard.runtime import HeldOut, Processes, Run
from steelyard.task import Gym

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ARGUMENTS = "--model DIR --peer-python PYTHON"
"""What the command needs of the user."""
SIDES: tuple[Side, ...] = ("TB", "GRPO")
RATES = (1e-4, 3e-4, 1e-3)
TUNING_SEED = 900
LEVEL = 0.5
GAIN = 0.2
BEHIND = 0.1
"""Between two scores of 64 prompts, about one standard deviation."""
COLORS: dict[Side, str] = {"TB": "#0072B2", "GRPO": "#D55E00"}
SHOTS = {
    "needle_haystack": (
        "Nora likes playing chess. Peter hates the color blue. Ines adores baking bread. \n"
        "Who hates the color blue? Reply only with a name.\nThe name is Peter\n\n{prompt}\nThe name is"
    ),
    "chain_sum": (
        "State the final answer to the following arithmetic problem: 4 + 3 =\nAnswer: 7\n\n"
        "State the final answer to the following arithmetic problem: 8 - 6 =\nAnswer: 2\n\n"
        "State the final answer to the following arithmetic problem: 5 + 9 =\nAnswer: 14\n\n{prompt}\nAnswer:"
    ),
}
CONFIGS = {
    "needle_haystack": '{"min_num_statements": 3, "max_num_statements": 3}',
    "chain_sum": '{"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1}',
}


@checked()
@dataclass(frozen=True)
class Study:
    """A pretrained model learns on two cores, beside TRL's GRPOTrainer."""

    model: str = ""
    """A directory that `save_pretrained` wrote: the base model."""
    peer_python: str | None = None
    """The interpreter that has TRL and steelyard; None is this one."""
    seeds: PositiveInt = 3
    """Runs of each side, with seeds 0, 1, ..."""
    minutes: Positive = 8.0
    """Of each run's training."""
    tuning_minutes: Positive = 4.0
    """Of each run's training on seed 900."""
    output_dir: str | None = None
    """Where the runs go; runs that ended there before are not repeated."""


def run_of(dataset: str, model: str) -> Run:
    """Ours; the learning rate is a cell's."""
    return Run(
        task=Gym(dataset=dataset, config=CONFIGS[dataset], size=1000, prompt_template=SHOTS[dataset]),
        objective=VarGradTB(beta=0.05),
        model=model,
        replay=PrioritizedReplay(warmup=32),
        num_prompts=4,
        num_generations=8,
        search_prompts=4,
        max_completion_length=8,
        stop=("\n",),
        lora_rank=8,
        evaluation=HeldOut(prompts=64, sampled_prompts=16, samples=4),
        # A batch of a searcher that shares its core with the evaluator of another program may take long.
        local=Processes(search_deadline=300.0, deadline=600.0),
    )


def measure(study: Study) -> Mapping[str, object]:
    """Tune, run, and measure what has not been measured yet; print the section."""
    where = "--model"
    require(Path(study.model, "config.json").is_file(), "is no model", where=where, hint="name a model's directory")
    require(
        has_trl(study.peer_python),
        f"{study.peer_python or sys.executable} has no TRL",
        where="--peer-python",
        hint="pip install 'steelyard[bench]', or name an interpreter that has it",
    )
    root = place("pretrained", study.output_dir)
    run = run_of("needle_haystack", study.model)
    tuned = carry_out(_tuning(study.tuning_minutes), run, study.peer_python, root / "tuning", _say)
    rates = _best(tuned)
    _say("rates: " + ", ".join(f"{side} {rate:g}" for side, rate in rates.items()))
    for seed in range(study.seeds):
        asks = [Ask(side, rates[side], seed, study.minutes) for side in SIDES]
        carry_out(asks, run, study.peer_python, root / "runs", _say)
    other = [Ask("TB", rates["TB"], 0, study.minutes)]
    carry_out(other, run_of("chain_sum", study.model), study.peer_python, root / "two-terms", _say)
    return tell(root, section(root))


def _say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def _tuning(minutes: float) -> list[Ask]:
    return [Ask(side, rate, TUNING_SEED, minutes) for rate in RATES for side in SIDES]


def _best(tuned: Mapping[Ask, Cell]) -> dict[Side, float]:
    """Each side's rate of the highest mean accuracy."""
    return {
        side: max((cell.mean_after, ask.rate) for ask, cell in tuned.items() if ask.side == side)[1] for side in SIDES
    }


def section(root: Path) -> Section:
    """The table, the texts and the claims, from the cells in `root` alone."""
    tuned = _cells(root / "tuning")
    cells = _cells(root / "runs")
    other = _cells(root / "two-terms")
    found: dict[Side, list[Cell]] = {side: [cell for cell in cells if cell.asked.side == side] for side in SIDES}
    rows = [_row(f"{side}, {found[side][0].asked.rate:g}", found[side]) for side in SIDES]
    rows += [_row("TB on two terms", other)]
    return Section(
        "A pretrained model: VarGrad TB with replay beside TRL's GRPOTrainer",
        _text(tuned, cells),
        COLUMNS,
        rows,
        [_learns(found["TB"]), _sooner(found), _equal_samples(found)],
        draw=lambda path: _draw(path, found),
    )


def _cells(root: Path) -> list[Cell]:
    """All cells that are kept in a directory.

    Raises:
        SteelyardError: there is none, or one is damaged.
    """
    files = sorted(root.glob("*.json"))
    require(bool(files), "holds no runs of this study", where=str(root), hint="begin the study there again")
    return [kept(file, Cell) for file in files]


COLUMNS = [
    "",
    "before",
    "after",
    "steps",
    "samples",
    "samples/s",
    "s to 50 %",
    "samples to 50 %",
    "distinct before",
    "distinct after",
]


def _row(name: str, cells: Sequence[Cell]) -> list[str]:
    last = [cell.points[-1] for cell in cells]
    reached = [crossing(cell.curve, LEVEL) for cell in cells]
    by_samples = [crossing(cell.curve_of_samples, LEVEL) for cell in cells]
    return [
        name,
        spread([cell.points[0].accuracy for cell in cells], percent),
        spread([point.accuracy for point in last], percent),
        spread([float(cell.steps) for cell in cells]),
        spread([float(point.samples) for point in last]),
        spread([point.samples / point.seconds for point in last], fixed(1)),
        spread([None if at is None else at[1] for at in reached], fixed(0)),
        spread([None if at is None else at[1] for at in by_samples], fixed(0)),
        spread([cell.points[0].distinct for cell in cells], fixed(2)),
        spread([point.distinct for point in last], fixed(2)),
    ]


def _learns(cells: Sequence[Cell]) -> Judgement:
    gains = [cell.points[-1].accuracy - cell.points[0].accuracy for cell in cells]
    return stated(
        f"TB's held-out accuracy rises by at least {100 * GAIN:.0f} points in every seed",
        f"by {spread([100 * gain for gain in gains], fixed(0))} points",
        min(gains) >= GAIN,
    )


def _sooner(found: Mapping[Side, Sequence[Cell]]) -> Judgement:
    """Where only one side gets there, it was sooner."""
    ours, theirs = ([crossing(cell.curve, LEVEL) for cell in found[side]] for side in SIDES)
    sooner = [a is not None and (b is None or a[1] <= b[1]) for a, b in zip(ours, theirs, strict=True)]
    seconds = [spread([None if at is None else at[1] for at in side], fixed(0)) for side in (ours, theirs)]
    return stated(
        f"TB is right on {LEVEL:.0%} sooner than GRPO in every seed",
        f"seconds of TB: {seconds[0]}; of GRPO: {seconds[1]}",
        all(sooner),
    )


def _equal_samples(found: Mapping[Side, Sequence[Cell]]) -> Judgement:
    gaps = []
    for ours, theirs in zip(found["TB"], found["GRPO"], strict=True):
        samples = min(ours.points[-1].samples, theirs.points[-1].samples)
        gaps.append(100 * (_at(ours, samples) - _at(theirs, samples)))
    return stated(
        f"after as many samples TB is at most {100 * BEHIND:.0f} points behind GRPO in the median seed",
        f"{spread(gaps, fixed(0, signed=True))} points at the most samples that both had",
        statistics.median(gaps) >= -100 * BEHIND,
    )


def _at(cell: Cell, samples: int) -> float:
    """Accuracy after so many samples, on straight lines between measurements."""
    import numpy as np

    return float(np.interp(samples, [p.samples for p in cell.points], [p.accuracy for p in cell.points]))


def _text(tuned: Sequence[Cell], cells: Sequence[Cell]) -> str:
    """What was run, how the rates came out, and a few texts."""
    minutes = cells[0].asked.minutes
    tuning = "; ".join(
        f"{side} "
        + ", ".join(
            f"{cell.asked.rate:g}: {cell.mean_after:.0%}" for cell in _by_rate(tuned) if cell.asked.side == side
        )
        for side in SIDES
    )
    shown = next(cell for cell in cells if cell.asked.side == "TB")
    texts = [[_question(prompt), f"`{was}`", f"`{now}`"] for prompt, was, now in shown.texts]
    said = TEXT.format(
        minutes=f"{minutes:g}", seed=tuned[0].asked.seed, tuning_minutes=f"{tuned[0].asked.minutes:g}", tuning=tuning
    )
    table = markdown(["question", "before", "after"], texts)
    return f"{said}\n\n{cells[0].machine}. Samples at temperature 1, TB, seed {shown.asked.seed}:\n\n{table}"


TEXT = """\
Gemma 3 270M (the base model, 268M parameters) with LoRA of rank 8 on reasoning-gym's `needle_haystack` with three
sentences, one solved example in the prompt, scored by its verifier. Both sides train on groups of 8 completions of 4
prompts for {minutes} minutes, each alone on the two cores: ours with one searcher and one learner, TRL's GRPOTrainer
with two threads. Accuracy is greedy, on 64 held-out questions; distinct is the mean number of different right answers
among 4 samples, where a name in other letters (`adie`, `Adie`) is right, too. "Two terms" is `chain_sum` with two
digits, TB alone.

Rates were chosen on seed {seed}, {tuning_minutes} minutes a rate, by the mean accuracy over a run: {tuning}."""


def _by_rate(cells: Sequence[Cell]) -> list[Cell]:
    return sorted(cells, key=lambda cell: cell.asked.rate)


def _question(prompt: str) -> str:
    """The last question of a prompt, in one line."""
    return " ".join(prompt.rpartition("\n\n")[2].split())


def _draw(path: Path, found: Mapping[Side, Sequence[Cell]]) -> None:
    """Held-out accuracy over seconds and over samples, each run a line."""

    def fill(figure: "Figure") -> None:
        time, samples = figure.subplots(1, 2, sharey=True)
        for side, cells in found.items():
            for i, cell in enumerate(cells):
                accuracy = [point.accuracy for point in cell.points]
                style = {"color": COLORS[side], "marker": "o", "markersize": 3, "label": side if i == 0 else None}
                time.plot([point.seconds for point in cell.points], accuracy, **style)
                samples.plot([point.samples for point in cell.points], accuracy, **style)
        time.set(xlabel="seconds of training", ylabel="held-out accuracy (greedy)", ylim=(0, 1))
        samples.set(xlabel="completions generated")
        time.legend(fontsize=8.5)

    save_figure(path, fill, (9.6, 3.6))
