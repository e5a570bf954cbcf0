"""What audits have in common that put a model beside others: the one before unlearning, and one that never knew.

Either is named by a setting and loaded in the format and on the device of the audited model. A caller that holds them
already gives them with the material.
"""

from dataclasses import dataclass, replace

from steelyard.core import checked
from steelyard.policy import Policy
from steelyard.unlearn.material import ForgettingAudit, Material


@checked()
@dataclass(frozen=True)
class Compared(ForgettingAudit):
    """An audit beside other models."""

    original: str = ""
    """The model before unlearning: a directory, a shipped model or a hub id; empty for none."""
    retrained: str = ""
    """A model trained without what is to be forgotten; empty for none."""

    def completed(self, policy: Policy, material: Material) -> Material:
        """The material with the named models.

        Raises:
            SteelyardError: one of them cannot be loaded.
        """
        original = loaded_like(policy, self.original) or material.original
        retrained = loaded_like(policy, self.retrained) or material.retrained
        return replace(material, original=original, retrained=retrained)


def loaded_like(policy: Policy, name: str) -> Policy | None:
    """Another model in the format and on the device of a policy; None without a name.

    Raises:
        SteelyardError: it cannot be loaded.
    """
    if not name:
        return None
    found = Policy.load(name, dtype=str(policy.dtype).removeprefix("torch.")).to(policy.device)
    found.chat_options = policy.chat_options
    return found
