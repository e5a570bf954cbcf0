"""Weights in Ray's object store: put once for each version, and pulled by who was shown where they are.

The learner puts the bytes and offers a reference to the driver. That forwards it once the ledger has the version, so
nobody can read weights that replay does not know. Readers pull on their next look, one copy for each machine, and check
the digest. The learner owns what it put: with its process the weights are gone, and the run ends then, too.
"""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from steelyard.core import FaultError, StallError, Weights, digest_of
from steelyard.runtime.roles.ports import Fill

Offers = Callable[[int, str, Any], None]
"""(version, digest, reference): what the learner offers."""


class ObjectWeights:
    """A `WeightStore` over Ray's object store.

    Args:
        offer: is told of what was put here.
    """

    def __init__(self, offer: Offers) -> None:
        self._offer = offer
        self._shown: tuple[int, str, Any] | None = None
        self._changed = threading.Condition()
        self._written: Weights | None = None
        self._size = 0

    # The learner's end

    def publish(self, weights: Weights) -> None:
        """Put these and offer them.

        Raises:
            FaultError: the object store does not take them.
        """
        import ray
        from ray.exceptions import RayError

        self._size = len(weights.data)
        try:
            reference = ray.put(weights.on_host)
        except RayError as error:
            what = f"does not take {self._size} bytes of weights ({type(error).__name__})"
            hint = "give the cluster more memory for objects: ray start --object-store-memory"
            raise FaultError(what, where="Ray's object store", hint=hint) from error
        self.take(weights.version, weights.digest, reference)
        self._offer(weights.version, weights.digest, reference)

    def write(self, version: int, fill: Fill, block: UInt8[Tensor, "B"] | None = None) -> str:
        """Take what `fill` writes as the next weights; returns their digest."""
        del block  # all readers are given those of the processor's memory
        data = np.empty(self._size, np.uint8)
        fill(data)
        self._written = Weights(data, version, digest_of(data))
        return self._written.digest

    def show(self, version: int) -> None:
        """Publish what was written last."""
        assert self._written is not None
        assert self._written.version == version
        self.publish(self._written)
        self._written = None

    @property
    def memory(self) -> UInt8[np.ndarray, "M"] | None:
        """None: each version has memory of its own."""
        return None

    # The readers' end

    def take(self, version: int, digest: str, reference: Any) -> None:
        """Weights of this version are there; older ones than those that are known already change nothing."""
        with self._changed:
            if self._shown is None or version > self._shown[0]:
                self._shown = (version, digest, reference)
                self._changed.notify_all()

    def newest(self) -> int:
        """The newest version that was shown; -1 before the first."""
        shown = self._shown
        return -1 if shown is None else shown[0]

    def read(self, deadline: float = 60.0) -> Weights:
        """The newest weights, whole. Their bytes cannot be written to.

        Raises:
            StallError: none were shown within `deadline` seconds.
            FaultError: other bytes arrived than were put.
            RayError: they are lost, or did not arrive in time.
        """
        import ray

        with self._changed:
            if not self._changed.wait_for(lambda: self._shown is not None, deadline):
                hint = "look at the learner"
                raise StallError(f"none within {deadline:.0f} s", where="reader waits for published weights", hint=hint)
            assert self._shown is not None
            version, digest, reference = self._shown
        weights = Weights.of(ray.get(reference, timeout=deadline), version)
        if weights.digest != digest:
            what = f"version {version} arrived with digest {weights.digest} in place of {digest}"
            raise FaultError(what, where="published weights", hint="look at the machines' memory and network")
        return weights


class ObjectPorts:
    """Both ways, of weights and of the reference, as one process has them.

    Args:
        offer: is told what was put here: which way, version, digest, reference.
    """

    def __init__(self, offer: Callable[[str, int, str, Any], None]) -> None:
        self.ways = {
            which: ObjectWeights(lambda *named, which=which: offer(which, *named)) for which in ("weights", "reference")
        }

    def create(
        self, first: Weights, reference: Weights, device: torch.device | None = None
    ) -> tuple[ObjectWeights, ObjectWeights]:
        """The learner's ends, with the first weights and the reference published; settings refuse a device."""
        assert device is None
        self.ways["weights"].publish(first)
        self.ways["reference"].publish(reference)
        return self.attach()

    def attach(self, device: torch.device | None = None) -> tuple[ObjectWeights, ObjectWeights]:
        """Everybody else's ends; settings refuse a device."""
        assert device is None
        return self.ways["weights"], self.ways["reference"]
