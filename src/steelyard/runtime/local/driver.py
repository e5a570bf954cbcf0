"""The local runtime: searchers, learner and evaluator in child processes of this one.

Messages go over pipes. Weights do not pass through here: the learner publishes into shared memory and searchers look
there.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from steelyard.runtime.local.shared import unnamed_file
from steelyard.runtime.local.supervisor import ChildSupervisor
from steelyard.runtime.roles.driver import Driver
from steelyard.runtime.roles.supervision import WorkerSpec


class Local(Driver):
    """One run in child processes; see `Driver` for its arguments."""

    runtime: ClassVar[str] = "local"
    late_searchers: ClassVar[bool] = False

    @contextmanager
    def _open(self) -> Iterator[None]:
        self._shared = (unnamed_file(), unnamed_file())
        try:
            yield
        finally:
            for descriptor in self._shared:
                os.close(descriptor)

    def _supervise(self, spec: WorkerSpec) -> ChildSupervisor:
        return ChildSupervisor(spec, self._shared)
