import json

import pytest

from steelyard.core import Schedule, SteelyardError, decode, encode
from steelyard.objective import CGPO, DPO, GRPO, HPT, SFT, LearnedZTB, VarGradTB
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.task import Arithmetic, Enumerable


def run(objective=None, **settings):
    return Run(settings.pop("task", Arithmetic()), objective or VarGradTB(beta=0.2), "steelyard/arithmetic", **settings)


@pytest.mark.parametrize(
    ("objective", "settings", "message"),
    [
        (DPO(), {}, "--num-generations: is 8; DPO compares 2 completions of a prompt"),
        (VarGradTB(), {"num_generations": 1}, "VarGradTB compares at least 2 completions"),
        (HPT(), {"task": Enumerable()}, "HPT: Enumerable has no demonstrations"),
        (None, {"schedule": {"betta": Schedule(1, 0.1, 9)}}, "schedule.betta: VarGradTB has no.*did you mean 'beta'"),
        (SFT(), {"schedule": {"beta": Schedule(1, 0.1, 9)}}, "SFT has no numeric setting 'beta'"),
        (SFT(), {"beta_final": 0.1}, "--beta-final: is set, but SFT has no beta"),
        (None, {"schedule": {"beta": Schedule(1, -0.1, 9)}}, r"vargrad-tb\.beta"),
        (None, {"schedule": {"beta": Schedule(1, 0.1, 9)}, "beta_final": 0.2}, "and so is --schedule.beta"),
        (None, {"schedule": {"beta": Schedule(1, float("inf"), 9)}}, "use a finite number"),
        (None, {"replay": SingleUse(), "search_generations": 12}, "--search-generations"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused_in_a_line(objective, settings, message):
    with pytest.raises(SteelyardError, match=message):
        run(objective, **settings)


def test_the_short_form_of_beta_is_a_schedule_among_others():
    both = run(GRPO(beta=0.1), beta_final=0.01, beta_steps=7, schedule={"clip": Schedule(0.2, 0.1, 3, "cosine")})
    assert both.schedules == {"clip": Schedule(0.2, 0.1, 3, "cosine"), "beta": Schedule(0.1, 0.01, 7)}
    assert both.beta == 0.01
    assert run(schedule={"beta": Schedule(0.5, 0.3, 7)}).beta == 0.3
    assert run().schedules == {}
    assert run(LearnedZTB(), schedule={"reference_beta": Schedule(0.5, 0.1, 3)}).beta == LearnedZTB().beta


@pytest.mark.parametrize("objective", [VarGradTB(), CGPO()])
def test_settings_with_schedules_go_to_json_and_back(objective):
    name = "beta" if isinstance(objective, VarGradTB) else "first.max_kl"
    settings = run(objective, schedule={name: Schedule(2.0, 1.0, 5, "constant-then")})
    assert decode(encode(settings), Run) == settings


def test_a_part_of_another_kind_is_refused_by_its_name():
    data = encode(run())
    with pytest.raises(SteelyardError, match=r"config\.task: is a VarGradTB"):
        decode(data | {"task": data["objective"]}, Run)


@pytest.mark.parametrize("reward", [None, "m:f", ("m:f", "dir/x.py:g=0.5")])
def test_rewards_survive_the_way_into_a_file_and_back(reward):
    found = decode(json.loads(json.dumps(encode(run(reward=reward, reward_timeout=400.0)))), Run)
    assert (found.reward, found.reward_timeout) == (reward, 400.0)


@pytest.mark.parametrize("reward", [(), "nonsense", ("m:f", "m:f=x")])
def test_what_names_no_reward_is_refused(reward):
    with pytest.raises(SteelyardError, match="reward"):
        run(reward=reward)
