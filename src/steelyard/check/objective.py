"""The conformance suite of objectives: `check_objective` runs it on a card, a class or an instance, also a stranger's.

Each check compares values, weights, metrics and gradients on a random batch in double precision.
"""

import copy
import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec
import torch
from torch import Tensor

from steelyard.check.batch_wide import marks
from steelyard.check.docstring import documented
from steelyard.check.method import METHOD_CHECKS
from steelyard.check.outcome import CUT, Outcome, batch_for, later_state, loss_of, outcome
from steelyard.check.verdict import Check, CheckResult, UnmetError, demand, run_checks
from steelyard.core import Batch, Loss, needs_of, settings
from steelyard.objective import Objective, StatefulObjective

_MAY_BE_NONE = {f.name for f in dataclasses.fields(Batch) if f.default is None}
_INPUTS = ("reward_PG", "reward_PGT", "logp_ref_PGT", "logp_behaviour_PGT", "entropy_PGT")


def _tensors(batch: Batch) -> dict[str, Tensor]:
    """Every field that is not None, and every label."""
    fields = {name: value for name, value in settings(batch).items() if isinstance(value, Tensor)}
    return fields | dict(batch.labels)


def _near(a: Tensor | float, b: Tensor | float) -> bool:
    a = torch.as_tensor(a, dtype=torch.float64)
    b = torch.as_tensor(b, dtype=torch.float64)
    return torch.allclose(a, b, rtol=1e-9, atol=1e-12)


def _same(a: Outcome, b: Outcome, when: str) -> None:
    """Demand equal value, weight and metrics, and equal gradients where these have equal shapes."""
    demand(_near(a.loss.value, b.loss.value), f"the value becomes {b.loss.value} from {a.loss.value} when {when}")
    demand(a.loss.weight == b.loss.weight, f"the weight becomes {b.loss.weight} from {a.loss.weight} when {when}")
    demand(a.loss.metrics.keys() == b.loss.metrics.keys(), f"the metrics' names change when {when}")
    for name, value in a.loss.metrics.items():
        demand(_near(value, b.loss.metrics[name]), f"the metric {name} changes when {when}")
    demand(a.loss.stats.keys() == b.loss.stats.keys(), f"the names of the state's statistics change when {when}")
    for name, value in a.loss.stats.items():
        demand(_near(value, b.loss.stats[name]), f"the state's statistic {name} changes when {when}")
    demand(_near(a.by_logp_PGT, b.by_logp_PGT), f"the gradient changes when {when}")
    demand(_near(a.by_value_PGT, b.by_value_PGT), f"the gradient by value_PGT changes when {when}")
    demand(_near(a.by_log_z_P, b.by_log_z_P), f"the gradient by log_z_P changes when {when}")


def finite(objective: Objective) -> None:
    """Value, weight, metrics and gradient are finite on random batches."""
    for seed in range(3):
        got = outcome(objective, batch_for(objective, seed))
        demand(bool(got.loss.value.isfinite()), f"the value is {got.loss.value}")
        demand(0 < got.loss.weight < float("inf"), f"the weight is {got.loss.weight}")
        finite = all(bool(by.isfinite().all()) for by in (got.by_logp_PGT, got.by_value_PGT, got.by_log_z_P))
        demand(finite, "the gradient is not finite")
        for name, value in {**got.loss.metrics, **got.loss.stats}.items():
            demand(type(value) is float and value - value == 0, f"the metric {name} is {value!r}, not a finite float")


def far_policies(objective: Objective) -> None:
    """Value and gradient are finite in float32 where policy, behaviour and reference lie up to 1e4 nats apart."""
    for nats, seed in itertools.product((1e2, 1e3, 1e4), range(3)):
        batch = batch_for(objective, seed).map(lambda _, x: x.float() if x.is_floating_point() else x)
        draw = torch.Generator().manual_seed(seed)
        fields = ("logp_PGT", "logp_ref_PGT", "logp_behaviour_PGT")
        # By the sample and by the step: log-ratios of a sequence add up in one case and cancel in the other.
        for shape in ((*batch.valid_PG.shape, 1), tuple(batch.logp_PGT.shape)):
            moved = {name: nats * (torch.rand(shape, generator=draw) < 0.5) for name in fields}
            apart = {name: batch.field(name) - off.where(batch.action_PGT, 0.0) for name, off in moved.items()}
            got = outcome(objective, batch.replace(**apart))
            demand(bool(got.loss.value.isfinite()), f"the value is {got.loss.value} at log-ratios of {nats:g} nats")
            finite = all(bool(by.isfinite().all()) for by in (got.by_logp_PGT, got.by_value_PGT, got.by_log_z_P))
            demand(finite, f"the gradient is not finite at log-ratios of {nats:g} nats")
            for name, value in {**got.loss.metrics, **got.loss.stats}.items():
                demand(math.isfinite(value), f"the metric {name} is {value} at log-ratios of {nats:g} nats")


