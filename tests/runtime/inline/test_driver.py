import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.core import StallError, SteelyardError, decode, encode
from steelyard.objective import DrGRPO, VarGradTB
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.runtime import HeldOut, Inline, Records, Run, VirtualClock
from steelyard.task.arithmetic import Arithmetic

SMALL = Run(
    task=Arithmetic(problems=64, held_out=16),
    objective=VarGradTB(beta=0.1),
    model="steelyard/arithmetic",
    runtime="inline",
    max_steps=4,
    num_prompts=4,
    num_generations=4,
    search_prompts=4,
    max_completion_length=16,
    evaluation=HeldOut(every=2, prompts=16, sampled_prompts=4, samples=2),
)


def train(run: Run, directory: Path, reward: object = None) -> dict:
    with Records(directory) as records:
        return Inline(run, records, reward).train()  # type: ignore[arg-type]


def rows(directory: Path, name: str = "metrics") -> list[dict]:
    return [json.loads(line) for line in (directory / f"{name}.jsonl").read_text().splitlines()]


def test_one_seed_gives_the_same_bits(tmp_path: Path) -> None:
    run = replace(SMALL, num_searchers=2, inline=VirtualClock(search_cost=2.5, publication_lag=1))
    for name in ("a", "b"):
        train(run, tmp_path / name)
    train(replace(run, seed=1), tmp_path / "c")
    for file in ("metrics.jsonl", "eval.jsonl", "samples.jsonl", "model/model.safetensors"):
        a, b, c = ((tmp_path / name / file).read_bytes() for name in "abc")
        assert a == b, file
        assert a != c, file


def test_every_searcher_has_its_rung_of_the_ladder(tmp_path: Path) -> None:
    """Rungs 1 and 50: half of the batches are next to uniform, so that their samples are much less likely."""
    heats: list[float] = []
    run = replace(SMALL, num_searchers=2, search_ladder=(1.0, 50.0))
    with Records(tmp_path) as records:
        driver = Inline(run, records)
        search = driver.searcher.search

        def noted(assignments):
            heats.append(driver.searcher.sampling.temperature)
            return search(assignments)

        driver.searcher.search = noted  # type: ignore[method-assign]
        driver.train()
    assert set(heats) == {1.0, 50.0}
    assert heats[:4] == [1.0, 50.0, 1.0, 50.0]


@pytest.mark.parametrize("lag", [0, 1, 3])
def test_synchronous_staleness_is_exactly_the_lag(tmp_path: Path, lag: int) -> None:
    run = replace(SMALL, replay=SingleUse(), max_steps=6, inline=VirtualClock(learn_cost=0.0, publication_lag=lag))
    train(run, tmp_path)
    assert [r["batch/staleness_max"] for r in rows(tmp_path)] == [min(lag, step) for step in range(6)]


def test_idle_shares_follow_the_clock(tmp_path: Path) -> None:
    """Batches arrive at 4, 8, 12, 16 and a step takes 1: the learner waits 4 + 3 + 3 + 3 of 17 virtual seconds."""
    clock = VirtualClock(search_cost=4.0, learn_cost=1.0)
    one = train(replace(SMALL, replay=SingleUse(), inline=clock), tmp_path / "one")
    assert one["clock"] == 17.0
    assert one["learner_idle"] == pytest.approx(13 / 17)
    four = train(replace(SMALL, replay=SingleUse(), inline=clock, num_searchers=4), tmp_path / "four")
    assert four["clock"] == 8.0, "four searchers deliver four batches at once"
    assert four["learner_idle"] == pytest.approx(4 / 8)


def test_replay_lets_the_learner_go_on_without_fresh_data(tmp_path: Path) -> None:
    run = replace(SMALL, replay=PrioritizedReplay(), inline=VirtualClock(search_cost=100.0))
    summary = train(run, tmp_path)
    assert summary["clock"] == 104.0
    assert summary["staleness_max"] == 3


