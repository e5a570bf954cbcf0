import os

from steelyard.objective import VarGradTB
from steelyard.runtime import Run, describe
from steelyard.runtime.run_dir.machine import machine
from steelyard.task import Enumerable


def test_the_machine_is_named():
    assert f"{os.cpu_count()} cores" in machine()
    assert "torch " in machine()
    assert "no-such-package" not in machine(("no-such-package",))


def test_a_run_keeps_what_it_ran_on():
    run = Run(task=Enumerable(), objective=VarGradTB(), model="steelyard/enumerable")
    assert describe(run, "custom")["machine"] == machine()
