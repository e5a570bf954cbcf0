"""A copy of a policy with its intervention: it says what the policy says, and is trained as the policy runs."""

from steelyard.policy.copied import copied
from steelyard.policy.policy import Policy


def running_copy(policy: Policy) -> Policy:
    """A policy with the same weights and the same intervention; the original stays as it is."""
    present = policy.intervention
    policy.intervene(None)  # hooks that are copied with a model would still belong to the original
    try:
        made = copied(policy)
    finally:
        policy.intervene(present)
    made.intervene(present)
    return made
