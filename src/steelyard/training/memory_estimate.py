"""How much memory a run's weights take: an estimate from sizes alone, by what each process holds.

    learner    N b + M (gradient + two means of Adam) + M (reference)
    searcher   N b + M (reference), and again N b where our own engine lays the weights out
    evaluator  N b + M (reference), likewise
    shared     2 M + 2 M,  two slots of weights and two of the reference (local)
    searcher and evaluator (local), or the one process (inline): the task's own models, of which a gold model and an
               embedder are the evaluator's alone

N parameters of b bytes each, M bytes of those that are trained. Activations, key-value caches and the programs come on
top. What is stored of the episodes is an upper bound: 13 bytes a token, all of them at full length.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from steelyard.policy import Policy
from steelyard.runtime import Run
from steelyard.training.preflight import companions

TOKEN_BYTES = 4 + 4 + 4 + 1
"""Of a stored token: its id, two log-probabilities, and whether the policy chose it."""


def footprint(run: Run, policy: Policy, beside: Mapping[str, int]) -> dict[str, Any]:
    """Bytes by part, and in all; `not_counted` are the task's own models that `beside` lacks.

    Args:
        run: the settings.
        policy: the model, with or without weights.
        beside: bytes of each of the task's own models, by what it is.
    """
    whole = sum(p.numel() * p.element_size() for p in policy.model.parameters())
    trained = policy.num_bytes
    held = whole * (1 if policy.architecture is None else 2) + trained
    local = run.runtime == "local"
    searchers = run.num_searchers if local else 1
    parts = {
        "learner_weights": whole,
        "learner_gradient": trained,
        "learner_adam": 2 * trained,
        "learner_reference": trained,
        f"searchers_x_{searchers}": searchers * held,
        "evaluator": held if local else 0,
        "shared_weights": 4 * trained if local else 0,
        **dict(_copies(run, beside)),
    }
    tokens = run.max_steps * run.num_prompts * run.num_generations * run.max_completion_length
    return {
        "parts": parts,
        "total": sum(parts.values()),
        "not_counted": [what for what in companions(run) if what not in beside],
        "stored_on_disk_at_most": tokens * TOKEN_BYTES,
    }


def _copies(run: Run, beside: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Part -> bytes of the task's own models: where a reward function scores, the evaluator alone reads them."""
    for what, size in beside.items():
        searched = run.runtime == "local" and run.reward is None and companions(run)[what].searched
        copies = 1 + (run.num_searchers if searched else 0)
        yield f"{what.replace(' ', '_')}_x_{copies}", copies * size