def test_a_step_takes_some_of_what_searchers_made_of_a_prompt(tmp_path: Path) -> None:
    train(replace(SMALL, search_generations=6, search_prompts=2), tmp_path)
    assert [(row["batch/prompts"], row["batch/trajectories"]) for row in rows(tmp_path)] == [(4, 16)] * 4
    with closing(sqlite3.connect(tmp_path / "replay.sqlite")) as database:
        samples = database.execute("SELECT DISTINCT sample FROM trajectories ORDER BY sample").fetchall()
    assert samples == [(sample,) for sample in range(6)], "no prompt was asked twice in so few batches"


def test_a_queue_takes_whole_groups_alone(tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match=r"--search-generations: is 6; .* use a multiple of 4"):
        replace(SMALL, search_generations=6, replay=SingleUse())
    train(replace(SMALL, search_generations=8, search_prompts=2, replay=SingleUse()), tmp_path)
    assert [(row["batch/prompts"], row["batch/trajectories"]) for row in rows(tmp_path)] == [(4, 16)] * 4


def test_settings_that_know_nothing_of_a_newer_field_are_read() -> None:
    """A run that was begun before `search_generations` was a setting goes on as it was."""
    settings = encode(replace(SMALL, task=Arithmetic()))
    del settings["search_generations"]
    assert decode(settings, Run, where="config.json") == replace(SMALL, task=Arithmetic())


def test_reference_reset_and_schedules_run(tmp_path: Path) -> None:
    run = replace(SMALL, reference_reset=2, beta_final=0.05, beta_steps=4, weight_sync_steps=2)
    train(run, tmp_path)
    found = rows(tmp_path)
    assert [r["learner/beta"] for r in found] == pytest.approx([0.1, 0.0875, 0.075, 0.0625])
    assert found[2]["objective/kl"] == pytest.approx(0.0, abs=1e-5), "right after a reset the policy is the reference"
    assert abs(found[1]["objective/kl"]) > 1e-6


def test_a_reward_of_ones_own(tmp_path: Path) -> None:
    from steelyard.reward import reward_function

    def brevity(prompts: list, completions: list, **columns: object) -> list[float | None]:
        return [-float(len(c)) for c in completions]

    summary = train(replace(SMALL, max_steps=2), tmp_path, reward_function(brevity))
    assert summary["verifier_errors"] == 0
    assert all(r["search/reward_mean"] < 0 for r in rows(tmp_path) if r["search/reward_mean"] is not None)


def test_a_verifier_that_always_fails_is_a_stall_with_a_name(tmp_path: Path) -> None:
    from steelyard.reward import reward_function

    run = replace(SMALL, inline=VirtualClock(deadline=5.0))
    with pytest.raises(StallError, match="learner waits for replay"):
        train(run, tmp_path, reward_function(lambda prompts, completions, **columns: [None] * len(prompts)))


def test_settings_out_of_range_name_the_flag() -> None:
    for settings, word in (
        ({"num_prompts": 0}, "--num-prompts"),
        ({"temperature": 0.0}, "--temperature"),
        ({"learning_rate": -1.0}, "--learning-rate"),
        ({"max_staleness": -1}, "--max-staleness"),
        ({"search_temperature": 0.0}, "--search-temperature"),
        ({"search_generations": 0}, "--search-generations"),
        ({"search_temperatures": (2.0, 0.5)}, "--search-temperatures"),
        ({"search_temperatures": (0.5, float("inf"))}, "--search-temperatures"),
        ({"search_ladder": (2.0, 0.5)}, "--search-ladder"),
        ({"search_ladder": (1.0, 2.0), "search_temperature": 1.5}, "--search-ladder"),
        ({"lora_rank": -1}, "--lora-rank"),
        ({"target_beta": 0.0}, "--target-beta"),
    ):
        with pytest.raises(SteelyardError, match=word):
            replace(SMALL, **settings)
    with pytest.raises(SteelyardError, match="no beta"):
        replace(SMALL, objective=DrGRPO(), beta_final=0.1)


