"""What the studies of mathematics find in run directories that no run has written: each claim can fail."""

import json
from pathlib import Path

import matplotlib.image
import pytest

from experiments.fabricated import curve, fabricate
from steelyard.core import SteelyardError, encode
from steelyard.experiments.bench.asynchrony import Asynchrony
from steelyard.experiments.harness.run_index import label
from steelyard.experiments.studies import diverse, lag, wall_clock
from steelyard.policy import Policy


def drawn(section, tmp_path: Path) -> float:
    section.draw(tmp_path / "picture.png")
    return float(matplotlib.image.imread(tmp_path / "picture.png")[..., :3].std())


def lagged(root: Path, *, balance: float, other: float, grpo: float = 0.9) -> Path:
    """Accuracy 0.9 at every lag but the longest."""
    longest = {"vargrad-tb": balance, "dr-grpo-uncorrected": other, "grpo": grpo}
    for method, end in longest.items():
        for n in lag.LAGS:
            for seed in (0, 1, 2):
                rows = curve(0.1, 0.5, end if n == lag.LAGS[-1] else 0.9)
                place = root / label(f"{method}-lag{n}", seed)
                fabricate(place, rows, seed=seed, config={"run": {"max_steps": 160, "learning_rate": 5e-5}})
    return root


@pytest.mark.parametrize(
    ("balance", "other", "shown"), [(0.83, 0.77, [True, True]), (0.81, 0.5, [False, True]), (0.85, 0.81, [True, False])]
)
def test_lag_holds_both_to_their_points(tmp_path: Path, balance, other, shown):
    section = lag.section(lagged(tmp_path / "runs", balance=balance, other=other))
    assert [claim.shown for claim in section.claims] == shown
    assert f"{100 * (0.9 - balance):.1f} points" in section.claims[0].measured
    assert section.rows[0][:3] == ["trajectory balance", "1", "0.900"]
    assert drawn(section, tmp_path) > 0.01


def test_lag_shows_grpo_beside_both_and_claims_nothing_of_it(tmp_path: Path):
    section = lag.section(lagged(tmp_path, balance=0.9, other=0.1, grpo=0.0))
    assert section.shown
    assert "GRPO with ratio and clipping: 90.0 points" in section.claims[1].measured
    assert [row[0] for row in section.rows] == [name for name in lag.NAMES.values() for _ in lag.LAGS]


def test_lag_needs_every_run(tmp_path: Path):
    root = lagged(tmp_path, balance=0.9, other=0.5)
    (root / label("grpo-lag16", 2) / "result.json").unlink()
    with pytest.raises(SteelyardError, match="has not reached its end"):
        lag.section(root)


def answers(greedy: tuple[float, ...], distinct: tuple[float, ...]) -> list[dict]:
    return [
        {"step": 20 * i, "eval/accuracy": g, "eval/reward_mean": 0.8, "eval/distinct_correct": d}
        for i, (g, d) in enumerate(zip(greedy, distinct, strict=True))
    ]


def kept_apart(root: Path, balance: list[dict], other: list[dict]) -> Path:
    for arm in diverse.ARMS:
        for seed in (0, 1):
            rows = balance if arm == "trajectory balance" else other
            config = {"run": {"max_steps": 160, "evaluation": {"samples": 64}}}
            fabricate(root / label(arm, seed), rows, seed=seed, config=config)
    return root


def test_diverse_compares_where_accuracy_is_reached(tmp_path: Path):
    """Trajectory balance reaches 95 % at step 40 with 18 answers, the others at step 20 with 12."""
    balance = answers((0.1, 0.9, 0.97, 1.0), (9, 15, 18, 17))
    section = diverse.section(kept_apart(tmp_path / "runs", balance, answers((0.1, 0.96, 1.0, 1.0), (9, 12, 6, 5))))
    assert section.shown
    assert section.claims[0].measured == "18.0 against 12.0, 18.0 against 12.0"
    assert section.claims[1].measured == "17.0 against 5.0, 17.0 against 5.0"
    assert section.rows[0] == ["base model", "before", "0", "0.100", "0.800", "9.0", "", ""]
    assert section.rows[-1][-2:] == ["500", "30.0"]
    assert section.rows[1] == ["trajectory balance", "at 95%", "40", "0.970", "0.800", "18.0", "", ""]
    assert drawn(section, tmp_path) > 0.01


