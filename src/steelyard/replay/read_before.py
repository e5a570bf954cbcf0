"""The trajectories that were read last: one that is drawn again is not read and decoded again."""

from collections import OrderedDict
from collections.abc import Iterable

from steelyard.core import Trajectory, to_bytes


class ReadBefore:
    """At most so many bytes of trajectories, as they are stored, by their `seq`; the one unused for longest goes first.

    Args:
        most: bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[int, Trajectory] = OrderedDict()
        self._bytes = 0

    def take(self, seqs: Iterable[int]) -> dict[int, Trajectory]:
        """Those of them that are here."""
        found: dict[int, Trajectory] = {}
        for seq in seqs:
            if (trajectory := self._kept.get(seq)) is not None:
                self._kept.move_to_end(seq)
                found[seq] = trajectory
        return found

    def put(self, read: dict[int, Trajectory]) -> None:
        """Keep what was read; none of it is here yet."""
        self._kept.update(read)
        self._bytes += sum(map(_size, read.values()))
        while self._bytes > self._most:
            self._bytes -= _size(self._kept.popitem(last=False)[1])

    def clear(self) -> None:
        """Forget all, since the file was rewritten and a `seq` may be another's."""
        self._kept.clear()
        self._bytes = 0


def _size(trajectory: Trajectory) -> int:
    return len(to_bytes(trajectory))  # what was decoded holds its bytes
