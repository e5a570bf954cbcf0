"""Each check of every kind but objectives finds the fault that it is for: one broken method per check."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from conformance import (  # noqa: F401  (they register strangers)
    broken_attention,
    broken_audit,
    broken_control,
    broken_data,
    broken_diffusion,
    broken_encoder_attention,
    broken_forgetting,
    broken_guard_audit,
    broken_intervention,
)
from conformance.strangers import BROKEN, SOUND, breaks, sound
from steelyard.check import KINDS, METHOD_CHECKS, checks_for, run_checks
from steelyard.core import Curriculum, Episode, Prompt, Score, SteelyardError
from steelyard.guard import Gate, TextGate
from steelyard.pretrain import Document, Preparation
from steelyard.replay import PrioritizedReplay
from steelyard.replay.buffer import ReplayBuffer

# Rewards


@sound
@dataclass(frozen=True)
class Length:
    """A stranger's reward.

        r = len(y) / 100

    Source: this file.
    """  # fmt: skip

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        return [self.score(e) for e in episodes]

    def score(self, e):
        return Score(len(e.completion) / 100, {"constraint/short": float(len(e.completion) < 5)})


@breaks("documented")
@dataclass(frozen=True)
class Wordless:
    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        return Length()(episodes)


@breaks("scores-each")
@dataclass(frozen=True)
class SkipsEmpty(Length):
    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        return [self.score(e) for e in episodes if e.completion]


@breaks("scores-finite")
@dataclass(frozen=True)
class DividesByLength(Length):
    def score(self, e):
        return Score(1.0 / len(e.completion) if e.completion else None)


@breaks("scores-alone")
@dataclass(frozen=True)
class Ranks(Length):
    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        return [Score(i / len(episodes)) for i, _ in enumerate(episodes)]


@breaks("scores-parts")
@dataclass(frozen=True)
class GradedConstraint(Length):
    def score(self, e):
        return Score(0.0, {"constraint/short": 0.5})


@breaks("scores-steps")
@dataclass(frozen=True)
class LabelsCompletionOnly(Length):
    def score(self, e):
        return Score(0.0, reward_T=np.ones(len(e.completion), np.float32))


# Tasks


@sound
@dataclass(frozen=True)
class Echo:
    """A stranger's task.

        r = [y = x]

    Source: this file.
    """  # fmt: skip

    def prompts(self, split: str) -> Sequence[Prompt]:
        return [Prompt(f"{split}{i}", f"{split}{i}", {"answer": str(i)}) for i in range(4)]

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        return [Score(float(e.completion == e.prompt.text)) for e in episodes]


@breaks("task-ids")
@dataclass(frozen=True)
class OneId(Echo):
    def prompts(self, split: str) -> Sequence[Prompt]:
        return [Prompt(split, "x")] * 2


@breaks("task-splits")
@dataclass(frozen=True)
class SameTexts(Echo):
    def prompts(self, split: str) -> Sequence[Prompt]:
        return [Prompt(f"{split}{i}", f"{i}") for i in range(4)]


@breaks("task-repeatable")
@dataclass(frozen=True)
class Forgetful(Echo):
    calls: list[str] = field(default_factory=list, compare=False)
    """What was asked before."""

    def prompts(self, split: str) -> Sequence[Prompt]:
        self.calls.append(split)
        return [Prompt(f"{split}{i}", f"{split}{i}") for i in range(len(self.calls))]


# Curricula


class Walk(Curriculum):
    """Round and round, from the seed on, and faster the more is found."""

    def __init__(self, prompts, seed):
        if not prompts:
            raise SteelyardError("no prompts", where="curriculum", hint="give some")
        self.num, self.kept = len(prompts), {"at": seed, "pace": 1}

    def draw(self, num_prompts):
        drawn = [(self.kept["at"] + i * self.kept["pace"]) % self.num for i in range(num_prompts)]
        self.kept["at"] += num_prompts
        return drawn

    def observe(self, trajectories):
        self.kept["pace"] += sum((t.reward or 0.0) > 0 for t in trajectories)

    def state(self):
        return dict(self.kept)

    def restore(self, state):
        self.kept = dict(state)


@sound
@dataclass(frozen=True)
class Rounds:
    """A stranger's curriculum.

        i = n mod N

    Source: this file.
    """  # fmt: skip

    walk = Walk

    def open(self, prompts: Sequence[Prompt], seed: int) -> Walk:
        return self.walk(prompts, seed)


def walks(check):
    """A curriculum whose walk is the class below, which spoils one of its functions."""

    def register(walk):
        breaks(check)(dataclass(frozen=True)(type(walk.__name__, (Rounds,), {"walk": walk, "__doc__": Rounds.__doc__})))
        return walk

    return register


@walks("curriculum-indices")
class BeyondTheEnd(Walk):
    def draw(self, num_prompts):
        return [i + 1 for i in super().draw(num_prompts)]


@walks("curriculum-seeded")
class OwnMind(Walk):
    mood = iter(range(10**9))

    def draw(self, num_prompts):
        return [(i + next(self.mood)) % self.num for i in super().draw(num_prompts)]


@walks("curriculum-resumes")
class LendsItsState(Walk):
    def state(self):
        return self.kept


@walks("curriculum-observes")
class CountsCalls(Walk):
    def observe(self, trajectories):
        self.kept["at"] += 1


@walks("curriculum-refuses")
class OpensOnNothing(Walk):
    def __init__(self, prompts, seed):
        super().__init__(prompts or [None], seed)


# Replays


@sound
@dataclass(frozen=True)
class Buffer(PrioritizedReplay):
    """A stranger's replay.

        P = 1 / N

    Source: this file.
    """  # fmt: skip


def spoiled(check, **functions):
    """A replay whose open buffer has other functions."""
    buffer = type("Spoiled", (ReplayBuffer,), functions)

    def open(self, *, seed: int) -> ReplayBuffer:
        inner = PrioritizedReplay().open(seed=seed)
        inner.__class__ = buffer
        return inner

    breaks(check)(dataclass(frozen=True)(type("Spoils", (Buffer,), {"open": open, "__doc__": Buffer.__doc__})))


def short(self, num_prompts, num_generations, *, version, draw):
    groups = ReplayBuffer.sample(self, num_prompts, num_generations, version=version, draw=draw)
    return groups and [group[:-1] for group in groups]


def moody(self, num_prompts, num_generations, *, version, draw, mood=iter(range(10**9))):  # noqa: B008
    return ReplayBuffer.sample(self, num_prompts, num_generations, version=version, draw=draw + next(mood))


def not_json(self):
    return {"state": object()}


spoiled("replay-groups", sample=short)
spoiled("replay-seeded", sample=moody)
spoiled("replay-resumes", state=not_json)


# Preparations


@sound
@dataclass(frozen=True)
class Everything(Preparation):
    """A stranger's preparation.

        kept = all

    Source: this file.
    """  # fmt: skip

    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        return list(documents)


@breaks("prepared-documents")
@dataclass(frozen=True)
class Empties(Everything):
    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        return [Document(())]


@breaks("prepared-repeatable")
@dataclass(frozen=True)
class Takes(Everything):
    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        documents.pop()
        return list(documents)


@breaks("prepared-harmless")
@dataclass(frozen=True)
class Halves(Everything):
    def prepare(self, documents: Sequence[Document]) -> list[Document]:
        return list(documents[::2])


# Decode rules


@sound
@dataclass(frozen=True)
class Thrice:
    """A stranger's decode rule.

        n = 3 where the distribution is not certain

    Source: this file.
    """  # fmt: skip

    def num_candidates(self, logits_NV):
        return 1 + 2 * (logits_NV.softmax(1).amax(1) < 0.9).long()

    def closes(self, text):
        return text.endswith(".")

    def choose(self, candidates):
        return int(np.argmax([logp_T.sum() for logp_T in candidates]))


@breaks("rule-candidates")
@dataclass(frozen=True)
class ReadsLogits(Thrice):
    def num_candidates(self, logits_NV):
        return 1 + (logits_NV.amax(1) > 1).long()


@breaks("rule-draws-nothing")
@dataclass(frozen=True)
class Dices(Thrice):
    def num_candidates(self, logits_NV):
        return torch.randint(1, 9, (len(logits_NV),))


@breaks("rule-closes")
@dataclass(frozen=True)
class NeedsText(Thrice):
    def closes(self, text):
        return text[-1] == "."


@breaks("rule-chooses")
@dataclass(frozen=True)
class TakesTheFirst(Thrice):
    def choose(self, candidates):
        return 0


# Routers


class FirstNumber(Gate):
    """Routes where the first number of the state is positive."""

    def score(self, state_ND):
        return state_ND[:, 0].sigmoid()

    def routes(self, state_ND):
        return self.score(state_ND) >= 0.5


@sound
@dataclass(frozen=True)
class Sign:
    """A stranger's router.

        score = sigma(h_1)

    Source: this file.
    """  # fmt: skip

    gate = FirstNumber

    def fit(self, state_ND, small_right_N, large_right_N, *, seed: int) -> Gate:
        if not len(state_ND):
            raise SteelyardError("no examples", where="router", hint="give some")
        return Never() if small_right_N.all() else self.gate()


class Never(FirstNumber):
    def score(self, state_ND):
        return torch.zeros(len(state_ND))


def gates(check):
    def register(gate):
        breaks(check)(dataclass(frozen=True)(type(gate.__name__, (Sign,), {"gate": gate, "__doc__": Sign.__doc__})))
        return gate

    return register


@gates("gate-scores")
class LogOdds(FirstNumber):
    def score(self, state_ND):
        return state_ND[:, 0]


@gates("gate-alone")
class ComparesWithOthers(FirstNumber):
    def score(self, state_ND):
        return (state_ND[:, 0] - state_ND[:, 0].mean()).sigmoid() if len(state_ND) else state_ND[:, 0]


@gates("gate-seeded")
class GlobalDraws(FirstNumber):
    def __init__(self):
        self.shift = torch.rand(())

    def score(self, state_ND):
        return (state_ND[:, 0] + self.shift).sigmoid()


@gates("gate-learns")
class Backwards(FirstNumber):
    def score(self, state_ND):
        return (-state_ND[:, 0]).sigmoid()


@breaks("gate-one-class")
@dataclass(frozen=True)
class FitsNothing(Sign):
    def fit(self, state_ND, small_right_N, large_right_N, *, seed: int) -> Gate:
        return FirstNumber()


# Routers by text


class Cloaked(TextGate):
    """Routes texts with the word."""

    def score_texts(self, texts):
        return torch.tensor([0.9 if "cloaked" in text.split() else 0.1 for text in texts])

    def routes_texts(self, texts):
        return self.score_texts(texts) >= 0.5


@sound
@dataclass(frozen=True)
class ByAWord:
    """A stranger's router by text.

        score = 0.9 where the word is there

    Source: this file.
    """  # fmt: skip

    gate = Cloaked

    def fit_texts(self, texts, small_right_N, large_right_N, *, seed: int) -> TextGate:
        if not len(texts):
            raise SteelyardError("no examples", where="router", hint="give some")
        return NeverAsks() if small_right_N.all() else self.gate()


class NeverAsks(Cloaked):
    def score_texts(self, texts):
        return torch.zeros(len(texts))


def text_gates(check):
    def register(gate):
        members = {"gate": gate, "__doc__": ByAWord.__doc__}
        breaks(check)(dataclass(frozen=True)(type(gate.__name__, (ByAWord,), members)))
        return gate

    return register


@text_gates("text-gate-scores")
class Doubled(Cloaked):
    def score_texts(self, texts):
        return 2 * super().score_texts(texts)


@text_gates("text-gate-alone")
class ByPlace(Cloaked):
    def score_texts(self, texts):
        return super().score_texts(texts) + 0.01 * torch.linspace(0, 1, len(texts))


@text_gates("text-gate-seeded")
class GlobalDice(Cloaked):
    def __init__(self):
        self.shift = 0.05 * torch.rand(())

    def score_texts(self, texts):
        return super().score_texts(texts) + self.shift


@text_gates("text-gate-learns")
class Reversed(Cloaked):
    def score_texts(self, texts):
        return 1 - super().score_texts(texts)


@breaks("text-gate-one-class")
@dataclass(frozen=True)
class FitsNoTexts(ByAWord):
    def fit_texts(self, texts, small_right_N, large_right_N, *, seed: int) -> TextGate:
        return Cloaked()


OWN = [(kind.name, check) for kind in KINDS if kind.name != "objective" for check in kind.checks]
OWN = [(kind, check) for kind, check in OWN if check not in METHOD_CHECKS]


def verdict_on(cls, check):
    (got,) = run_checks({check: checks_for(cls)[check]}, cls)
    return got


@pytest.mark.parametrize(("kind", "check"), OWN)
def test_each_check_can_fail(kind, check):
    # What every kind is held to is shown to fail once, and a task's scoring as any reward's.
    cls = BROKEN.get((kind, check)) or BROKEN["reward", check]
    got = verdict_on(cls, check)
    assert not got.passed
    assert got.reason


@pytest.mark.parametrize("kind", SOUND)
def test_a_sound_stranger_passes(kind):
    cls = SOUND[kind]
    assert [v for v in run_checks(checks_for(cls), cls) if not v.passed] == []


def test_attention_with_a_rule_of_its_own_for_far_keys_passes():
    cls = broken_attention.FarKeysLieAtTheLimit
    assert [v for v in run_checks(checks_for(cls), cls) if not v.passed] == []


def test_every_kind_has_its_sound_stranger():
    assert set(SOUND) == {kind.name for kind in KINDS} - {"objective"}
