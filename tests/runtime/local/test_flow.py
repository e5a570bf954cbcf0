"""Little's law in a real run of processes, over the death of a searcher."""

from dataclasses import replace
from pathlib import Path

from faults.harm import SIGKILL, SMALL, at_step, local_run, rows, send, until
from steelyard.runtime import Local, Processes


def test_the_books_of_a_real_run_hold_while_a_searcher_dies(tmp_path: Path) -> None:
    def hurt(local: Local) -> None:
        at_step(local, 5)
        send(local.supervisor.children["searcher 0"].pid, SIGKILL)
        until(lambda: local.coordinator.failures.total, "a failure")

    # Patient, since the machine may be busy, and long enough that it has a window of a second on a fast one.
    run = replace(SMALL, num_searchers=2, search_delay=0.1, local=Processes(), max_steps=200)
    local_run(run, tmp_path / "run", hurt)
    (fault,) = rows(tmp_path / "run", "faults")
    assert fault["who"].startswith("searcher 0"), "and nothing is said of the books"
    told = rows(tmp_path / "run", "timing")[-1]
    assert told["samples_per_s"] > 0
    assert told["sample_seconds"] > 0.1
    assert 0 < told["driver_busy"] < 1