def teaches(objective: Objective) -> None:
    """A batch with something to learn gives a gradient."""
    demand(bool(outcome(objective, batch_for(objective)).by_logp_PGT.any()), "the gradient is 0 on a random batch")


def masked_silent(objective: Objective) -> None:
    """What stands at steps that are no action changes nothing and gets no gradient; so does padding."""
    batch = batch_for(objective)
    clean = outcome(objective, batch)
    demand(not clean.reaches(~batch.action_PGT), "the gradient reaches steps that are no action")
    names = [name for name, x in _tensors(batch).items() if name.endswith("PGT") and x.is_floating_point()]
    noise = {name: batch.field(name).where(batch.action_PGT, -3.0 - i) for i, name in enumerate(names)}
    _same(clean, outcome(objective, batch.replace(**noise)), "steps that are no action hold other values")
    longer = batch.map(lambda axes, x: torch.nn.functional.pad(x, (0, 2)) if axes.endswith("T") else x)
    padded = outcome(objective, longer)
    demand(
        not (padded.by_logp_PGT[..., -2:].any() or padded.by_value_PGT[..., -2:].any()), "the gradient reaches padding"
    )
    cut = padded.changed(lambda by_PGT: by_PGT[..., :-2])
    _same(clean, cut, "the batch is padded by two steps")


def invalid_silent(objective: Objective) -> None:
    """Trajectories that are not valid change nothing and get no gradient, even with a reward of NaN."""
    batch = batch_for(objective)
    clean = outcome(objective, batch)
    demand(not clean.reaches(~batch.valid_PG), "the gradient reaches invalid trajectories")
    lost = batch.replace(reward_PG=batch.field("reward_PG").where(batch.valid_PG, float("nan")))
    _same(clean, outcome(objective, lost), "the reward of invalid trajectories is NaN")
    other = batch.replace(logp_PGT=batch.logp_PGT.where(batch.valid_PG[..., None], -7.0))
    _same(clean, outcome(objective, other), "invalid trajectories have other log-probabilities")


def group_order(objective: Objective) -> None:
    """The order of a group's samples does not matter."""
    batch = batch_for(objective)
    order = torch.arange(batch.valid_PG.shape[1]).flip(0)
    got = outcome(objective, batch.map(lambda axes, x: x[:, order] if axes.startswith("PG") else x))
    back = got.changed(lambda by_PGT: by_PGT[:, order])
    _same(outcome(objective, batch), back, "the samples of each group are reversed")


def prompt_order(objective: Objective) -> None:
    """The order of prompts does not matter."""
    batch = batch_for(objective)
    order = torch.arange(len(batch.valid_PG)).flip(0)
    got = outcome(objective, batch.prompts(order))
    back = got.changed(lambda by_PGT: by_PGT[order], got.by_log_z_P[order])
    _same(outcome(objective, batch), back, "the prompts are reversed")


def micro_batches(objective: Objective) -> None:
    """Cutting a batch between groups and combining by weight gives the whole's value, gradient and metrics."""
    batch = batch_for(objective)
    parts = [outcome(objective, batch.prompts(cut)) for cut in CUT]
    weight = sum(part.loss.weight for part in parts)
    shares = [part.loss.weight / weight for part in parts]
    value = torch.stack([share * part.loss.value for share, part in zip(shares, parts, strict=True)]).sum()
    metrics = _means(shares, [part.loss.metrics for part in parts])
    stats = _means(shares, [part.loss.stats for part in parts])
    whole = Outcome(
        Loss(value, weight, metrics, stats),
        torch.cat([share * part.by_logp_PGT for share, part in zip(shares, parts, strict=True)]),
        torch.cat([share * part.by_value_PGT for share, part in zip(shares, parts, strict=True)]),
        torch.cat([share * part.by_log_z_P for share, part in zip(shares, parts, strict=True)]),
    )
    _same(outcome(objective, batch), whole, "the batch is cut between groups")


def _means(shares: Sequence[float], rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: sum(s * row.get(name, 0.0) for s, row in zip(shares, rows, strict=True)) for name in names}


def inputs_fixed(objective: Objective) -> None:
    """No gradient reaches rewards, reference, behaviour or entropy."""
    batch = batch_for(objective)
    leaves = {name: batch.field(name).clone().requires_grad_() for name in _INPUTS}
    logp_PGT = batch.logp_PGT.clone().requires_grad_()
    loss_of(objective, batch.replace(logp_PGT=logp_PGT, **leaves)).value.backward()
    for name, leaf in leaves.items():
        demand(leaf.grad is None or not leaf.grad.any(), f"the gradient reaches {name}")


def batch_unchanged(objective: Objective) -> None:
    """The batch is only read."""
    batch = batch_for(objective)
    before = {name: value.clone() for name, value in _tensors(batch).items()}
    loss_of(objective, batch)
    for name, value in _tensors(batch).items():
        demand(torch.equal(value, before[name]), f"{name} was written to")


