"""Checks for ways to forget by an intervention, on a small model that comes with the package."""

import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from steelyard.check.verdict import Check, demand
from steelyard.core import Request, Sampling, Trajectory
from steelyard.learner import demonstration
from steelyard.learner.intervention_work import finish, writable
from steelyard.model.intervention_file import read_intervention, write_intervention
from steelyard.policy import Policy
from steelyard.policy.likelihood import total_logp
from steelyard.rollout import TransformersEngine
from steelyard.task.answered import Answered, AnsweredFile
from steelyard.unlearn.forgetting import Forgetting

MODEL = "steelyard/arithmetic"
N = 4


def _rows(sign: str) -> list[Answered]:
    step = 2 if sign == "+" else -2
    made = [{"prompt": f"{n}{sign}2=", "answer": str(n + step)} for n in range(3, 3 + N)]
    return [AnsweredFile().answered(row, f"row {i}") for i, row in enumerate(made)]


def _trajectories(policy: Policy) -> list[Trajectory]:
    """The rows with their answers, of both kinds and of different lengths."""
    rows = [*_rows("+"), *_rows("-")]
    longer = [("12+11+9=", "32"), ("3=", "3")]
    more = [AnsweredFile().answered({"prompt": p, "answer": a}, "row") for p, a in longer]
    return [demonstration(policy, row.prompt, row.answer) for row in (*rows, *more)]


@lru_cache(maxsize=4)
def _fitted(method: Forgetting) -> tuple[Policy, str]:
    """A policy with what was fitted, and what the fit did to the model or torch's generator."""
    policy = Policy.load(MODEL)
    before = (policy.weights().copy(), [p.requires_grad for p in policy.model.parameters()], torch.get_rng_state())
    fit = method.begin(policy, _rows("+"), _rows("-"), seed=7)
    finish(fit)
    done = {
        "changes the model's weights": not np.array_equal(before[0], policy.weights()),
        "changes what is trained": before[1] != [p.requires_grad for p in policy.model.parameters()],
        "leaves gradients behind": any(p.grad is not None for p in policy.model.parameters()),
        "draws from torch's global generator": not torch.equal(before[2], torch.get_rng_state()),
    }
    return policy, ", ".join(what for what, so in done.items() if so)


def forgetting_keeps(method: Forgetting) -> None:
    """Weights, what of them is trained, and torch's own generator stay as they were."""
    _, done = _fitted(method)
    demand(not done, f"it {done}")


def forgetting_acts(method: Forgetting) -> None:
    """With it the model says something else of rows to be forgotten."""
    policy, _ = _fitted(method)
    plain = Policy.load(MODEL)
    rows = _trajectories(plain)[:N]
    demand(not np.allclose(total_logp(policy, rows), total_logp(plain, rows), atol=1e-3), "nothing is said otherwise")


def forgetting_rows(method: Forgetting) -> None:
    """A row's company and its padding do not matter."""
    policy, _ = _fitted(method)
    rows = _trajectories(policy)
    alone = [float(total_logp(policy, [row])[0]) for row in rows]
    demand(np.allclose(total_logp(policy, rows), alone, atol=1e-3), "a row's company matters")


def forgetting_passes(method: Forgetting) -> None:
    """Rows read whole say what the same rows say when their prompt is read first, and then a token at a time."""
    policy, _ = _fitted(method)
    prompts = [t.tokens_T[~t.action_T] for t in _trajectories(policy)]
    asked = [Request(f"{i}", tuple(prompt.tolist()), 0) for i, prompt in enumerate(prompts)]
    drawn = [*TransformersEngine(policy, 0).generate(asked, Sampling(max_tokens=4))]
    sampled = [float(t.logp_behaviour_T[t.action_T].sum()) for t in drawn]
    demand(
        np.allclose(total_logp(policy, drawn), sampled, atol=1e-2),
        "samples and rows read whole are changed differently",
    )


def forgetting_repeatable(method: Forgetting) -> None:
    """Two fits of one seed agree."""
    _fitted.cache_clear()
    rows = _trajectories(Policy.load(MODEL))
    one = total_logp(_fitted(method)[0], rows)
    _fitted.cache_clear()
    demand(np.array_equal(one, total_logp(_fitted(method)[0], rows)), "two fits differ")


def forgetting_file(method: Forgetting) -> None:
    """It is written, and what is read back changes the model in the same way."""
    policy, _ = _fitted(method)
    rows = _trajectories(policy)
    other = Policy.load(MODEL)
    with tempfile.TemporaryDirectory() as directory:
        write_intervention(writable(policy.intervention), Path(directory))
        other.intervene(read_intervention(Path(directory)))
    demand(np.array_equal(total_logp(other, rows), total_logp(policy, rows)), "it comes back changed")


FORGETTING_CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "forgetting-keeps": forgetting_keeps,
        "forgetting-acts": forgetting_acts,
        "forgetting-rows": forgetting_rows,
        "forgetting-passes": forgetting_passes,
        "forgetting-repeatable": forgetting_repeatable,
        "forgetting-file": forgetting_file,
    }
)
