"""By what `steelyard eval` measures a run that a reward of one's own has trained."""

import pytest

from steelyard.cli.eval_command import Eval, check_reward
from steelyard.core import SteelyardError
from steelyard.objective import VarGradTB
from steelyard.runtime import Run
from steelyard.task import Arithmetic, Rows


def run(task: object, **settings: object) -> Run:
    return Run(task, VarGradTB(), "steelyard/arithmetic", **settings)


def test_code_that_a_directory_names_is_not_run_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    check_reward(Eval("runs/x"), run(Arithmetic(), reward=("m:f", "m:g=0.5")))
    assert "measured by the task's own verifier: the run was scored by m:f and m:g=0.5" in capsys.readouterr().err
    with pytest.raises(
        SteelyardError, match="scored by m:f, and its task has no verifier of its own; give --reward m:f"
    ):
        check_reward(Eval("runs/x"), run(Rows(needs_answer=False), reward="m:f"))


def test_a_reward_that_is_named_again_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    check_reward(Eval("runs/x", reward="m:f"), run(Rows(needs_answer=False), reward="m:f"))
    check_reward(Eval("runs/x"), run(Arithmetic()))
    assert capsys.readouterr().err == ""
