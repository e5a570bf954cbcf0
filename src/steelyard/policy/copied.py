"""A copy of a policy, to be trained while the original stays as it is."""

import copy

from steelyard.policy.policy import Policy


def copied(policy: Policy) -> Policy:
    """A policy with the same weights, which nobody else changes."""
    made = Policy(copy.deepcopy(policy.model), policy.tokenizer)
    made.chat_options = policy.chat_options
    return made
