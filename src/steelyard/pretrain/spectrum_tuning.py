"""Spectrum tuning as a job: `steelyard train spectrum --model DIR --draws draws.jsonl`.

Whole processes are held out, and what is measured (`spread.py`) is how well the model draws from those. Where a file
of targets says what distributions are, the processes that it names are held out; otherwise a share of all, and what is
known of a distribution is how often each output was drawn.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, NamedTuple

import tyro

from steelyard.core import PositiveInt, Prompt, ShareInside, SteelyardError, checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.given_data import GivenData, epoch_batch
from steelyard.learner.model_job import ModelJob
from steelyard.objective import SFT
from steelyard.policy import Policy
from steelyard.pretrain.spectrum import DrawnSequence, Spectrum
from steelyard.pretrain.spread import HeldOutDraws, room
from steelyard.task.base import make_prompt, split_keys
from steelyard.task.draws import DrawFile, Process, Target, observed

Plain = tyro.conf.OmitArgPrefixes
UNUSED = "draws left out: too long, or alone in a sequence without a description"
NO_ROOM = "held-out tasks left out because the context has no room for their outputs"


class Splits(NamedTuple):
    """What was read."""

    train: list[Process]
    held_out: list[Process]
    targets: list[Target]


@checked()
@dataclass(frozen=True)
class SpectrumTuning(ModelJob):
    """Teach a model to draw as the processes of a file do."""

    OWN_DATA: ClassVar[str] = "--draws draws.jsonl"

    showing: Annotated[Spectrum, Plain] = field(default_factory=Spectrum)
    """How draws become what is learned."""
    draws: str = ""
    """JSONL or Parquet file, a row for each draw, with columns task and output, perhaps description and input."""
    targets: str = ""
    """File of the distributions of some tasks, which are held out: columns task, outputs and probabilities, perhaps
    input. Empty holds a share of the tasks out, and takes their draws for their distributions."""
    held_out_share: ShareInside = 0.1
    """Share of the tasks held out of training, chosen by hash of their names."""
    held_out_tasks: PositiveInt = 16
    """Held-out tasks that are measured, the first ones."""
    least_draws: PositiveInt = 8
    """Without targets: fewest draws after an input whose shares are taken for a distribution."""
    most_outputs: PositiveInt = 64
    """Without targets: most different outputs of such a distribution."""
    shots: PositiveInt = 8
    """Draws that are shown before a sample, and where a distribution is to be told by draws alone."""
    samples: PositiveInt = 100
    """Samples of each held-out task at each evaluation."""
    max_completion_length: PositiveInt = 64
    """Most tokens of a sample."""
    file: Annotated[DrawFile, Plain] = field(default_factory=DrawFile)
    """How rows become draws."""

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"spectrum tuning on {self.draws}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """Held-out tasks, each after its description and draws that are shown."""
        policy = self.planned_policy()
        if policy is None:
            raise SteelyardError(f"{self.model} is not on this machine", where="--model", hint="download it first")
        splits, _ = self._fitting(policy, self._read())
        looks = self._looks(policy, splits)
        return [make_prompt(looks.prompt(process), {}) for process in splits.held_out]

    def plan(self) -> Mapping[str, JsonObject]:
        """The tasks, the model, and how many steps there are."""
        splits = self._read()
        policy = self.planned_policy()
        if policy is None:
            return {"data": self._facts(splits), "model": self.planned_model(policy)}
        splits, notes = self._fitting(policy, splits)
        rows, unused = self._rows(policy, splits.train)
        tokens = {
            "tokens": sum(len(one.trajectory.tokens_T) for one in rows),
            "learned_tokens": sum(int(one.trajectory.action_T.sum()) for one in rows),
        }
        facts = self._facts(splits, rows, notes + unused) | tokens
        return {"data": facts, "model": self.planned_model(policy), "steps": {"steps": self.steps_over(len(rows))}}

    def open(self) -> GivenData:
        """Read the draws and load the model."""
        read = self._read()
        policy = self.policy()
        splits, notes = self._fitting(policy, read)
        rows, unused = self._rows(policy, splits.train)
        return GivenData(
            self.learner(policy, SFT()),
            lambda step: [
                [rows[i].trajectory] for i in epoch_batch(step, len(rows), self.batch_size, self.seed, "sequences")
            ],
            self.steps_over(len(rows)),
            self._looks(policy, splits),
            self._facts(splits, rows, notes + unused),
        )

    def _looks(self, policy: Policy, splits: Splits) -> HeldOutDraws:
        return HeldOutDraws(
            policy,
            self.showing,
            splits.held_out,
            splits.targets,
            shots=self.shots,
            samples=self.samples,
            max_tokens=self.max_completion_length,
            seed=self.seed,
        )

    def _read(self) -> Splits:
        processes = self.file.read(self.draws, "--draws")
        if self.targets:
            targets = self.file.targets(self.targets, processes)
            named = {target.process for target in targets}
            train = [process for process in processes if process.name not in named]
            hint = "leave some tasks out of the file, or give draws of others"
            require(bool(train), f"names every task of {self.draws}", where=self.targets, hint=hint)
            return Splits(train, [process for process in processes if process.name in named], targets)
        train, held = split_keys(processes, lambda process: process.name, self.held_out_share, where=self.draws)
        known = (observed(process, least=self.least_draws, most=self.most_outputs) for process in held)
        return Splits(train, held, [target for targets in known for target in targets])

    def _fitting(self, policy: Policy, splits: Splits) -> tuple[Splits, Counter[str]]:
        """The held-out tasks that are measured, without those for whose outputs there is no room."""
        length = self.max_completion_length
        known = {process.name: [t for t in splits.targets if t.process == process.name] for process in splits.held_out}
        able = [p for p in splits.held_out if room(policy, self.showing, p, known[p.name], [], length)]
        what = f"no held-out task leaves room for {length} tokens"
        hint = "lower --max-completion-length, raise --max-length, or take a model with a longer context"
        require(bool(able), what, where=self.draws, hint=hint)
        measured = able[: self.held_out_tasks]
        targets = [target for process in measured for target in known[process.name]]
        left = len(splits.held_out) - len(able)
        return Splits(splits.train, measured, targets), Counter({NO_ROOM: left} if left else {})

    def _rows(self, policy: Policy, processes: Sequence[Process]) -> tuple[list[DrawnSequence], Counter[str]]:
        """The sequences of these tasks, and how many draws are in none."""
        rows = [one for process in processes for one in self.showing.sequences(policy, process, self.seed)]
        hint = "shorten the outputs, give descriptions or more draws of a task, or raise --max-length"
        require(bool(rows), "no sequence has anything to learn", where=self.draws, hint=hint)
        left = sum(len(process.examples) for process in processes) - sum(len(one.outputs) for one in rows)
        return rows, Counter({UNUSED: left} if left else {})

    def _facts(
        self, splits: Splits, rows: Sequence[DrawnSequence] | None = None, notes: Counter[str] | None = None
    ) -> JsonObject:
        counts = {"tasks": len(splits.train), "held_out_tasks": len(splits.held_out), "targets": len(splits.targets)}
        sequences = {} if rows is None else {"sequences": len(rows), "draws": sum(len(one.outputs) for one in rows)}
        return counts | sequences | {"notes": dict(notes or {})}
