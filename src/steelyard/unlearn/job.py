"""Unlearning as a job: `steelyard train npo --model DIR --forget f.jsonl --retain r.jsonl`.

Both files hold prompts with answers, and perhaps wrong answers for the audit (`task/answered.py`). What a step learns
from, by the recipe's `completions`:

    answer    a forgotten prompt's answer, which the objective makes less likely (npo, gradient-ascent)
    refusal   the refusal in place of the answer (idk, which is SFT)
    pair      refusal and answer, the refusal preferred (refusal-dpo)

Beside them stand as many retained prompts, with their given answers (RT), with answers sampled from the model before
unlearning (KL), or none where no file of them is named. The audit is of `unlearn/audit.py`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal, NamedTuple

import numpy as np
import tyro
from jaxtyping import Float64

from steelyard.core import Group, PositiveInt, Prompt, Request, Sampling, Trajectory, checked, needs_of, require
from steelyard.core.json import JsonObject
from steelyard.learner import Adam, demonstration
from steelyard.learner.given_data import GivenData
from steelyard.learner.model_job import ModelJob
from steelyard.objective import Objective
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.task.answered import Answered, AnsweredFile, same_number_of_wrong
from steelyard.unlearn.forgetting_audits import ForgettingAudits
from steelyard.unlearn.material import Material, reworded_of
from steelyard.unlearn.npo import NPO
from steelyard.unlearn.protocol import Paired
from steelyard.unlearn.two_sided_audit import Part, TwoSidedAudit, truth_ratios_of

Plain = tyro.conf.OmitArgPrefixes


class Files(NamedTuple):
    """What was read."""

    forget: list[Answered]
    retain: list[Answered]
    reworded: list[Answered]
    """Prompts to be forgotten in other words."""
    held_out: list[Answered]
    """What the model never saw."""
    notes: Counter[str]


@checked()
@dataclass(frozen=True)
class Unlearning(ModelJob):
    """Make a model forget the answers to some prompts, and keep those to others."""

    OWN_DATA: ClassVar[str] = "--forget forget.jsonl --retain retain.jsonl"

    objective: Annotated[Objective, Plain] = field(default_factory=NPO)
    """The loss."""
    forget: str = ""
    """JSONL or Parquet file of what is to be forgotten: columns prompt and answer, perhaps wrong."""
    retain: str = ""
    """The same of what is to be kept; empty retains nothing."""
    completions: Literal["answer", "refusal", "pair"] = "answer"
    """What a forgotten prompt is trained with: its answer, the refusal, or both as a pair."""
    refusal: str = "I do not know."
    """What the model should say instead, where the recipe teaches a refusal."""
    retained: Literal["given", "sampled"] = "given"
    """What a retained prompt is trained with: its answer (RT), or answers of the model before unlearning (KL)."""
    retained_samples: PositiveInt = 2
    """Answers sampled for each retained prompt, where they are sampled."""
    max_completion_length: PositiveInt = 64
    """Most tokens of a sampled answer, and of a greedy one in the audit."""
    audited: PositiveInt = 128
    """Prompts of each file that are audited, the first ones."""
    retrained: str = ""
    """A model trained without what is to be forgotten, for the forget quality; needs wrong answers. Empty for none."""
    reworded: str = ""
    """File of prompts to be forgotten in other words, with the same answers, for the audit; empty for the wordings in
    the column reworded, where the file to forget has one."""
    held_out: str = ""
    """File of prompts and answers that the model never saw, for the audit of membership; empty for none."""
    audits: ForgettingAudits = field(default_factory=ForgettingAudits)
    """Audits before the first step and after the last."""
    file: Annotated[AnsweredFile, Plain] = field(default_factory=AnsweredFile)
    """How rows become prompts and answers."""
    optimizer: Adam = field(default_factory=lambda: Adam(weight_decay=0.01))
    """Adam, clipping and the learning-rate schedule."""

    def __post_init__(self) -> None:
        super().__post_init__()
        paired = needs_of(self.objective).group_size == 2
        hint = f"{type(self.objective).__name__} compares {'two completions' if paired else 'nothing'}"
        fits = (self.completions == "pair") == paired
        require(fits, f"is {self.completions}", where="--completions", hint=f"{hint}: leave this to the recipe")
        said = self.completions == "answer" or bool(self.refusal.strip())
        require(said, "is empty, and the recipe teaches it", where="--refusal", hint="write what the model should say")
        beside = self.retained == "given" or bool(self.retain)
        require(beside, f"is {self.retained}, and nothing is retained", where="--retained", hint="name --retain FILE")

    @property
    def title(self) -> str:
        """What is forgotten, by what, beside what."""
        beside = f"{self.retain} ({self.retained} answers)" if self.retain else "nothing retained"
        return f"{type(self.objective).__name__} on {self.forget}, beside {beside}; model {self.model}"

    def asked(self) -> Sequence[Prompt]:
        """Prompts to be forgotten and to be kept, in turn."""
        read = self._read()
        pairs = zip(read.forget, read.retain, strict=False)
        both = [row.prompt for pair in pairs for row in pair]
        return both or [row.prompt for row in read.forget]

    def plan(self) -> Mapping[str, JsonObject]:
        """The files, the model, and how many steps there are."""
        read = self._read()
        policy = self.planned_policy()
        if self.retrained:
            replace(self, model=self.retrained, lora_rank=0).planned_policy()  # refused here as by the run
        longest = {}
        if policy is not None:
            groups = [*self._to_forget(policy, read), *self._given(policy, read.retain)]
            longest = {"longest_tokens": self._check_lengths(policy, groups), "context": policy.context_length}
        facts = self._facts(read)
        return {"data": facts | longest, "model": self.planned_model(policy), "steps": self._steps(read)}

    def open(self) -> GivenData:
        """Read the files, load the model, and sample answers to retained prompts where they are not given."""
        read = self._read()
        policy = self.policy()
        forget = self._to_forget(policy, read)
        given = self._given(policy, read.retain)
        self._check_lengths(policy, [*forget, *given])
        parts = {"forget": Part.of(policy, read.forget[: self.audited])}
        if read.retain:
            parts["retain"] = Part.of(policy, read.retain[: self.audited])
        never = self._retrained_ratios(read) if self.retrained else None
        learner = self.learner(policy, self.objective)
        retain = self._sampled(policy, given) if self.retained == "sampled" else given
        steps = self.steps_over(len(forget))
        two_sided = TwoSidedAudit(policy, parts, self.max_completion_length, never)
        material = self._material(read, never)

        def measure() -> tuple[JsonObject, list[JsonObject]]:
            row, samples = two_sided()
            ends = learner.steps in (0, steps)
            more = self.audits.measure(policy, material, self.max_completion_length) if ends else {}
            return {**row, **more}, samples

        pairs = Paired(learner, forget, retain, batch=self.batch_size, seed=self.seed)
        return GivenData(learner, pairs.at, steps, measure, self._facts(read))

    def _retrained_ratios(self, read: Files) -> Float64[np.ndarray, "N"]:
        return truth_ratios_of(self.retrained, self.dtype, self.device, read.forget[: self.audited])

    def _read(self) -> Files:
        forget, notes = self.file.read(self.forget, "--forget")
        retain, more = self.file.read(self.retain, "--retain") if self.retain else ([], Counter())
        numbers = [same_number_of_wrong(forget, self.forget)]
        numbers += [same_number_of_wrong(retain, self.retain)] if retain else []
        both = {row.prompt.id for row in forget} & {row.prompt.id for row in retain}
        twice = next((row for row in retain if row.prompt.id in both), None)
        place = "" if twice is None else twice.prompt.place
        require(twice is None, f"its prompt is in {self.forget} too", where=place, hint="leave it out of one file")
        hint = "add a column wrong to the file to forget, or leave --retrained out"
        able = numbers[0] > 0 or not self.retrained
        require(able, "needs wrong answers for truth ratios", where="--retrained", hint=hint)
        reworded, held_out = (self._beside(getattr(self, name), forget, name) for name in ("reworded", "held_out"))
        return Files(forget, retain, reworded or reworded_of(forget), held_out, notes + more)

    def _beside(self, path: str, forget: Sequence[Answered], name: str) -> list[Answered]:
        """The rows of a file for the audit alone, none of which asks what is to be forgotten as it stands there.

        Raises:
            SteelyardError: it cannot be read, a row is to be forgotten, or rows differ in wrong answers.
        """
        if not path:
            return []
        rows, _ = self.file.read(path, f"--{name.replace('_', '-')}")
        known = {row.prompt.id for row in forget}
        for row in rows:
            hint = "leave it out of one file"
            require(
                row.prompt.id not in known, f"its prompt is in {self.forget} too", where=row.prompt.place, hint=hint
            )
        same_number_of_wrong(rows, path)
        return rows

    def _facts(self, read: Files) -> JsonObject:
        wrong = {"wrong_answers_each": len(read.forget[0].wrong)}
        lacking = self.audits.lacking(self._material(read, None))
        lacks = {"not_measured_without": "; ".join(lacking)} if lacking else {}
        return {"forget": len(read.forget), "retain": len(read.retain), **wrong, **lacks, "notes": dict(read.notes)}

    def _material(self, read: Files, retrained_N: Float64[np.ndarray, "N"] | None) -> Material:
        forget, reworded, held_out = (part[: self.audited] for part in (read.forget, read.reworded, read.held_out))
        return Material(forget, reworded, held_out, retrained_N)

    def _steps(self, read: Files) -> JsonObject:
        steps = self.steps_over(len(read.forget))
        return {"steps": steps, "forgotten_prompts_a_step": self.batch_size, "epochs": self.epochs}

    def _to_forget(self, policy: Policy, read: Files) -> list[Group]:
        marks = {"retain": False}

        def row(prompt: Prompt, text: str, reward: float) -> Trajectory:
            return demonstration(policy, prompt, text, reward=reward, labels=marks)

        texts = {"answer": [0.0], "refusal": [1.0], "pair": [0.0, 1.0]}[self.completions]
        return [
            [row(one.prompt, one.answer if reward == 0.0 else self.refusal, reward) for reward in texts]
            for one in read.forget
        ]

    def _given(self, policy: Policy, rows: Sequence[Answered]) -> list[Group]:
        return [[demonstration(policy, row.prompt, row.answer, labels={"retain": True})] for row in rows]

    def _sampled(self, policy: Policy, given: Sequence[Group]) -> list[Group]:
        """What the model itself answers, each sample a group of its own: how its distribution is retained."""
        prompts = [group[0] for group in given]
        asked = [
            Request(f"{i}", tuple(t.tokens_T[~t.action_T].tolist()), sample)
            for i, t in enumerate(prompts)
            for sample in range(self.retained_samples)
        ]
        drawn = engine_for(policy, self.seed).generate(asked, Sampling(max_tokens=self.max_completion_length))
        ordered = sorted(drawn, key=lambda t: (int(t.prompt_id), t.sample))
        labels = {"retain": True}
        return [[t.replace(prompt_id=prompts[int(t.prompt_id)].prompt_id, reward=1.0, labels=labels)] for t in ordered]

    def _check_lengths(self, policy: Policy, groups: Sequence[Group]) -> int:
        """The longest row (tokens).

        Raises:
            SteelyardError: it does not fit the model's context, or a prompt leaves no room for an answer.
        """
        rows = [t for group in groups for t in group]
        longest = max(len(t.tokens_T) for t in rows)
        context = policy.context_length
        what = f"a prompt with its answer has {longest} tokens, and the model's context {context}"
        hint = "shorten the row, or take a model with a longer context"
        require(longest <= context, what, where="data", hint=hint)
        asked = max(len(t.tokens_T) - int(t.action_T.sum()) for t in rows)
        what = f"is {self.max_completion_length}: a prompt of {asked} tokens leaves {context - asked} of the context"
        fits = asked + self.max_completion_length <= context
        require(fits, what, where="--max-completion-length", hint="lower it")
        return longest
