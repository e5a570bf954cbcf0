"""The kinds of methods, recognised by their signatures alone, and the checks for each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from steelyard.check.attention import ATTENTION_CHECKS
from steelyard.check.attention import cost_of as attention_cost
from steelyard.check.audit import AUDIT_CHECKS
from steelyard.check.choices import choices
from steelyard.check.control import CONTROLLER_CHECKS, SYSTEM_CHECKS
from steelyard.check.curriculum import CURRICULUM_CHECKS
from steelyard.check.data import DATA_CHECKS
from steelyard.check.decode import DECODE_CHECKS
from steelyard.check.diffusion import DIFFUSION_CHECKS
from steelyard.check.docstring import sourced
from steelyard.check.encoder_attention import ENCODER_ATTENTION_CHECKS
from steelyard.check.encoder_attention import cost_of as encoder_attention_cost
from steelyard.check.forgetting import FORGETTING_CHECKS
from steelyard.check.guard import GATE_CHECKS, TEXT_GATE_CHECKS
from steelyard.check.guard_audit import GUARD_AUDIT_CHECKS
from steelyard.check.intervention import INTERVENTION_CHECKS
from steelyard.check.method import METHOD_CHECKS
from steelyard.check.objective import OBJECTIVE_CHECKS
from steelyard.check.preparation import PREPARATION_CHECKS
from steelyard.check.replay import REPLAY_CHECKS
from steelyard.check.scoring import SCORING_CHECKS
from steelyard.check.task import TASK_CHECKS
from steelyard.check.verdict import Check, CheckResult, run_checks
from steelyard.control import Controller
from steelyard.core import Batch, Card, Curriculum, Episode, Replay, Task
from steelyard.core.annotations import gives, hints
from steelyard.core.table import Table
from steelyard.data import Record
from steelyard.decode import DecodeRule
from steelyard.diffusion import Diffusion
from steelyard.guard import Gate, TextGate
from steelyard.model import EncoderMixing, Mix
from steelyard.model.intervention import Intervention
from steelyard.pretrain import Document
from steelyard.unlearn.forgetting import Forgetting

DEFAULT = "default-constructible"
"""The check without which there is nothing to choose."""


@dataclass(frozen=True)
class Kind:
    """A kind of method."""

    name: str
    """What it is called."""
    shape: str
    """How it is recognised, in words."""
    fits: Callable[[type], bool]
    """Says of a class whether it is of this kind."""
    checks: Mapping[str, Check]
    """All that it is held to, METHOD_CHECKS among it."""
    figures: Callable[[Any], list[str]] = lambda method: []
    """What is measured of an instance and shown beside the verdicts: lines of text."""


def takes(cls: type) -> object:
    """The annotation of what an instance is called with first; None where it cannot be called."""
    return next((hint for name, hint in hints(cls, "__call__").items() if name != "return"), None)


def _with(*checks: Mapping[str, Check]) -> Mapping[str, Check]:
    every: dict[str, Check] = {**METHOD_CHECKS, "documented": sourced}
    for table in checks:
        every |= table
    return MappingProxyType(every)


def _is_system(cls: type) -> bool:
    """A system's settings are fields, so its Protocol cannot be asked of a class."""
    return all(callable(getattr(cls, name, None)) for name in ("reset", "step", "observe"))