def test_an_objective_without_beta_can_be_measured_against_a_target_all_the_same() -> None:
    with pytest.raises(SteelyardError, match="target-beta"):
        _ = replace(SMALL, objective=DrGRPO()).beta
    assert replace(SMALL, objective=DrGRPO(), target_beta=0.3).beta == 0.3
    assert replace(SMALL, target_beta=0.3).beta == 0.3
    assert replace(SMALL, target_beta=0.3).objective == SMALL.objective


def test_max_staleness_bounds_what_is_learned_from(tmp_path: Path) -> None:
    slow = VirtualClock(search_cost=3.0, learn_cost=1.0)
    free = train(replace(SMALL, max_steps=8, inline=slow), tmp_path / "free")
    bound = train(replace(SMALL, max_steps=8, inline=slow, max_staleness=1), tmp_path / "bound")
    assert free["staleness_max"] > 1
    assert bound["staleness_max"] <= 1
    assert bound["learner_idle"] > free["learner_idle"], "the bound is paid for by waiting"


def test_data_that_is_always_too_old_is_a_stall_not_a_hang(tmp_path: Path) -> None:
    clock = VirtualClock(learn_cost=0.0, publication_lag=3, deadline=10.0)
    run = replace(SMALL, max_steps=8, inline=clock, max_staleness=1, replay=SingleUse())
    with pytest.raises(StallError, match="--max-staleness"):
        train(run, tmp_path)


def test_weights_are_in_the_ledger_and_checked_against_the_engine(tmp_path: Path) -> None:
    run = replace(SMALL, weight_sync_steps=2, inline=VirtualClock(publication_lag=1))
    train(run, tmp_path)
    with closing(sqlite3.connect(tmp_path / "replay.sqlite")) as database:
        ledger = database.execute("SELECT version FROM weights ORDER BY version").fetchall()
    assert ledger == [(0,), (2,), (4,)], "every publication, seen or not"
    for row in rows(tmp_path):
        assert row["replay/unknown_version"] == row["faults/restarts"] == 0
        assert 0 <= row["search/logp_mismatch_mean"] <= row["search/logp_mismatch_max"] < run.max_logp_mismatch


def test_every_event_is_logged(tmp_path: Path) -> None:
    """One searcher, both costs 1: a batch comes at 1, 2, ...; a step that began then ends before the next one."""
    train(replace(SMALL, max_steps=2), tmp_path)
    found = rows(tmp_path, "events")
    assert [(r["event"], r["clock"], r["kind"], r["searcher"], r["version"]) for r in found] == [
        (1, 0.0, "search", 0, 0),
        (2, 1.0, "deliver", 0, 0),
        (3, 1.0, "search", 0, 0),
        (4, 2.0, "deliver", 0, 0),
        (5, 2.0, "learn", None, 0),
        (6, 2.0, "search", 0, 1),
        (7, 3.0, "deliver", 0, 1),
        (8, 3.0, "learn", None, 1),
    ]
    assert len({r["state"] for r in found}) == len(found)


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match="no-such-model"):
        train(replace(SMALL, model="./no-such-model"), tmp_path / "run")
    with pytest.raises(SteelyardError, match="context"):
        train(replace(SMALL, max_completion_length=10_000), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_the_verifier_failed_on_is_kept_to_be_read(tmp_path: Path) -> None:
    from steelyard.reward import reward_function

    def picky(prompts: list, completions: list, **columns: object) -> list[float | None]:
        return [None if number % 2 else 1.0 for number, _ in enumerate(completions)]

    summary = train(replace(SMALL, max_steps=2), tmp_path, reward_function(picky))
    assert len(rows(tmp_path, "quarantine")) == summary["verifier_errors"] > 0


def test_a_batch_that_comes_at_the_deadline_is_in_time(tmp_path: Path) -> None:
    assert train(replace(SMALL, inline=VirtualClock(search_cost=5.0, deadline=5.0)), tmp_path / "on time")["steps"] == 4
    with pytest.raises(
        StallError, match=r"no batch since 0, for 4\.9 s \(searcher 0 silent for 4\.9 s with 16 samples"
    ):
        train(replace(SMALL, inline=VirtualClock(search_cost=5.0, deadline=4.9)), tmp_path / "late")
