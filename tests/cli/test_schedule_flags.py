import json

import pytest

from steelyard.cli import main


def test_schedules_are_flags_and_stand_in_the_plan(capsys):
    words = ["--schedule.beta", "1.0:0.05:49:cosine", "--num-prompts", "16"]
    assert main(["train", "arithmetic", "--dry-run", *words, "--json"]) == 0
    said = capsys.readouterr()
    planned = json.loads(said.out.splitlines()[-1])
    assert planned["settings"]["--schedule.beta"] == "1.0:0.05:49:cosine"
    assert planned["schedule"][0]["beta"] == 1.0
    assert planned["schedule"][-1]["beta"] == pytest.approx(0.05)
    assert planned["settings"]["--num-prompts"] == 16
    assert "--schedule.beta 1.0:0.05:49:cosine" in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--schedule.beat", "1:0.1:9"], "VarGradTB has no numeric setting 'beat'; did you mean 'beta'?"),
        (["--schedule.beta=fast"], "'fast' is not a schedule; write START:END:STEPS[:SHAPE]"),
        (["--schedule.beta", "1:0.1:9:cubic"], "shape"),
        (["--schedule.beta"], "'' is not a schedule"),
    ],
)  # fmt: skip
def test_a_wrong_schedule_is_one_line(capsys, words, message):
    assert main(["train", "arithmetic", "--dry-run", *words]) == 2
    said = capsys.readouterr().err.strip()
    assert message in said
    assert len(said.splitlines()) == 1
