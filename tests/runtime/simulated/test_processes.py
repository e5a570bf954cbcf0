import pytest

from steelyard.core import StallError
from steelyard.runtime.simulated.devices import OwnDevices
from steelyard.runtime.simulated.processes import Mailbox, Pause, Process, Processes, Work


def test_work_pauses_and_messages_in_order_of_time():
    seen: list[tuple[float, str]] = []
    processes = Processes(OwnDevices())
    box: Mailbox[str] = Mailbox()

    def writer() -> Process:
        yield Work(2.0)
        processes.send(box, "first")
        yield Pause(1.0)
        processes.send(box, "second")

    def reader() -> Process:
        while True:
            message = yield box
            seen.append((processes.now, message))

    processes.spawn(reader())
    processes.spawn(writer())
    processes.run(lambda: len(seen) == 2)
    assert seen == [(2, "first"), (3, "second")]


def test_where_everybody_waits_the_run_ends():
    processes = Processes(OwnDevices())

    def waiting() -> Process:
        yield Mailbox()

    processes.spawn(waiting())
    with pytest.raises(StallError, match="simulated run at 0 s: everybody waits"):
        processes.run(lambda: False)
