"""Per-step pairs on chains of sums whose base model guesses: are its wrong solutions worth more than its right ones?

The task is that of the world `checkable-steps`, the base model the proof's own: three steps in ten are guessed, each
any wrong digit, so that a guess is a spurious step: the end is wrong unless a later guess mends it, and then it is
right for the wrong reason. (The world's own base model guesses five off, so that any two guesses cancel: there no
step's value falls before the last, and values by sampling find no pit.) Every arm has what the base model says of the
same few problems, and learns from it without sampling again: `rft` imitates the right solutions, guesses and all;
`whole` is DPO on right against wrong solutions of a problem; `solutions` is DPO on what the builder makes of all
solutions; `solutions-off` has the pairs of `solutions` with their sides exchanged by a coin. All DPO has the likelihood
of the chosen side beside it: without it, all sides become unlikely, working out is forgotten on some seeds, and what
is left of the accuracy hangs on the machine's rounding. Measured on held-out
problems by sampling: `accuracy`, and `guessed`, the share of the steps that are marked as a guess. `pairs` counts what
an arm learns from.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from steelyard.core import Group, Prompt, Sampling, rng
from steelyard.data import IncorrectSynth, Tools, records_of
from steelyard.data.incorrect_synth import Form
from steelyard.data.writer import PolicyWriter
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.learner import Adam, Learner, demonstration
from steelyard.learner.given_data import epoch_batch
from steelyard.learner.referred import Referred
from steelyard.objective import DPO, SFT, Objective
from steelyard.objective.chosen_likelihood import WithChosenLikelihood
from steelyard.policy import Policy
from steelyard.policy.text import Text
from steelyard.pretrain.held_out_pairs import given_pair
from steelyard.task.preferences import Preference, PreferenceFile
from steelyard.worlds.checkable_steps import CHARACTERS, CLOCK, STEPS, CheckableSteps, draw_numbers, problem
from steelyard.worlds.sync_loop import SyncLoop, copied, imitate, moved, tiny_policy

TASK = CheckableSteps()
GUESSED = 0.3
"""Share of the steps that the base model is shown guessed."""
LONGEST = 3 * STEPS + 1
STEP_END = r"[=~]\d"


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    imitation: int = 600
    """Steps of the base model."""
    problems: int = 64
    samples: int = 8
    """Solutions of each problem."""
    continuations: int = 5
    steps: int = 60
    batch: int = 32
    """Texts in a step; a pair is two."""
    beta: float = 0.1
    chosen: float = 0.2
    """Weight of the likelihood of the chosen side."""
    measured: int = 4
    """Samples of each held-out problem."""


def shown(numbers: Sequence[int], draws: np.random.Generator) -> str:
    """A chain in which some steps are guessed: what the base model is trained on."""
    *terms, at = numbers
    text = ""
    for term in terms:
        guess = draws.random() < GUESSED
        at = (at + term + (int(draws.integers(1, CLOCK)) if guess else 0)) % CLOCK
        text += f"{term}{'~' if guess else '='}{at}"
    return text


def base(seed: int, steps: int) -> Policy:
    """A model that works a step out or guesses it; its context has room for a problem, a beginning and what follows."""
    policy = tiny_policy(CHARACTERS, seed=seed, width=48, layers=2, heads=4, context=48)
    draws = rng(seed, "incorrect-synth", "base")
    held_out = {str(prompt.text) for prompt in TASK.prompts("held-out")}
    drawn = [numbers for numbers in draw_numbers(draws, 12_800) if problem(numbers) not in held_out]
    given = [(problem(numbers), shown(numbers, draws)) for numbers in drawn]
    imitate(policy, given, steps=steps, batch=64, learning_rate=5e-3, seed=seed)
    return policy


@dataclass(frozen=True)
class LastDigit:
    """A judge that reads the end of a whole chain."""

    name: str = "last-digit"

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[Any]
    ) -> list[float | None]:
        """1 for a chain of full length that ends in the answer."""
        answered = zip(completions, columns["answer"], strict=True)
        return [float(len(said) == 3 * STEPS and said.endswith(answer)) for said, answer in answered]


@dataclass(frozen=True)
class Study:
    """What the arms of a seed share."""

    seed: int
    setting: Setting

    @cached_property
    def base(self) -> Policy:
        """The model before."""
        return base(self.seed, self.setting.imitation)

    @cached_property
    def solutions(self) -> list[tuple[Prompt, str, bool]]:
        """What the base model says of the problems, and whether it is right."""
        return self.sampled(self.setting.samples)

    def sampled(self, number: int) -> list[tuple[Prompt, str, bool]]:
        """So many solutions of each problem, less those that did not end."""
        train = TASK.prompts("train")
        chosen = rng(self.seed, "incorrect-synth", "problems").permutation(len(train))[: self.setting.problems]
        prompts = [train[i] for i in chosen]
        groups = self._loop(self.base).sampled(prompts, number)
        pairs = zip(prompts, groups, strict=True)
        every = [(prompt, t) for prompt, group in pairs for t in group if t.finish == "stop"]
        return [(prompt, self.base.decode(t.completion_T), t.reward == 1) for prompt, t in every]

    def pairs(self, form: Form) -> list[Preference]:
        """What the builder makes of all solutions."""
        rows = [
            {"prompt": str(prompt.text), "solution": said, "answer": str(prompt.columns["answer"])}
            for prompt, said, _ in self.solutions
        ]
        records = records_of((f"row {i}", row) for i, row in enumerate(rows))
        writer = PolicyWriter(self.base, "base", Sampling(1.0, LONGEST))
        builder = IncorrectSynth(form=form, continuations=self.setting.continuations, step_end=STEP_END)
        found = builder.build(records, records, Tools(self.seed, writer, LastDigit()))
        return [PreferenceFile().preference(record.fields, record.id) for record in found]

    @cached_property
    def by_solutions(self) -> list[Preference]:
        """Pairs of a solution and the steps up to the wrong one."""
        return self.pairs("solutions")

    def right(self) -> list[tuple[Prompt, str]]:
        """The right solutions."""
        return [(prompt, said) for prompt, said, right in self.solutions if right]

    def whole(self) -> list[Preference]:
        """Each wrong solution beside a right one of its problem, where it has any."""
        draws = rng(self.seed, "incorrect-synth", "whole")
        right: dict[str, list[str]] = {}
        for prompt, said in self.right():
            right.setdefault(prompt.id, []).append(said)
        wrong = [(prompt, said) for prompt, said, is_right in self.solutions if not is_right and prompt.id in right]
        return [Preference(prompt, str(draws.choice(right[prompt.id])), said) for prompt, said in wrong]

    def exchanged(self) -> list[Preference]:
        """Pairs of which nobody knows which side is better."""
        turned = rng(self.seed, "incorrect-synth", "coin").random(len(self.by_solutions)) < 0.5
        return [_turned(pair) if turn else pair for pair, turn in zip(self.by_solutions, turned, strict=True)]

    def imitated(self, texts: Sequence[tuple[Prompt, str]]) -> list[Group]:
        """Texts to imitate, each a group of its own."""
        return [[demonstration(self.base, prompt, said)] for prompt, said in texts]

    def compared(self, pairs: Sequence[Preference]) -> list[Group]:
        """Pairs to compare."""
        return [given_pair(self.base, pair) for pair in pairs]

    def learned(self, lesson: "Lesson", rate: float) -> dict[str, float]:
        """What an arm comes to."""
        groups = lesson.groups(self)
        policy = copied(self.base)
        learner = Learner(policy, lesson.objective(self.setting), Adam(), learning_rate=rate)
        referred = Referred(learner, groups)
        tokens = 0
        batch = self.setting.batch // len(groups[0])
        for step in range(self.setting.steps):
            taken = referred.at(epoch_batch(step, len(groups), batch, self.seed, "incorrect-synth"))
            learner.step(taken)
            tokens += sum(len(t.tokens_T) for group in taken for t in group)
        scale = {"parameters": float(policy.num_parameters()), "tokens": float(tokens)}
        return self.described(policy) | {"pairs": float(len(groups)), "moved": moved(self.base, policy)} | scale

    def described(self, policy: Policy) -> dict[str, float]:
        """What is measured, on samples of held-out problems."""
        found = self._loop(policy).sampled(TASK.prompts("held-out"), self.setting.measured)
        samples = [t for group in found for t in group]
        guesses = [min(policy.decode(t.completion_T).count("~"), STEPS) for t in samples]
        return {
            **share("accuracy", sum(t.reward == 1 for t in samples), len(samples)),
            **share("guessed", sum(guesses), STEPS * len(samples)),
        }

    def _loop(self, policy: Policy) -> SyncLoop:
        return SyncLoop(policy, TASK, SFT(), learning_rate=1e-4, seed=self.seed, max_tokens=LONGEST)


def _turned(pair: Preference) -> Preference:
    return Preference(pair.prompt, pair.rejected, pair.chosen, pair.rejected_ends, pair.chosen_ends)


@dataclass(frozen=True)
class Lesson:
    """What an arm learns from, and by."""

    groups: Callable[[Study], list[Group]]
    objective: Callable[[Setting], Objective] = lambda setting: WithChosenLikelihood(DPO(setting.beta), setting.chosen)


def _imitation(setting: Setting) -> Objective:
    return SFT()


ARMS: Mapping[str, Lesson] = {
    "rft": Lesson(lambda study: study.imitated(study.right()), _imitation),
    "whole": Lesson(lambda study: study.compared(study.whole())),
    "solutions": Lesson(lambda study: study.compared(study.by_solutions)),
    "solutions-off": Lesson(lambda study: study.compared(study.exchanged())),
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Lesson]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model's solutions, what is made of them, and each arm's tuning."""
    study = Study(seed, setting)
    for arm in arms:
        yield arm.name, study.learned(arm.settings, arm.rate)


PROOF = Proof(
    proves=("incorrect-synth",),
    ours="solutions",
    control="solutions-off",
    equal="the base model, 64 problems with 8 solutions each, 60 steps of 32 texts; not the pairs' own samples",
    claims=(
        Claim("DPO on per-step pairs beats imitation of the right solutions by 5 points of accuracy", "accuracy",
              baseline="rft", min_effect=0.05),
        Claim("4 in 100 steps fewer are guessed than after imitation of the right solutions", "guessed",
              baseline="rft", min_effect=0.04, lower_is_better=True),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(imitation=400, problems=32, steps=30, measured=2),
    rates={"rft": 1e-3, **dict.fromkeys(("whole", "solutions", "solutions-off"), 3e-4)},
    first_seed=30,
    seeds=6,
)  # fmt: skip