@pytest.mark.parametrize(
    ("greedy", "distinct", "shown"),
    [((0.1, 0.96, 0.9), (9, 18, 18), [True, False]), ((0.1, 0.96, 0.99), (9, 12, 12), [False, True]),
     ((0.1, 0.5, 0.9), (9, 18, 18), [False, False])],
)  # fmt: skip
def test_more_answers_at_less_accuracy_show_nothing(tmp_path: Path, greedy, distinct, shown):
    other = answers((0.1, 0.96, 1.0), (9, 12, 6))
    section = diverse.section(kept_apart(tmp_path, answers(greedy, distinct), other))
    assert [claim.shown for claim in section.claims] == shown


def test_the_base_model_of_diverse_reads_its_task(tmp_path: Path):
    diverse.make_base(tmp_path / "_base", steps=2)
    policy = Policy.load(str(tmp_path / "_base"))
    assert policy.decode(policy.encode("37=12+25")) == "37=12+25"
    assert policy.num_parameters() < 100_000


def measured(root: Path, *, local: float, shared: float | None) -> Path:
    """A record of the bench: synchronous 10 s with one thread and 8 with two; 20 s where generation costs 4 times."""
    seconds = {
        (1, "sync"): 10.0, (1, "sync, 2 threads"): 8.0, (1, "local, 1 searcher"): local,
        (1, "local, 4 searchers"): 7.0, (4, "sync"): 20.0, (4, "local, 1 searcher"): 6.0,
        (4, "local, 4 searchers"): shared,
    }  # fmt: skip
    rows = [
        {"cost": cost, "system": system, "seed": seed, "seconds_to_80": taken, "steps_to_80": taken and 40.0,
         "steps_per_s": 4.0, "learner_idle": 0.1, "searcher_idle": 0.0}
        for (cost, system), taken in seconds.items() for seed in (100, 101)
    ]  # fmt: skip
    record = {"part": "asynchrony", "command": "steelyard bench asynchrony", "settings": encode(Asynchrony()),
              "date": "2026-11-25", "machine": "2 cores", "seconds": 900.0, "rows": rows}  # fmt: skip
    root.mkdir(parents=True, exist_ok=True)
    (root / wall_clock.RECORD).write_text(json.dumps(record))
    return root


@pytest.mark.parametrize(
    ("local", "shared", "shown"), [(6.6, 8.0, [True, True]), (6.7, 8.1, [False, False]), (6.6, None, [True, False])]
)
def test_wall_clock_by_hand(tmp_path: Path, local, shared, shown):
    """6.6 of 8 s is 0.825; 8 of 20 s is 0.4, and of the 18 s that a second thread might make of it 0.44."""
    section = wall_clock.section(measured(tmp_path / "runs", local=local, shared=shared))
    assert [claim.shown for claim in section.claims] == shown
    assert section.claims[0].measured.startswith("0.82" if local == 6.6 else "0.84")
    if shared == 8.0:
        assert "0.40 of a loop with 1 thread (0.44 if a second thread" in section.claims[1].measured
    assert drawn(section, tmp_path) > 0.01


def test_wall_clock_takes_what_the_bench_measured(tmp_path: Path, capsys):
    kept = measured(tmp_path / "bench", local=6.0, shared=6.0) / wall_clock.RECORD
    study = wall_clock.Study(record=str(kept), output_dir=str(tmp_path / "study"))
    assert wall_clock.measure(study)["shown"] is True
    assert (tmp_path / "study" / wall_clock.RECORD).read_bytes() == kept.read_bytes()
    assert "shown" in capsys.readouterr().out
    with pytest.raises(SteelyardError, match="is missing"):
        wall_clock.section(tmp_path)
