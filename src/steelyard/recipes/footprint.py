"""How much memory a run's weights take: an estimate from sizes alone, by what each process holds.

    learner    N b + M (gradient + two means of Adam) + M (reference)
    searcher   N b + M (reference), and again N b where our own engine lays the weights out
    evaluator  N b + M (reference), likewise
    shared     2 M + 2 M,  two slots of weights and two of the reference (local)

N parameters of b bytes each, M bytes of those that are trained. Activations, key-value caches and the programs come on
top. What is stored of the episodes is an upper bound: 13 bytes a token, all of them at full length.
"""

from typing import Any

from steelyard.policy import Policy
from steelyard.runtime import Run

TOKEN_BYTES = 4 + 4 + 4 + 1
"""Of a stored token: its id, two log-probabilities, and whether the policy chose it."""


def footprint(run: Run, policy: Policy) -> dict[str, Any]:
    """Bytes by part, and in all.

    Args:
        run: the settings.
        policy: the model, with or without weights.
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
    }
    tokens = run.max_steps * run.num_prompts * run.num_generations * run.max_completion_length
    return {"parts": parts, "total": sum(parts.values()), "stored_on_disk_at_most": tokens * TOKEN_BYTES}