def repeatable(objective: Objective) -> None:
    """Two calls agree, exactly."""
    batch = batch_for(objective)
    first = outcome(objective, batch)
    second = outcome(objective, batch)
    demand(torch.equal(first.loss.value, second.loss.value), "the value differs between two calls")
    demand(torch.equal(first.by_logp_PGT, second.by_logp_PGT), "the gradient differs between two calls")


def nothing_valid(objective: Objective) -> None:
    """Where nothing is valid, value, weight and gradient are 0."""
    batch = batch_for(objective)
    lost = torch.full_like(batch.field("reward_PG"), float("nan"))
    got = outcome(objective, batch.replace(valid_PG=torch.zeros_like(batch.valid_PG), reward_PG=lost))
    demand(got.loss.weight == 0, f"the weight is {got.loss.weight} where nothing is valid")
    demand(float(got.loss.value.detach()) == 0, f"the value is {got.loss.value} where nothing is valid")
    learns = got.by_logp_PGT.any() or got.by_value_PGT.any() or got.by_log_z_P.any()
    demand(not learns, "there is a gradient where nothing is valid")
    for name, value in got.loss.metrics.items():
        demand(value - value == 0, f"the metric {name} is {value} where nothing is valid")


def tokens_unused(objective: Objective) -> None:
    """It works without tokens, and they change nothing: steps need not be text."""
    batch = batch_for(objective)
    clean = outcome(objective, batch)
    _same(clean, outcome(objective, batch.replace(tokens_PGT=None)), "there are no tokens")
    _same(clean, outcome(objective, batch.replace(tokens_PGT=batch.field("tokens_PGT") + 1)), "the tokens are others")


def needs_declared(objective: Objective) -> None:
    """It reads the fields and labels that its needs name, and no others; without one that it names it does not work."""
    needs = needs_of(objective)
    batch = batch_for(objective)
    known = {name for name in _tensors(batch) if name in _MAY_BE_NONE}
    lean = batch.replace(**dict.fromkeys(known - needs.reads))
    lean = dataclasses.replace(lean, labels={name: lean.labels[name] for name in needs.collated})
    try:
        got = loss_of(objective, lean)
    except (ValueError, TypeError, AttributeError) as error:
        raise UnmetError(f"it reads what its needs do not name: {error}") from error
    demand(_near(got.value, loss_of(objective, batch).value), "what its needs do not name changes the value")
    for name in sorted(needs.fields):
        try:
            loss_of(objective, lean.replace(**{name: None}))
        except (ValueError, TypeError, AttributeError):
            continue
        demand(False, f"its needs name {name}, which it does not read")


def state_data(objective: Objective) -> None:
    """A state is data: it comes back from JSON as it was, and two beginnings are equal."""
    if not isinstance(objective, StatefulObjective):
        return
    demand(objective.init() == objective.init(), "two initial states differ")
    for state in (objective.init(), later_state(objective)):
        try:
            back = msgspec.json.decode(msgspec.json.encode(state), type=type(state))
        except (TypeError, msgspec.MsgspecError) as error:
            raise UnmetError(f"its state is not JSON: {error}") from error
        demand(back == state, f"JSON gives back {back} for {state}")


def state_pure(objective: Objective) -> None:
    """A call only reads the state; an update gives a new one, the same twice, and leaves the old one as it was."""
    if not isinstance(objective, StatefulObjective):
        return
    batch = batch_for(objective)
    state = later_state(objective)
    kept = copy.deepcopy(state)
    stats = objective(batch, state).stats
    demand(state == kept, "a call changes the state")
    new = objective.update(state, stats)
    demand(state == kept, "an update changes the state that it is given")
    demand(new == objective.update(state, stats), "two updates with the same statistics differ")
    demand(type(new) is type(state), f"an update makes a {type(new).__name__} of a {type(state).__name__}")
    begun = objective(batch, objective.init())
    demand(_near(begun.value, objective(batch).value), "without a state it does not begin with init()")


OBJECTIVE_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        **METHOD_CHECKS,
        "documented": documented,
        "finite": finite,
        "far-policies": far_policies,
        "teaches": teaches,
        "masked-silent": masked_silent,
        "invalid-silent": invalid_silent,
        "group-order": group_order,
        "prompt-order": prompt_order,
        "micro-batches": micro_batches,
        "inputs-fixed": inputs_fixed,
        "batch-unchanged": batch_unchanged,
        "repeatable": repeatable,
        "nothing-valid": nothing_valid,
        "tokens-unused": tokens_unused,
        "needs-declared": needs_declared,
        "state-data": state_data,
        "state-pure": state_pure,
        "batch-wide": marks,
    }
)


def check_objective(subject: object) -> list[CheckResult]:
    """Run the suite on a card, a class or an instance; one verdict per check, in the order of `OBJECTIVE_CHECKS`."""
    return run_checks(OBJECTIVE_CHECKS, subject)
