"""The weights that an engine generates with, and newer ones that wait to be taken."""

from steelyard.core import Weights, digest_of, require
from steelyard.policy import Policy


class StagedWeights:
    """Weights in a policy that the engine owns. Until `offer`, they are the policy's own, version 0."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.version = 0
        self.digest = digest_of(policy.weights())
        self._next: Weights | None = None

    @property
    def waiting(self) -> bool:
        """True while newer weights were offered and not taken."""
        return self._next is not None

    def offer(self, weights: Weights) -> None:
        """Have these taken next.

        Raises:
            SteelyardError: the bytes do not have the digest that names them, or the size of this policy's weights.
        """
        require(
            weights.intact,
            f"weights of version {weights.version} are damaged",
            where="engine",
            hint="publish them again",
        )
        require(
            weights.data.nbytes == self.policy.num_bytes,
            f"{weights.data.nbytes} bytes of weights for a policy that has {self.policy.num_bytes}",
            where="engine",
            hint="load weights of the same model, LoRA settings and dtype",
        )
        self._next = weights

    def take(self) -> None:
        """Put what waits into the policy."""
        if self._next is not None:
            self.policy.load_weights(self._next.data)
            self.version = self._next.version
            self.digest = self._next.digest
            self._next = None
