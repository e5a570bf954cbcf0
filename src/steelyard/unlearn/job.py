"""Unlearning as a job: `steelyard train npo --model DIR --forget f.jsonl --retain r.jsonl`.

Both files hold prompts with answers, and perhaps wrong answers for the audit (`task/answered.py`). What a step learns
from, by the recipe's `completions`:

    answer    a forgotten prompt's answer, which the objective makes less likely (npo, gradient-ascent)
    refusal   the refusal in place of the answer (idk, which is SFT)
    pair      refusal and answer, the refusal preferred (refusal-dpo)

Beside them stand as many retained prompts, with their given answers (RT), with answers sampled from the model before
unlearning (KL), or none where no file of them is named. The audit is of `unlearn/audit.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import tyro

from steelyard.core import Group, PositiveInt, Prompt, Request, Sampling, Trajectory, checked, needs_of, require
from steelyard.core.json import JsonObject
from steelyard.learner import Adam, demonstration
from steelyard.learner.given_data import GivenData
from steelyard.learner.model_job import ModelJob
from steelyard.objective import Objective
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.unlearn.npo import NPO
from steelyard.unlearn.protocol import Paired
from steelyard.unlearn.request import Files, ForgetRequest

Plain = tyro.conf.OmitArgPrefixes


@checked()
@dataclass(frozen=True)
class Unlearning(ModelJob, ForgetRequest):
    """Make a model forget the answers to some prompts, and keep those to others."""

    objective: Annotated[Objective, Plain] = field(default_factory=NPO)
    """The loss."""
    completions: Literal["answer", "refusal", "pair"] = "answer"
    """What a forgotten prompt is trained with: its answer, the refusal, or both as a pair."""
    refusal: str = "I do not know."
    """What the model should say instead, where the recipe teaches a refusal."""
    retained: Literal["given", "sampled"] = "given"
    """What a retained prompt is trained with: its answer (RT), or answers of the model before unlearning (KL)."""
    retained_samples: PositiveInt = 2
    """Answers sampled for each retained prompt, where they are sampled."""
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

    def plan(self) -> Mapping[str, JsonObject]:
        """The files, the model, and how many steps there are."""
        read = self.read()
        policy = self.planned_policy()
        if self.retrained:
            replace(self, model=self.retrained, lora_rank=0).planned_policy()  # refused here as by the run
        longest = {}
        if policy is not None:
            groups = [*self._to_forget(policy, read), *self.given(policy, read.retain)]
            longest = {"longest_tokens": self.check_lengths(policy, groups), "context": policy.context_length}
        facts = self.facts(read)
        return {"data": facts | longest, "model": self.planned_model(policy), "steps": self._steps(read)}

    def open(self) -> GivenData:
        """Read the files, load the model, and sample answers to retained prompts where they are not given."""
        read = self.read()
        policy = self.policy()
        forget = self._to_forget(policy, read)
        given = self.given(policy, read.retain)
        self.check_lengths(policy, [*forget, *given])
        learner = self.learner(policy, self.objective)
        retain = self._sampled(policy, given) if self.retained == "sampled" else given
        steps = self.steps_over(len(forget))
        measure = self.audit(policy, read, lambda: learner.steps in (0, steps), dtype=self.dtype, device=self.device)
        pairs = Paired(learner, forget, retain, batch=self.batch_size, seed=self.seed)
        return GivenData(learner, pairs.at, steps, measure, self.facts(read))

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