KINDS = (
    Kind("objective", "called on a Batch", lambda cls: takes(cls) is Batch, OBJECTIVE_CHECKS),
    Kind(
        "reward", "called on a Sequence[Episode]", lambda cls: takes(cls) == Sequence[Episode], _with(SCORING_CHECKS)
    ),
    Kind(
        "curriculum", "open(...) gives what draws", lambda cls: issubclass(gives(cls, "open"), Curriculum),
        _with(CURRICULUM_CHECKS),
    ),
    Kind("task", "has prompts and score", lambda cls: issubclass(cls, Task), _with(TASK_CHECKS, SCORING_CHECKS)),
    Kind(
        "replay", "open(...) gives what adds and samples", lambda cls: issubclass(gives(cls, "open"), Replay),
        _with(REPLAY_CHECKS),
    ),
    Kind(
        "preparation", "prepare(...) gives a list[Document]",
        lambda cls: hints(cls, "prepare").get("return") == list[Document], _with(PREPARATION_CHECKS),
    ),
    Kind(
        "decode rule", "has num_candidates, closes and choose", lambda cls: issubclass(cls, DecodeRule),
        _with(DECODE_CHECKS),
    ),
    Kind(
        "attention", "is a Mix: called on queries, keys, values and a mask", lambda cls: issubclass(cls, Mix),
        _with(ATTENTION_CHECKS), lambda mix: [attention_cost(mix).line()],
    ),
    Kind(
        "encoder attention", "build(...) gives the module of an encoder's layer",
        lambda cls: issubclass(gives(cls, "build"), EncoderMixing), _with(ENCODER_ATTENTION_CHECKS),
        lambda attention: [encoder_attention_cost(attention).line()],
    ),
    Kind(
        "data builder", "build(...) gives a list[Record]",
        lambda cls: hints(cls, "build").get("return") == list[Record], _with(DATA_CHECKS),
    ),
    Kind("audit", "audit(...) gives a Table", lambda cls: issubclass(gives(cls, "audit"), Table), _with(AUDIT_CHECKS)),
    Kind(
        "guard audit", "audit_guard(...) gives a Table", lambda cls: issubclass(gives(cls, "audit_guard"), Table),
        _with(GUARD_AUDIT_CHECKS),
    ),
    Kind(
        "system", "has reset, step and observe", _is_system, _with(SYSTEM_CHECKS)
    ),
    Kind(
        "learner of control", "fit(...) gives a controller", lambda cls: gives(cls, "fit") is Controller,
        _with(CONTROLLER_CHECKS),
    ),
    Kind(
        "diffusion", "fit(...) gives a diffusion model", lambda cls: gives(cls, "fit") is Diffusion,
        _with(DIFFUSION_CHECKS),
    ),
    Kind("router", "fit(...) gives a gate", lambda cls: issubclass(gives(cls, "fit"), Gate), _with(GATE_CHECKS)),
    Kind(
        "text router", "fit_texts(...) gives a gate on texts",
        lambda cls: issubclass(gives(cls, "fit_texts"), TextGate), _with(TEXT_GATE_CHECKS),
    ),
    Kind(
        "intervention", "fit(...) gives what changes hidden states",
        lambda cls: issubclass(gives(cls, "fit"), Intervention), _with(INTERVENTION_CHECKS),
    ),
    Kind(
        "forgetting", "is a Forgetting: begin(...) fits what makes a model forget",
        lambda cls: issubclass(cls, Forgetting), _with(FORGETTING_CHECKS),
    ),
)  # fmt: skip


def kinds_of(cls: type) -> list[Kind]:
    """The kinds that a class is of."""
    return [kind for kind in KINDS if kind.fits(cls)]


def checks_for(cls: type) -> Mapping[str, Check]:
    """All checks of its kinds; of no kind, what any method is held to."""
    every: dict[str, Check] = {}
    for kind in kinds_of(cls):
        every |= kind.checks
    return MappingProxyType(every) if every else _with()


def check_method(subject: object) -> list[CheckResult]:
    """Run all checks of its kinds on a card, a class or an instance; one verdict each, and one for each choice.

    A choice is a setting that is one of several words: each word must pass all checks that the card does not excuse.
    """
    cls = subject.cls if isinstance(subject, Card) else subject if isinstance(subject, type) else type(subject)
    checks = checks_for(cls)
    results = run_checks(checks, subject)
    if not results or results[0].check != DEFAULT or not results[0].passed:
        return results
    excused = subject.exemptions if isinstance(subject, Card) else {}
    return results + [_of_choice(name, run_checks(checks, method), excused) for name, method in choices(subject)]


def _of_choice(name: str, results: Sequence[CheckResult], excused: Mapping[str, str]) -> CheckResult:
    failed = [result for result in results if not result.passed and result.check not in excused]
    return CheckResult(name, not failed, f"{failed[0].check}: {failed[0].reason}" if failed else "")
