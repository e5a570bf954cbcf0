"""Shop-R1 on invented pages: do rewards for each field, hard ones many times over, find the words that shoppers type?

The world is `page-actions`: the kind of what a shopper does next follows from the page, its words must be copied from
what they want, and whoever the base model heard of was careless with words. Each arm has as many GRPO steps on as many
samples of the same pages, at one rate: binary is paid for exact actions alone, shop-r1 by fields with D = 1000 and by
the self-certainty of its reasons. sft goes on with imitation of the logs that the base model was taught, as many texts.
shop-r1-off is paid by the fields of another page's action.

Measured in samples at temperature 1 on held-out pages: `exact` is the share of right actions, `hard` that on pages
where words are asked for, `kind` the share of right types, `leaves` that of `terminate`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from steelyard.core import Episode, Prompt, Reward, Score, Trajectory, rng
from steelyard.experiments.harness import Arm, Claim, Proof, share
from steelyard.learner import demonstration
from steelyard.objective import GRPO, SFT, Objective, SelfCertainGRPO
from steelyard.policy import Policy
from steelyard.reward import ShopR1
from steelyard.worlds.page_actions import FORM, KINDS, WORDS, PageActions, base
from steelyard.worlds.sync_loop import SyncLoop

GROUP = 8


@dataclass(frozen=True)
class Setting:
    """What all arms have in common."""

    visits: int = 3000
    words: int = 12
    """Words that things are called by."""
    length: int = 2
    """Words of what is wanted."""
    slips: float = 0.3
    """How often a word of a careless shopper is another one."""
    base_steps: int = 1200
    """Steps in which the base model sees careless shoppers; in 500 it does not learn to copy words."""
    steps: int = 60
    prompts: int = 16
    """In a step, each sampled 8 times."""
    measured: int = 250
    """Held-out pages, each sampled 4 times."""


@dataclass(frozen=True)
class Paid:
    """The world's pages, paid otherwise."""

    world: PageActions
    reward: Reward
    others: Mapping[str, object]
    """Prompt -> the action that is taken for the right one, where it is not its own."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The world's."""
        return self.world.prompts(split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """What the reward says."""
        return self.reward([replace(e, prompt=self._asked(e.prompt)) for e in episodes])

    def _asked(self, prompt: Prompt) -> Prompt:
        action = self.others.get(prompt.id, prompt.columns["action"])
        return replace(prompt, columns={**prompt.columns, "action": action})


@dataclass(frozen=True)
class Settings:
    """An arm: its objective, and what it is paid by; the world's own reward where that is None."""

    objective: Objective
    reward: ShopR1 | None = None
    exchanged: bool = False
    imitates: bool = False


@dataclass(frozen=True)
class Study:
    """What the arms of a seed share."""

    seed: int
    setting: Setting

    @cached_property
    def world(self) -> PageActions:
        """The pages."""
        setting = self.setting
        return PageActions(
            visits=setting.visits,
            words=setting.words,
            length=setting.length,
            slips=setting.slips,
            data_seed=self.seed,
        )

    @cached_property
    def base(self) -> Policy:
        """The model that has seen careless shoppers."""
        return base(self.world, self.seed, self.setting.base_steps)

    def loop(self, settings: Settings, rate: float) -> SyncLoop:
        """Where an arm begins."""
        prompts = self.world.prompts("train")
        order = rng(self.seed, "shop-r1", "others").permutation(len(prompts)).tolist()
        pairs = zip(prompts, order, strict=True)
        others = {p.id: prompts[i].columns["action"] for p, i in pairs} if settings.exchanged else {}
        task = Paid(self.world, settings.reward or self.world.score, others)
        objective = settings.objective
        if isinstance(objective, SelfCertainGRPO):
            objective = replace(objective, vocabulary=2 + len(FORM) + len(WORDS) + self.world.words)
        return SyncLoop(
            self.base, task, objective, learning_rate=rate, seed=self.seed, num_generations=GROUP,
            max_tokens=self.world.max_tokens,
        )  # fmt: skip

    def imitate(self, loop: SyncLoop) -> None:
        """As many texts of the logs, in place of samples."""
        draws = rng(self.seed, "shop-r1", "logs")
        prompts = self.world.prompts("train")
        for _ in range(self.setting.steps):
            chosen = [prompts[i] for i in draws.integers(len(prompts), size=self.setting.prompts * GROUP).tolist()]
            loop.learn([[demonstration(self.base, p, self.world.careless(p, draws))] for p in chosen])

    def measured(self, loop: SyncLoop) -> dict[str, float]:
        """Samples for held-out pages, counted."""
        judged = SyncLoop(
            loop.policy, self.world, SFT(), learning_rate=1e-4, seed=self.seed, max_tokens=self.world.max_tokens
        )
        prompts = self.world.prompts("held-out")[: self.setting.measured]
        groups = judged.sampled(prompts, 4)
        every = [(prompt, t) for prompt, group in zip(prompts, groups, strict=True) for t in group]
        hard = [t for prompt, t in every if KINDS[int(prompt.columns["domain"])] != "terminate"]
        leaves = sum('"terminate"' in loop.policy.decode(t.completion_T) for _, t in every)
        return {
            **share("exact", _right(t for _, t in every), len(every)),
            **share("hard", _right(hard), len(hard)),
            "kind": sum(t.reward_parts.get("kind", 0.0) for _, t in every) / len(every),
            "leaves": leaves / len(every),
        }


def _right(samples: Iterable[Trajectory]) -> int:
    return sum(t.reward == 1 for t in samples)


ARMS: Mapping[str, Settings] = {
    "shop-r1": Settings(SelfCertainGRPO(), ShopR1()),
    "shop-r1-off": Settings(SelfCertainGRPO(), ShopR1(), exchanged=True),
    "binary": Settings(GRPO(beta=0.001)),
    "sft": Settings(SFT(), imitates=True),
}


def measure(seed: int, setting: Setting, arms: Iterable[Arm[Settings]]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """The base model, then each arm's learning and what it does on held-out pages."""
    study = Study(seed, setting)
    for arm in arms:
        loop = study.loop(arm.settings, arm.rate)
        if arm.settings.imitates:
            study.imitate(loop)
        else:
            loop.run(setting.steps, setting.prompts)
        yield arm.name, {**study.measured(loop), "moved": loop.moved, **loop.scale}


PROOF = Proof(
    proves=("shop-r1",),
    ours="shop-r1",
    control="shop-r1-off",
    equal="the base model, pages and texts in a step, steps and learning rate",
    claims=(
        Claim("Its actions are right 30 % more often than after fine-tuning on logs alone", "exact",
              baseline="sft", min_effect=0.3, relative=True),
        Claim("and where words are asked for 5 points more often than after RL by exact matches", "hard",
              baseline="binary", min_effect=0.05),
    ),
    measure=measure,
    arms=ARMS,
    setting=Setting(),
    quick=Setting(base_steps=600, steps=20, measured=100),
    rates=dict.fromkeys(ARMS, 5e-4),
    seeds=5,
)  # fmt: skip
