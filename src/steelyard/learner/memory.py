"""How much memory a learner takes, from sizes alone; activations come on top.

    N b + M (gradient) + 8 bytes a trained parameter (two means of Adam) + M (reference)
    plus, for trained parameters of fewer than 32 bits, 8 bytes each (float32 master and its gradient)

N parameters of b bytes each; M bytes of trained parameters.
"""

from steelyard.policy import Policy
from steelyard.policy.master_weights import num_copied


def learner_bytes(policy: Policy) -> dict[str, int]:
    """Bytes by part; the policy may be without its weights."""
    trained = policy.num_bytes
    copied = num_copied(policy.trainable().values())
    return {
        "learner_weights": whole_bytes(policy),
        "learner_gradient": trained + 4 * copied,
        "learner_adam": 8 * policy.num_parameters(),
        "learner_float32_master": 4 * copied,
        "learner_reference": trained,
    }


def whole_bytes(policy: Policy) -> int:
    """Bytes of all parameters."""
    return sum(p.numel() * p.element_size() for p in policy.model.parameters())
