"""The learner: one optimiser step on the groups that replay hands it."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from torch import nn

from steelyard.core import (
    Batch,
    Group,
    Loss,
    Needs,
    Schedule,
    SteelyardError,
    Trajectory,
    Weights,
    digest_of,
    needs_of,
    require,
    scheduled,
)
from steelyard.core.json import JsonObject
from steelyard.learner import saved
from steelyard.learner.batch_wide import marked
from steelyard.learner.collate import collate, micro_batches
from steelyard.learner.effective_sample_size import effective_share, log_ratios
from steelyard.learner.optimizer import Adam, memory, remember
from steelyard.objective import Objective, ScalesRate, StatefulObjective
from steelyard.policy import Policy
from steelyard.policy.master_weights import MasterWeights
from steelyard.policy.reference import reference_logp

_HINTS = {
    "reward_PGT": "take a task whose verifier scores single steps",
    "logp_ref_PGT": "learn from trajectories with reference log-probabilities",
}


class Learner:
    """Holds policy, optimiser and schedules; `step` is one update.

    `steps` counts updates and drives the schedules and the reference's reset; `version` names the weights. Both advance
    by one with each update. They part where a resumed run must not use a version again that once named other weights.

    Args:
        policy: the model to train.
        objective: the method; called once per micro-batch. Its state, where it has one, changes once per step.
        optimizer: Adam's settings.
        learning_rate: before the schedule's multiplier.
        temperature: of the policy distribution that the objective compares.
        schedules: numeric setting of the objective -> its schedule over steps; others stay as they are.
        reference_reset: the reference becomes the policy every so many steps; 0 never.
        demonstrations: a prompt's id -> its given completion, which joins the prompt's group at each step.
        micro_tokens: tokens computed per forward pass: equal prompts and rests once and no padding where the policy
            shares prompts, else the padded rectangle. A group is never split.
        mask_truncated: nothing is learned from completions that were cut off at a limit.
    """

    def __init__(
        self,
        policy: Policy,
        objective: Objective,
        optimizer: Adam,
        *,
        learning_rate: float,
        temperature: float = 1.0,
        schedules: Mapping[str, Schedule] | None = None,
        reference_reset: int = 0,
        micro_tokens: int = 16384,
        demonstrations: Mapping[str, Trajectory] | None = None,
        mask_truncated: bool = False,
    ) -> None:
        self.policy = policy
        self.objective = objective
        self.settings = optimizer
        self.learning_rate = learning_rate
        self.temperature = temperature
        self.schedules = dict(schedules or {})
        self.reference_reset = reference_reset
        self.micro_tokens = micro_tokens
        self.mask_truncated = mask_truncated
        self._demonstrations = dict(demonstrations or {})
        needs = needs_of(objective)
        made = (make and make(policy.hidden_size) for make in (needs.log_z, needs.value))
        self.head, self.value = (module and module.to(policy.device) for module in made)
        self.state: object = objective.init() if isinstance(objective, StatefulObjective) else None
        self._named = {f"policy.{name}": p for name, p in policy.trainable().items()}
        for part, module in (("head", self.head), ("value", self.value)):
            self._named |= {f"{part}.{name}": p for name, p in module.named_parameters()} if module else {}
        self.masters = MasterWeights(self._named)
        self.parameters = [*self.masters.named.values()]
        self.optimizer = optimizer.open(self.parameters)
        self._log_ratios: list[torch.Tensor] = []
        """Of the step's micro-batches, log pi / mu of each trajectory."""
        self.steps = self.version = 0
        self.reference = Weights.of(policy.weights(), 0)
        self._start = self.reference.digest

    def step(self, groups: Sequence[Group]) -> JsonObject:
        """Update the policy once; returns the step's metrics. `steps` and `version` are one more afterwards.

        Raises:
            SteelyardError: the loss or its gradient is not finite; the weights are then as they were.
        """
        learned = self._demonstrated([self._refer(self._counted(group)) for group in groups])
        objective = scheduled(self.objective, self.schedules, self.steps)
        learned = marked(objective, learned)
        rate = self.learning_rate * self.settings.schedule(self.steps)
        self.masters.clear()
        parts = micro_batches(learned, self.micro_tokens, shared=self.policy.shares_prompts)
        self._log_ratios = []
        with self.policy.dropping(self.steps):
            losses = [self._backward(objective, part) for part in parts]
        weights = [loss.weight for loss in losses]
        metrics = _means(({"learner/loss": float(loss.value), **loss.metrics} for loss in losses), weights)
        share = effective_share(self._log_ratios)
        if isinstance(objective, ScalesRate) and share is not None:
            rate = rate * objective.rate_scale(share)
        norm = self._update(metrics, rate, sum(weights))
        if isinstance(objective, StatefulObjective) and sum(weights) > 0:
            self.state = objective.update(self.state, _means((loss.stats for loss in losses), weights))
        staleness = describe_batch(groups, self.version)
        self.steps = self.steps + 1
        self.version = self.version + 1
        if self.reference_reset and self.steps % self.reference_reset == 0:
            self.reference = Weights.of(self.policy.weights(), self.version)
        changing = {f"learner/{name}": schedule(self.steps - 1) for name, schedule in self.schedules.items()}
        own = {"learner/grad_norm": norm, "learner/learning_rate": rate, **changing}
        return {**metrics, **own, **({} if share is None else {"learner/ess": share}), **staleness}

    def save(self, directory: Path) -> None:
        """Write all that a restored learner needs to make the same next step, bit for bit, into `directory`.

        The reference is left out while it is the model that the run began with: that can be loaded again.

        Raises:
            FaultError: the disk does not let it be written.
        """
        moved = {"reference": torch.from_numpy(self.reference.on_host)} if self.reference.version else {}
        masters = saved.named_as_masters(self.masters.copies)
        known = self._named | masters | memory(self.optimizer, self.masters.named) | moved
        saved.write(directory, self._facts(), known)

    def restore(self, directory: Path, *, version: int | None = None) -> None:
        """Go on from what `save` wrote. To be asked of a learner that has made no step, on the run's own model.

        A checkpoint without master weights, of an earlier release, gives them the values of the weights.

        Args:
            directory: a checkpoint.
            version: a new name for the weights, above every version that the run has used; None keeps the saved one.

        Raises:
            SteelyardError: a file is missing or damaged, or of another model or other settings; the learner is then
                as it was.
        """
        masters = saved.named_as_masters(self.masters.copies)
        facts, tensors = saved.read(directory, self._facts(), self._named, masters, self.policy.num_bytes)
        state = saved.state_of(facts, self.state, directory)
        with torch.no_grad():
            for name, p in self._named.items():
                p.copy_(tensors[name])
            self.masters.begin_again()
            for name, master in masters.items():
                if name in tensors:
                    master.copy_(tensors[name])
        remember(self.optimizer, self.masters.named, tensors)
        self.state = state
        self.steps = facts.steps
        self.version = facts.version if version is None else version
        if facts.reference_version:
            self.reference = Weights.of(tensors["reference"].numpy().copy(), facts.reference_version)

    def _facts(self) -> saved.Facts:
        return saved.Facts(
            steps=self.steps,
            version=self.version,
            digest=digest_of(self.policy.weights()),
            start=self._start,
            frozen=self._frozen,
            state=saved.state_bytes(self.state),
            reference_version=self.reference.version,
            reference_digest=self.reference.digest,
        )

    @cached_property
    def _frozen(self) -> str:
        return saved.frozen_digest(self.policy)

    def _demonstrated(self, groups: list[Group]) -> list[Group]:
        """Each group with its prompt's demonstration, where there is one; that counts as data of today."""
        known = self._demonstrations
        now = self.reference.version
        asked = {group[0].prompt_id for group in groups} & known.keys()
        stale = [t for id in sorted(asked) if (t := known[id]).logp_ref_T is None or t.ref_version != now]
        if stale:
            referred = reference_logp(self.policy, self.reference, stale, self.temperature)
            known |= {t.prompt_id: t for t in referred}
        given = [known.get(group[0].prompt_id) for group in groups]
        return [g if t is None else [*g, t.replace(version=self.version)] for g, t in zip(groups, given, strict=True)]

    def _counted(self, group: Group) -> Group:
        """The group; what was cut off has no reward in it, where that is not to count."""
        if not self.mask_truncated:
            return group
        return [t.replace(reward=None) if t.finish == "length" else t for t in group]

    def _refer(self, group: Group) -> Group:
        """Reference log-probabilities of an earlier reference are computed anew."""
        if all(t.ref_version == self.reference.version for t in group):
            return group
        return reference_logp(self.policy, self.reference, group, self.temperature)

    def _backward(self, objective: Objective, groups: Sequence[Group]) -> Loss:
        """Add the gradient of weight * value of one micro-batch."""
        needs = needs_of(objective)
        batch = self._evaluate(collate(groups, needs.collated), needs)
        _check_fields(batch, needs, objective)
        self._log_ratios.append(log_ratios(batch, groups))
        loss = objective(batch, self.state) if isinstance(objective, StatefulObjective) else objective(batch)
        if loss.weight > 0:
            (loss.value * loss.weight).backward()
            self.masters.gather()
        return Loss(loss.value.detach(), loss.weight, loss.metrics, loss.stats)

    def _evaluate(self, batch: Batch, needs: Needs) -> Batch:
        """The batch with the current policy's log-probabilities, and what else the objective asks for."""
        P, G, T = batch.logp_PGT.shape
        action_NT = batch.action_PGT.reshape(P * G, T)
        tokens_NT = batch.field("tokens_PGT").reshape(P * G, T)
        # Rows are right-padded, so what follows the last action is padding; filler rows attend to one token, not none.
        attend_NT = action_NT.flip(-1).cumsum(-1).flip(-1) > 0
        attend_NT[:, 0] = True
        read = {"temperature": self.temperature, "entropy": needs.entropy, "others": needs.others}
        steps = self.policy.step_logp(tokens_NT, attend_NT, action_NT, **read)
        batch = batch.to(self.policy.device)
        found = {"logp_PGT": steps.logp_NT.reshape(P, G, T)}
        if steps.entropy_NT is not None:
            found["entropy_PGT"] = steps.entropy_NT.detach().reshape(P, G, T)
        if steps.others_NT is not None:
            found["others_logp_PGT"] = steps.others_NT.reshape(P, G, T)
        if self.value is not None:
            value_M = self.value(steps.hidden_MD.float())
            blank_PGT = torch.zeros(P, G, T, device=value_M.device)
            found["value_PGT"] = blank_PGT.masked_scatter(batch.action_PGT, value_M)
        if self.head is not None:
            found["log_z_P"] = self.head(steps.prompt_ND.reshape(P, G, -1)[:, 0].detach())
        return batch.replace(**found)

    def _update(self, metrics: Mapping[str, float], rate: float, weight: float) -> float:
        """Clip and step; returns the gradient's norm before clipping. A batch of weight 0 changes nothing."""
        if weight == 0:
            return 0.0
        for p in self.parameters:
            if p.grad is not None:
                p.grad.div_(weight)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.settings.max_grad_norm))
        if not (math.isfinite(norm) and math.isfinite(metrics["learner/loss"])):
            raise SteelyardError(
                f"loss {metrics['learner/loss']:.4g} with gradient norm {norm:.4g} at step {self.steps + 1}",
                where="learner",
                hint="lower --learning-rate, or look for extreme rewards",
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.masters.write_back()
        return norm


def _check_fields(batch: Batch, needs: Needs, objective: object) -> None:
    """Refuse a batch without a field that the objective reads: its data were never stored."""
    for name in needs.fields:
        what = f"needs {name}, which these trajectories do not have"
        hint = _HINTS.get(name, "choose a task that gives it")
        require(getattr(batch, name) is not None, what, where=type(objective).__name__, hint=hint)


def _means(rows: Iterable[Mapping[str, float]], weights: Sequence[float]) -> dict[str, float]:
    """Weighted means over micro-batches of numbers by name; 0 where there is no weight."""
    total = sum(weights)
    sums: defaultdict[str, float] = defaultdict(float)
    for row, weight in zip(rows, weights, strict=True):
        for name, value in row.items():
            sums[name] += value * weight
    return {name: value / total if total else 0.0 for name, value in sums.items()}


def describe_batch(groups: Sequence[Group], version: int) -> JsonObject:
    """Reward, length, and staleness (learner version minus trajectory version) of what a step learns from."""
    rows: list[Trajectory] = [t for group in groups for t in group]
    rewards = [t.reward for t in rows if t.reward is not None]
    staleness = Counter(version - t.version for t in rows)
    return {
        "batch/prompts": len(groups),
        "batch/trajectories": len(rows),
        "batch/reward_mean": sum(rewards) / len(rewards) if rewards else None,
        "batch/length_mean": sum(int(t.action_T.sum()) for t in rows) / len(rows),
        "batch/staleness_mean": sum(s * n for s, n in staleness.items()) / len(rows),
        "batch/staleness_max": max(staleness),
        "batch/staleness": {str(s): n for s, n in sorted(staleness.items())},
    }
