import msgspec
import numpy as np
import pytest

from steelyard.core import Sampling, SteelyardError, Trajectory
from steelyard.runtime.run_statistics import RunStatistics


def trajectory(reward: float | None, **info: object) -> Trajectory:
    zeros = np.zeros(2, np.float32)
    one = Trajectory("p", np.zeros(2, np.int32), np.ones(2, bool), zeros, 0, "d", Sampling(), "stop")
    return one.replace(reward=reward, info=info)


def work(statistics: RunStatistics, steps: range) -> list[dict]:
    rows = []
    for step in steps:
        statistics.found([trajectory(0.1 * step), trajectory(1.0), trajectory(None, error=f"time-out {step}")])
        rows.append(statistics.stepped({"batch/staleness": {"0": 2, str(step): 1}, "learner/loss": 1.0}))
        statistics.evaluated(
            {"eval/accuracy": step / 7, "eval/total_variation": 1 / (step + 3), "eval/log_z_error": 0.1}
        )
        statistics.found([trajectory(step / 3)])
    return rows


def resumed(statistics: RunStatistics) -> RunStatistics:
    other = RunStatistics()
    other.restore(msgspec.json.decode(msgspec.json.encode(statistics.state())))
    return other


def test_a_summary_worked_by_hand() -> None:
    statistics = RunStatistics()
    statistics.found([trajectory(1.0), trajectory(0.0), trajectory(None, error="slow"), trajectory(None)])
    assert statistics.stepped({"batch/staleness": {"0": 3, "2": 1}}) == {
        "batch/staleness": {"0": 3, "2": 1},
        "search/truncated": 0.0,
        "search/length_mean": 2.0,
        "search/length_stopped": 2.0,
        "search/entropy": 0.0,
        "search/reward_mean": 0.5,
        "search/errors": 2,
    }
    assert statistics.stepped({"batch/staleness": {"1": 4}})["search/reward_mean"] is None
    assert statistics.result() == {
        "steps": 2,
        "trajectories": 4,
        "verifier_errors": 2,
        "staleness_mean": 6 / 8,
        "staleness_max": 2,
    }
    assert (
        statistics.why_no_batch({"replay/size": 3.0, "replay/errors": 0.0})
        == "replay: size 3; last verifier error: slow"
    )


def test_the_entropy_of_sampled_tokens_by_hand() -> None:
    """-(log .5 + log .25) of two tokens and -log .125 of one: 6 log 2 of three tokens, 2 log 2 a token."""
    action_T = np.array([False, True, True])
    logp_T = np.log(np.array([1.0, 0.5, 0.25], np.float32))
    two = Trajectory("p", np.zeros(3, np.int32), action_T, logp_T, 0, "d", Sampling(), "stop")
    one = two.replace(action_T=action_T & [True, False, True], logp_behaviour_T=np.log(np.float32([1, 1, 0.125])))
    failed = two.replace(finish="error", info={"error": "slow"})
    statistics = RunStatistics()
    statistics.found([two, one, failed, two.replace(action_T=action_T & False)])
    again = resumed(statistics)
    assert again.stepped({"batch/staleness": {}})["search/entropy"] == pytest.approx(2 * np.log(2))
    assert "search/entropy" not in again.stepped({"batch/staleness": {}}), "nothing came since"


def test_first_last_and_lowest_evaluation_are_summed_up() -> None:
    statistics = RunStatistics()
    for accuracy, distance in ((0.1, 0.5), (0.7, 0.2), (0.6, 0.3)):
        statistics.evaluated({"eval/accuracy": accuracy, "eval/total_variation": distance, "eval/log_z_error": 0.0})
    found = statistics.result()
    assert (found["accuracy_before"], found["accuracy_after"]) == (0.1, 0.6)
    assert [found[f"total_variation{end}"] for end in ("_before", "", "_lowest")] == [0.5, 0.3, 0.2]


def test_a_resumed_tally_goes_on_as_if_nothing_had_happened() -> None:
    whole, first = RunStatistics(), RunStatistics()
    expected = work(whole, range(6))
    rows = work(first, range(3))
    second = resumed(first)
    assert rows + work(second, range(3, 6)) == expected
    assert second.result() == whole.result()
    assert second.last_error == whole.last_error == "time-out 5"
    assert resumed(RunStatistics()).result() == RunStatistics().result()


def test_a_state_is_of_its_moment() -> None:
    statistics = RunStatistics()
    work(statistics, range(2))
    state = statistics.state()
    work(statistics, range(2, 4))
    other = RunStatistics()
    other.restore(state)
    assert other.steps == 2
    assert len(other.evaluations) == 2


def test_measurements_without_a_value_survive_as_none() -> None:
    statistics = RunStatistics()
    statistics.evaluated(
        {"eval/accuracy": float("nan"), "eval/total_variation": 0.5, "eval/log_z_error": np.float64(0.25)}
    )
    statistics.evaluated({"eval/accuracy": 1.0, "eval/total_variation": float("nan"), "eval/log_z_error": float("inf")})
    found = resumed(statistics).result()
    assert found["accuracy_before"] is None
    assert found["total_variation_lowest"] == 0.5
    assert found["log_z_error"] is None


def test_a_reward_that_is_not_finite_is_an_error_not_a_mean() -> None:
    statistics = RunStatistics()
    statistics.found([trajectory(float("inf")), trajectory(2.0)])
    assert statistics.errors == 1
    assert resumed(statistics).stepped({"batch/staleness": {}})["search/reward_mean"] == 2.0


def test_each_part_of_a_reward_has_a_mean_over_what_has_it() -> None:
    statistics = RunStatistics()
    some = [
        trajectory(1.0).replace(reward_parts={"f": 2.0, "g": 0.5}),
        trajectory(1.0).replace(reward_parts={"f": 4.0}),
    ]
    statistics.found([*some, trajectory(None).replace(reward_parts={"f": 100.0})])
    row = resumed(statistics).stepped({"batch/staleness": {}})
    assert (row["search/reward/f"], row["search/reward/g"]) == (3.0, 0.5)
    assert not any(
        name.startswith("search/reward/") for name in statistics.stepped({"batch/staleness": {}}).keys() - row
    )


def test_how_completions_end_is_gauged_over_all_but_those_that_failed() -> None:
    statistics = RunStatistics()
    short, cut, failed = trajectory(1.0), trajectory(None), trajectory(1.0)
    long = cut.replace(finish="length", action_T=np.array([True, False]))
    statistics.found([short, long, failed.replace(finish="error")])
    row = resumed(statistics).stepped({"batch/staleness": {}})
    assert (row["search/truncated"], row["search/length_mean"], row["search/length_stopped"]) == (0.5, 1.5, 2.0)
    statistics.stepped({"batch/staleness": {}})
    statistics.found([long])
    later = statistics.stepped({"batch/staleness": {}})
    assert later["search/truncated"] == 1.0
    assert "search/length_stopped" not in later


@pytest.mark.parametrize(
    "state", [{}, {"steps": "3"}, RunStatistics().state() | {"staleness": {"x": 1}}, RunStatistics().state() | {"a": 1}]
)
def test_another_state_is_one_line(state: dict) -> None:
    with pytest.raises(SteelyardError, match="statistics state"):
        RunStatistics().restore(state)
