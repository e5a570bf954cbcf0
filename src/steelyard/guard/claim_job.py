"""A detector of claims that are not true, from one's own claims: `steelyard train rate-ft --model DIR --texts c.jsonl`.

    eval/auroc       of the log-odds that a claim is not true, on held-out claims; `auroc_logp` and `auroc_entropy` are
                     those of the claim's own log-probability and entropy under the model before it was tuned
    eval/balanced    balanced accuracy at the threshold that other claims chose

What the run writes to RUN/model is the model, and beside it how it is asked; `--reward guard:RUN` scores completions
by the probability that they are true.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import Trajectory, checked, require
from steelyard.core.auc import auc
from steelyard.core.job import Work
from steelyard.core.json import JsonObject
from steelyard.guard.claim_guard import ClaimGuard, best_threshold, detected, surprise
from steelyard.guard.claims import Claim, ClaimFile, labelled
from steelyard.guard.labelled import Labelled
from steelyard.guard.rate_ft import RateFT
from steelyard.learner.fitting_work import FittingWork, unwritten
from steelyard.learner.given_data import GivenData, epoch_batch
from steelyard.learner.model_job import ModelJob
from steelyard.objective import SFT
from steelyard.policy import Policy

Plain = tyro.conf.OmitArgPrefixes
TOO_LONG = "lessons left out because they do not fit the model's context"


@checked()
@dataclass(frozen=True)
class ClaimTuning(ModelJob):
    """Tune a model to detect claims that are not true."""

    OWN_DATA: ClassVar[str] = "--texts claims.jsonl"
    makes: ClassVar[str] = "guard"

    learning: Annotated[RateFT, Plain] = field(default_factory=RateFT)
    """What it learns of a claim, and how it is asked."""
    texts: str = ""
    """JSONL or Parquet file with columns text and label, perhaps with rationale, question and answer."""
    file: Annotated[ClaimFile, Plain] = field(default_factory=ClaimFile)
    """How rows become claims, and which are held out."""
    fitted: Annotated[str, tyro.conf.Suppress] = ""
    """A detector that is measured as it is; empty to tune one."""
    every_text: Annotated[bool, tyro.conf.Suppress] = False
    """Measure by all claims of the file, and by no part of them."""

    @property
    def title(self) -> str:
        """What is tuned on what."""
        return f"RATE-FT of {self.model} on {self.texts}"

    def trained(self, model: Path) -> "ClaimTuning":
        """The same job on what it wrote."""
        return replace(self, model=str(model), lora_rank=0, fitted=str(model))

    def measured_on(self, texts: str) -> "ClaimTuning":
        """The same job on all claims of another file.

        Raises:
            SteelyardError: no detector was tuned yet, so there is no threshold.
        """
        hint = "leave out --base"
        require(bool(self.fitted), "is for a detector that was tuned", where="--texts", hint=hint)
        return replace(self, texts=texts, every_text=True)

    def plan(self) -> Mapping[str, JsonObject]:
        """The claims, the model, and how many steps there are."""
        splits = self.file.splits(self.texts)
        policy = self.planned_policy()
        if policy is None:
            return {"data": splits.facts(), "model": self.planned_model(policy)}
        lessons, notes = self._lessons(policy, splits.train)
        facts = splits._replace(notes=splits.notes + notes).facts() | {"lessons": len(lessons)}
        return {"data": facts, "model": self.planned_model(policy), "steps": {"steps": self.steps_over(len(lessons))}}

    def open(self) -> Work:
        """Read the claims and load the model, or measure what `fitted` names."""
        if self.fitted:
            known = ClaimGuard.read_from(self.fitted, self.device)
            return FittingWork(None, partial(detected, known, self._measured(), {}), unwritten, {})
        splits = self.file.splits(self.texts)
        policy = self.policy()
        lessons, notes = self._lessons(policy, splits.train)
        held_out = labelled(splits.held_out)
        truth_N = held_out.harm_N.numpy()
        numbers = surprise(policy, held_out.texts).items()
        others = {f"eval/auroc_{name}": auc(score_N[truth_N], score_N[~truth_N]) for name, score_N in numbers}
        guard = partial(self._guard, policy, labelled(splits.validation))
        return GivenData(
            self.learner(policy, SFT()),
            lambda step: [[lessons[i]] for i in epoch_batch(step, len(lessons), self.batch_size, self.seed, "claims")],
            self.steps_over(len(lessons)),
            lambda: detected(guard(), held_out, others),
            splits._replace(notes=splits.notes + notes).facts() | {"lessons": len(lessons)},
            write=lambda directory: guard().write(directory),
        )

    def _guard(self, policy: Policy, known: Labelled) -> ClaimGuard:
        """The model as it is, with the threshold that suits these claims."""
        guard = ClaimGuard(policy, self.learning)
        return replace(guard, threshold=best_threshold(guard.read(known.texts)[0], known.harm_N.numpy()))

    def _measured(self) -> Labelled:
        """The claims that a tuned detector is measured by."""
        if not self.every_text:
            return labelled(self.file.splits(self.texts).held_out)
        claims = labelled(self.file.claims(self.texts)[0])
        number = int(claims.harm_N.sum())
        what = f"of {len(claims.texts)} claims to measure by, {number} are hallucinated"
        require(0 < number < len(claims.texts), what, where=self.texts, hint="give claims of both kinds")
        return claims

    def _lessons(self, policy: Policy, claims: Sequence[Claim]) -> tuple[list[Trajectory], Counter[str]]:
        """What fits the context, and how much does not."""
        every = self.learning.lessons(policy, claims)
        kept = [lesson for lesson in every if len(lesson.tokens_T) <= policy.context_length]
        hint = "shorten the claims, or take a model with a longer context"
        what = f"no lesson fits a context of {policy.context_length} tokens"
        require(bool(kept), what, where=self.texts, hint=hint)
        left = len(every) - len(kept)
        return kept, Counter({TOO_LONG: left} if left else {})
