"""The Ray runtime: searchers, learner and evaluator as actors of a cluster.

Replay stays in this process, as in every runtime: accepted means stored here. The run begins with the first searcher;
others join when the cluster has a place for them, leave and come back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from steelyard.runtime.ray.cluster import connected
from steelyard.runtime.ray.supervisor import ActorSupervisor
from steelyard.runtime.roles.driver import Driver
from steelyard.runtime.roles.supervision import WorkerSpec


class Ray(Driver):
    """One run on a Ray cluster; see `Driver` for its arguments."""

    runtime: ClassVar[str] = "ray"
    late_searchers: ClassVar[bool] = True

    @contextmanager
    def _open(self) -> Iterator[None]:
        with connected(self.run) as self._ray:
            yield

    def _supervise(self, spec: WorkerSpec) -> ActorSupervisor:
        return ActorSupervisor(spec, self._ray)
