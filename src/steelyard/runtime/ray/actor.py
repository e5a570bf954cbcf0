"""The actors: a part of a run in a process of its own, somewhere in the cluster.

Ray pickles the call that makes an actor, and the classes below by name: each machine imports its own installed
steelyard. What driver and actors say to each other are the bytes of `steelyard.runtime.roles.messages`.
"""

import os
import platform
from pathlib import Path
from typing import Any

THREADS = 4
"""Calls that an actor answers at the same time: `serve` for all its life, `hear`, and what it is told meanwhile."""


class Part:
    """What searcher, learner and evaluator have in common. Its first message says which it is.

    Args:
        directory: the driver's working directory, which this process makes its own where its machine has it.
        threads: compute threads.
    """

    def __init__(self, directory: str, threads: int) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"
        if Path(directory).is_dir():
            os.chdir(directory)
        # Not before: these import torch.
        from steelyard.runtime.ray.mail import Inbox, Outbox
        from steelyard.runtime.ray.objects import ObjectPorts
        from steelyard.runtime.roles.messages import Placed, pack

        self._inbox = Inbox()
        self._outbox = Outbox()
        self._ports = ObjectPorts(lambda *named: self._outbox.put(named[:3], named[3]))
        self._outbox.put(pack(Placed(os.getpid(), platform.node())))

    def serve(self) -> None:
        """Be the part until it is told to end."""
        from steelyard.runtime.ray.mail import MailChannel
        from steelyard.runtime.roles.serve import serve

        try:
            serve(MailChannel(self._inbox, self._outbox.put), self._ports)
        finally:
            self._outbox.close()

    def hear(self, seconds: float) -> tuple[list[Any], bool]:
        """What it has said since the last call, and whether that was all; waits so long for something."""
        return self._outbox.take(seconds)

    def tell(self, number: int, data: bytes) -> None:
        """Message number so-and-so from the driver."""
        self._inbox.put(number, data)

    def show(self, which: str, version: int, digest: str, references: list[Any]) -> None:
        """Weights, or a reference, that may be pulled from now on. In a list Ray leaves the reference what it is."""
        self._ports.ways[which].take(version, digest, references[0])


class Searcher(Part):
    """A searcher; its name is that of its process."""


class Learner(Part):
    """The learner; its name is that of its process."""


class Evaluator(Part):
    """The evaluator; its name is that of its process."""


ACTORS = {"searcher": Searcher, "learner": Learner, "evaluator": Evaluator}
"""Role -> the class of its actor."""
