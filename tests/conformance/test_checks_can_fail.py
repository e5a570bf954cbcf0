"""Each check finds the fault it is for: one broken objective per check."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from steelyard.check import OBJECTIVE_CHECKS, UnmetError, check_objective, random_batch, run_checks
from steelyard.core import Batch, Card, Loss, Needs, SteelyardError, require
from steelyard.objective import DPO, VarGradTB, policy_gradient
from steelyard.objective.advantage import centred, reward_of

BROKEN = {}


def breaks(*checks):
    def register(cls):
        for check in checks:
            BROKEN.setdefault(check, []).append(cls)
        return cls

    return register


def centred_loss(batch: Batch, metrics=None) -> Loss:
    """A sound objective for the broken ones to spoil."""
    advantage_PG = centred(reward_of(batch), batch.valid_PG)
    return policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT), metrics)


@dataclass(frozen=True)
class Sound:
    """A stranger's objective.

        L = - mean_j A_j log pi(y_j)

    P prompts.
    Source: this file.
    """  # fmt: skip

    needs: ClassVar[Needs] = Needs(fields=("reward_PG",))

    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch)


@breaks("default-constructible")
@dataclass(frozen=True)
class NeedsBeta(Sound):
    beta: float


@breaks("frozen-hashable")
@dataclass
class Thawed:
    beta: float = 1.0

    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch)


@breaks("frozen-hashable")
@dataclass(frozen=True)
class Unhashable(Sound):
    betas: list[float] = dataclasses.field(default_factory=list)


@breaks("json-round-trip")
@dataclass(frozen=True)
class Listed(Sound):
    steps: object = (1, 2)  # comes back as a list


@breaks("cli-round-trip")
@dataclass(frozen=True)
class Hidden(Sound):
    beta: float = dataclasses.field(default=0.3, init=False)


@breaks("cli-round-trip")
@dataclass(frozen=True)
class OneValue(Sound):
    beta: float = 0.3

    def __post_init__(self):
        require(self.beta == 0.3, "is another", where="beta", hint="leave it")


@breaks("picklable")
@dataclass(frozen=True)
class Closure(Sound):
    def __getstate__(self):
        return lambda: None


@breaks("settings-explained")
@dataclass(frozen=True)
class Unexplained(Sound):
    beta: float = 1.0


@breaks("documented")
@dataclass(frozen=True)
class Silent:
    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch)


@breaks("documented")
@dataclass(frozen=True)
class NoSource:
    """Half a docstring.

        L = 0

    P prompts.
    """  # fmt: skip

    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch)


@breaks("finite")
@dataclass(frozen=True)
class Overflows(Sound):
    def __call__(self, batch: Batch) -> Loss:
        loss = centred_loss(batch)
        return Loss(loss.value / 0, loss.weight)


@breaks("finite")
@dataclass(frozen=True)
class TensorMetric(Sound):
    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch, {"objective/x": float("nan")})


@breaks("far-policies")
@dataclass(frozen=True)
class RatioOverflows(Sound):
    # The surrogate of a whole sequence's ratio without a bound.
    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "logp_behaviour_PGT"))

    def __call__(self, batch: Batch) -> Loss:
        gap_PGT = (batch.logp_PGT - batch.field("logp_behaviour_PGT")).detach().where(batch.action_PGT, 0.0)
        weight_PG = centred(reward_of(batch), batch.valid_PG) * gap_PGT.sum(-1).exp()
        return policy_gradient(batch, weight_PG[..., None].expand_as(batch.logp_PGT))


@breaks("teaches")
@dataclass(frozen=True)
class Lazy(Sound):
    def __call__(self, batch: Batch) -> Loss:
        loss = centred_loss(batch)
        return Loss(0 * loss.value, loss.weight)


@breaks("masked-silent")
@dataclass(frozen=True)
class SumsPrompt(Sound):
    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch.replace(action_PGT=torch.ones_like(batch.action_PGT)))


@breaks("masked-silent")
@dataclass(frozen=True)
class DividesByPadding(Sound):
    def __call__(self, batch: Batch) -> Loss:
        loss = centred_loss(batch)
        return Loss(loss.value / batch.logp_PGT.shape[-1], loss.weight)


@breaks("invalid-silent")
@dataclass(frozen=True)
class MultipliesMask(Sound):
    def __call__(self, batch: Batch) -> Loss:
        advantage_PG = batch.field("reward_PG") * batch.valid_PG
        total = (advantage_PG[..., None] * batch.logp_PGT).sum()
        num = float(batch.valid_PG.any(-1).sum())
        return Loss(-total / max(num, 1.0), num)


@breaks("invalid-silent")
@dataclass(frozen=True)
class CountsInvalid(Sound):
    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch.replace(valid_PG=torch.ones_like(batch.valid_PG)))


@breaks("group-order")
@dataclass(frozen=True)
class FirstIsBaseline(Sound):
    def __call__(self, batch: Batch) -> Loss:
        advantage_PG = reward_of(batch) - reward_of(batch)[:, :1]
        return policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT))


@breaks("prompt-order")
@dataclass(frozen=True)
class FirstPromptCountsDouble(Sound):
    def __call__(self, batch: Batch) -> Loss:
        advantage_PG = centred(reward_of(batch), batch.valid_PG)
        scale_P = torch.ones(len(advantage_PG)).index_fill(0, torch.tensor([0]), 2.0)
        return policy_gradient(batch, (advantage_PG * scale_P[:, None])[..., None].expand_as(batch.logp_PGT))


@breaks("micro-batches")
@dataclass(frozen=True)
class MixesPrompts(Sound):
    def __call__(self, batch: Batch) -> Loss:
        reward_PG = reward_of(batch)
        advantage_PG = reward_PG - reward_PG.sum() / batch.valid_PG.sum().clamp(min=1)
        return policy_gradient(batch, advantage_PG[..., None].expand_as(batch.logp_PGT))


@breaks("micro-batches")
@dataclass(frozen=True)
class WrongWeight(Sound):
    def __call__(self, batch: Batch) -> Loss:
        loss = centred_loss(batch)
        return Loss(loss.value, loss.weight**2)


@breaks("micro-batches")
@dataclass(frozen=True)
class SquaredMetric(Sound):
    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch, {"objective/x": float(reward_of(batch).mean()) ** 2})


@breaks("inputs-fixed")
@dataclass(frozen=True)
class TrainsReference(Sound):
    def __call__(self, batch: Batch) -> Loss:
        loss = centred_loss(batch)
        valid_PGT = batch.action_PGT & batch.valid_PG[..., None]
        leak = (batch.logp_PGT - batch.field("logp_ref_PGT")).where(valid_PGT, 0.0).sum()
        return Loss(loss.value + leak / max(loss.weight, 1.0), loss.weight)


@breaks("batch-unchanged")
@dataclass(frozen=True)
class WritesRewards(Sound):
    def __call__(self, batch: Batch) -> Loss:
        batch.field("reward_PG").data.mul_(2)
        return centred_loss(batch)


@breaks("repeatable")
@dataclass(frozen=True)
class Random(Sound):
    def __call__(self, batch: Batch) -> Loss:
        loss = centred_loss(batch)
        return Loss(loss.value * torch.rand(()), loss.weight)


@breaks("nothing-valid")
@dataclass(frozen=True)
class DividesByNothing(Sound):
    def __call__(self, batch: Batch) -> Loss:
        loss = centred_loss(batch)
        return Loss(loss.value * (loss.weight / batch.valid_PG.any(-1).sum()), loss.weight)


@breaks("nothing-valid")
@dataclass(frozen=True)
class WeighsNothing(Sound):
    def __call__(self, batch: Batch) -> Loss:
        return Loss(centred_loss(batch).value, 1.0)


@breaks("tokens-unused")
@dataclass(frozen=True)
class ReadsTokens(Sound):
    def __call__(self, batch: Batch) -> Loss:
        loss = centred_loss(batch)
        return Loss(loss.value * batch.field("tokens_PGT").double().mean(), loss.weight)


def verdict_on(cls, check):
    return next(v for v in check_objective(cls) if v.check == check)


@breaks("needs-declared")
@dataclass(frozen=True)
class Undeclared(Sound):
    needs: ClassVar[Needs] = Needs()


@breaks("needs-declared")
@dataclass(frozen=True)
class Overdeclared(Sound):
    needs: ClassVar[Needs] = Needs(fields=("reward_PG", "version_PG"))


@breaks("needs-declared")
@dataclass(frozen=True)
class HiddenLabel(Sound):
    def __call__(self, batch: Batch) -> Loss:
        return centred_loss(batch.replace(valid_PG=batch.valid_PG & batch.label("passes")))


@dataclass(frozen=True)
class SoundState(Sound):
    # An objective with memory for the broken ones to spoil: it counts its steps.
    def init(self) -> tuple[float, ...]:
        return (0.0,)

    def __call__(self, batch: Batch, state: tuple[float, ...] | None = None) -> Loss:
        loss = centred_loss(batch)
        return Loss(loss.value * (1 + (state or self.init())[0]), loss.weight, {}, {"one": 1.0})

    def update(self, state: tuple[float, ...], stats: Mapping[str, float]) -> tuple[float, ...]:
        return (state[0] + stats["one"],)


@breaks("state-data")
@dataclass(frozen=True)
class ForgottenState(SoundState):
    def init(self) -> tuple[float, ...]:
        return (0.0, object())


@breaks("state-pure")
@dataclass(frozen=True)
class WrittenState(SoundState):
    def init(self) -> list[float]:
        return [0.0]

    def update(self, state: list[float], stats: Mapping[str, float]) -> list[float]:
        state[0] += stats["one"]
        return state


@breaks("micro-batches")
@dataclass(frozen=True)
class SummedStats(SoundState):
    def __call__(self, batch: Batch, state: tuple[float, ...] | None = None) -> Loss:
        loss = centred_loss(batch)
        return Loss(loss.value, loss.weight, {}, {"one": loss.weight})


@breaks("batch-wide")
@dataclass(frozen=True)
class MarksTheFirstPrompt(Sound):
    needs: ClassVar[Needs] = Needs(fields=("reward_PG",), labels=("assigned",))
    marked: ClassVar[tuple[str, ...]] = ("assigned",)

    def mark(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"assigned": (torch.arange(len(batch.valid_PG)) == 0)[:, None] * torch.ones_like(reward_of(batch))}


@breaks("batch-wide")
@dataclass(frozen=True)
class MarksAnotherLabel(MarksTheFirstPrompt):
    def mark(self, batch: Batch) -> dict[str, torch.Tensor]:
        return {"passes": batch.valid_PG}


@pytest.mark.parametrize("check", OBJECTIVE_CHECKS)
def test_each_check_can_fail(check):
    for cls in BROKEN[check]:
        got = verdict_on(cls, check)
        assert not got.passed, cls.__name__
        assert got.reason, cls.__name__


def test_a_sound_stranger_passes():
    assert [v for v in check_objective(Sound) if not v.passed] == []


def test_a_class_that_does_not_build_gets_one_verdict():
    (got,) = check_objective(NeedsBeta)
    assert got.check == "default-constructible"
    assert "beta" in got.reason


def test_an_instance_is_checked_with_its_own_settings():
    verdicts = check_objective(VarGradTB(beta=2.0))
    assert [v.check for v in verdicts] == list(OBJECTIVE_CHECKS)
    assert all(v.passed for v in verdicts)


def test_a_fault_inside_the_method_is_a_failed_check_and_the_others_still_run():
    verdicts = {v.check: v for v in check_objective(ReadsTokens)}
    assert verdicts["tokens-unused"].reason.startswith("ValueError: this objective needs Batch.tokens_PGT")
    assert verdicts["finite"].passed


def test_exemptions_are_reported_with_their_reason():
    card = Card("reads-tokens", "objective", ReadsTokens, exemptions={"tokens-unused": "it is about tokens"})
    exempt = {v.check: v.exemption for v in check_objective(card) if v.exemption}
    assert exempt == {"tokens-unused": "it is about tokens"}


def test_the_group_size_is_read_from_the_class_not_from_its_name():
    @dataclass(frozen=True)
    class Renamed(DPO):
        needs: ClassVar[Needs] = Needs(fields=("reward_PG",), group_size=2)

    assert all(v.passed for v in run_checks({"finite": OBJECTIVE_CHECKS["finite"]}, Renamed()))


def test_random_batches_are_reproducible_and_hold_every_kind_of_prompt():
    one, two = random_batch(seed=3), random_batch(seed=3)
    assert one.logp_PGT.equal(two.logp_PGT)
    assert not one.logp_PGT.equal(random_batch(seed=4).logp_PGT)
    assert one.valid_PG.sum(-1).tolist() == [4, 3, 1, 0, 4]
    assert all(getattr(one, f.name) is not None for f in dataclasses.fields(one))


def test_a_sound_objective_with_memory_passes():
    assert [
        v for v in check_objective(SoundState()) if not v.passed and v.check not in ("proof-exists", "documented")
    ] == []


def test_errors_are_of_their_own_kind():
    assert not issubclass(UnmetError, SteelyardError)
