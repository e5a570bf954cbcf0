"""Estimates from sizes alone how much memory a run's weights take, by process.

    learner    as `steelyard.learner.memory` says, and 2 blocks of logits as `steelyard.policy.logp` has them
    searcher   N b + M (reference), plus N b where the native engine keeps its own layout of the weights
    evaluator  the same as one searcher
    shared     2 M + 2 M: two slots for the weights and two for the reference (not inline); with Ray about as much

The auxiliary models of the task (reward model, victim, judge) are loaded by every searcher and by the evaluator; a gold
model and an embedder by the evaluator only. Inline, the one process loads each of them once.

N parameters of b bytes each; M bytes of trained parameters. Activations, key-value caches and the interpreters come on
top. The disk space for trajectories is an upper bound: 13 bytes a token, with every completion at full length.
"""

from collections.abc import Iterator, Mapping

import torch

from steelyard.core.json import JsonObject
from steelyard.learner.memory import learner_bytes, whole_bytes
from steelyard.policy import Policy
from steelyard.policy.logp import logits_bytes
from steelyard.runtime import Run
from steelyard.training.preflight import auxiliary_models

TOKEN_BYTES = 4 + 4 + 4 + 1
"""Bytes of a stored token: its id, two log-probabilities, and whether it is an action."""


def estimate_memory(run: Run, policy: Policy, model_bytes: Mapping[str, int]) -> JsonObject:
    """Bytes by part and in total; `not_counted` names the auxiliary models that are missing from `model_bytes`.

    Args:
        run: the settings.
        policy: the model, with or without weights.
        model_bytes: role of an auxiliary model (such as "reward model") -> bytes of its weights.
    """
    whole = whole_bytes(policy)
    trained = policy.num_bytes
    held = whole * (1 if policy.architecture is None else 2) + trained
    apart = run.runtime != "inline"
    searchers = run.num_searchers if apart else 1
    parts = {
        **learner_bytes(policy),
        "learner_logits": logits_bytes(run.micro_tokens, policy.vocab_size, torch.device("cpu")),
        f"searchers_x_{searchers}": searchers * held,
        "evaluator": held if apart else 0,
        "shared_weights": 4 * trained if apart else 0,
        **dict(_copies(run, model_bytes)),
    }
    tokens = run.max_steps * run.num_prompts * run.num_generations * run.max_completion_length
    return {
        "parts": parts,
        "total": sum(parts.values()),
        "not_counted": [role for role in auxiliary_models(run) if role not in model_bytes],
        "stored_on_disk_at_most": tokens * TOKEN_BYTES,
    }


def _copies(run: Run, model_bytes: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Part -> bytes of the auxiliary models, wherever they compute."""
    for role, size in model_bytes.items():
        copies = copies_of(run, role)
        yield f"{role.replace(' ', '_')}_x_{copies}", copies * size


def copies_of(run: Run, role: str) -> int:
    """How many processes load an auxiliary model. Where a reward function scores, only the evaluator does."""
    searched = run.runtime != "inline" and run.reward is None and auxiliary_models(run)[role].searched
    return 1 + (run.num_searchers if searched else 0)
