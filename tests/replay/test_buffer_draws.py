"""What the buffer draws: by age, by count, in groups that are partly new, and within a sample size."""

import hashlib
import json
import math
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from replay.laws import fits
from steelyard.replay import HearsOfSteps, PrioritizedReplay, ReplayBuffer, SingleUse
from steelyard.replay.inspect import open_view

DRAWS = 3000

EARLIER = {
    "69fa5ac37e5064ee": {"recent_probability": 0.0, "reward_temperature": 1.0},
    "b788f8d151ea24c1": {"recent_probability": 0.5, "reward_temperature": 0.0},
    "766b6a8420af5e7e": {"recent_probability": 0.5, "reward_temperature": 2.0, "max_staleness": 6},
    "d20ef6e28e31b4d2": {
        "recent_probability": 0.7, "reward_temperature": 0.3, "max_staleness": 4, "over_age": "wait"
    },
    "36441d3269f1f31c": {"recent_probability": 1.0, "reward_temperature": 1.0},
}  # fmt: skip
"""Digest of 48 draws -> the settings with which commit 5cc378e8 made them, before a draw knew of age."""


@pytest.mark.parametrize("digest", EARLIER)
def test_without_the_newer_settings_the_draws_are_the_earlier_ones(make, digest):
    settings = dict(EARLIER[digest])
    bound = settings.pop("max_staleness", None)
    buffer = PrioritizedReplay(capacity=60, recent_window=2, **settings).open(seed=5, max_staleness=bound)
    drawn = []
    for version in range(12):
        said = [{"tokens_T": np.array([version, i], np.int32), "reward": float(i % 5)} for i in range(8)]
        arrivals = [make(f"p{(5 * version + i) % 13}", version=version, **one) for i, one in enumerate(said)]
        buffer.add(arrivals, version=version)
        for d in range(4):
            groups = buffer.sample(3, 5, version=version, draw=10 * version + d)
            drawn.append(groups and [[[t.prompt_id, *t.tokens_T.tolist()] for t in group] for group in groups])
    assert hashlib.sha256(json.dumps(drawn).encode()).hexdigest()[:16] == digest


def test_prompts_and_members_are_drawn_by_age(make, answers):
    """Prompt x is drawn by the age of its newest entry, then entry i by b r_i - l a_i among the entries of x."""
    decay, b, version = 0.4, 0.8, 9
    stored = {"a": [(9, 0.0), (6, 1.0)], "b": [(7, 0.5), (7, 0.0), (4, 2.0)], "c": [(3, 1.0)]}
    buffer = PrioritizedReplay(recent_probability=0.0, reward_temperature=b, age_decay=decay).open(seed=6)
    for name, rows in stored.items():
        buffer.add([make(name, i, version=v, reward=r) for i, (v, r) in enumerate(rows)], version=version)
    prompt = {name: math.exp(-decay * (version - max(v for v, _ in rows))) for name, rows in stored.items()}
    law = {}
    for name, rows in stored.items():
        weights = [math.exp(b * r - decay * (version - v)) for v, r in rows]
        law |= {(name, i): prompt[name] / sum(prompt.values()) * w / sum(weights) for i, w in enumerate(weights)}
    assert sum(law.values()) == pytest.approx(1)
    drawn = [buffer.sample(1, 1, version=version, draw=d)[0] for d in range(DRAWS)]
    assert fits(Counter((group[0].prompt_id, *answers(group)) for group in drawn), law)


def test_a_batch_by_age_has_each_prompt_once_and_goes_round_where_it_is_short(make):
    buffer = PrioritizedReplay(recent_probability=0.0, age_decay=5.0).open(seed=7)
    for i, name in enumerate("abc"):
        buffer.add([make(name, version=40 * i)], version=80)
    batches = [[g[0].prompt_id for g in buffer.sample(7, 1, version=80, draw=d)] for d in range(20)]
    assert all(sorted(batch[:3]) == sorted(batch[3:6]) == ["a", "b", "c"] for batch in batches)
    assert {batch[0] for batch in batches} == {"c"}, "the others are e^-200 as likely"


def test_a_batch_is_anchored_in_a_count_of_recent_prompts(make):
    """m = .5 of 4 slots: two prompts of the last version in every batch; a coin would give 0 to 4 of them."""
    settings = PrioritizedReplay(recent_probability=0.5, recent_window=1, recent_slots="count")
    counts = {}
    for kind in ("count", "coin"):
        buffer = replace(settings, recent_slots=kind).open(seed=8)
        buffer.add([make(f"old{i}", version=0) for i in range(40)], version=0)
        buffer.add([make(f"new{i}", version=5) for i in range(4)], version=5)
        batches = [buffer.sample(4, 1, version=5, draw=d) for d in range(60)]
        counts[kind] = Counter(sum(group[0].version == 5 for group in batch) for batch in batches)
        assert buffer.metrics()["replay/recent_short"] == 0
    assert min(counts["count"]) == 2, "a slot by reward may be filled by one more"
    assert min(counts["coin"]) == 0


def test_an_anchor_that_is_not_there_is_counted(make):
    buffer = PrioritizedReplay(recent_probability=0.5, recent_window=1, recent_slots="count").open(seed=8)
    buffer.add([make(f"old{i}", version=0) for i in range(9)], version=0)
    assert len(buffer.sample(4, 1, version=5, draw=0)) == 4
    assert buffer.metrics()["replay/recent_short"] == 2


def test_half_of_a_group_is_its_prompts_newest(make, answers):
    buffer = PrioritizedReplay(recent_probability=0.0, newest_share=0.5).open(seed=9)
    buffer.add([make("a", i, version=i) for i in range(8)], version=8)
    groups = [answers(buffer.sample(1, 4, version=8, draw=d)[0]) for d in range(DRAWS // 3)]
    assert {tuple(group[:2]) for group in groups} == {(7, 6)}
    assert fits(Counter(answer for group in groups for answer in group[2:]), dict.fromkeys(range(6), 1 / 6))


TOLD = {"learner/ess": 0.5, "batch/staleness_mean": 2.0}
"""A rate of log 2 / 2 a version: a bound of 1/4 lets in ages up to 4."""


def aging(path=None, **settings):
    return PrioritizedReplay(recent_probability=0.0, **settings).open(seed=10, path=path)


def ages(buffer, version, prompts=2, draws=60):
    batches = [buffer.sample(prompts, 1, version=version, draw=d) for d in range(draws)]
    return {version - t.version for batch in batches for group in batch for t in group}


def test_what_is_too_old_for_the_sample_size_is_not_drawn(make):
    buffer = aging(min_ess=0.2499)
    assert isinstance(buffer, HearsOfSteps)
    buffer.add([make(f"p{v}", version=v) for v in range(10)], version=9)
    assert ages(buffer, 9) == {*range(10)}, "nothing is known yet"
    assert "replay/ess_age" not in buffer.metrics()
    buffer.report(TOLD)
    assert ages(buffer, 9) == {0, 1, 2, 3, 4}
    assert (buffer.metrics()["replay/ess_age"], buffer.metrics()["replay/ess_short"]) == (4, 0)
    buffer.report({"learner/ess": 0.9, "batch/staleness_mean": 0.0})
    assert ages(buffer, 9) == {0, 1, 2, 3, 4}, "a step on data without age tells nothing"
    buffer.report({"learner/ess": 1.0, "batch/staleness_mean": 2.0})
    assert ages(buffer, 9) == {*range(10)}, "nothing drifts"
    assert buffer.metrics()["replay/size"] == 10


def test_old_siblings_of_a_young_entry_are_left_out_too(make, answers):
    buffer = aging(min_ess=0.2499)
    buffer.add([make("a", v, version=v) for v in range(10)], version=9)
    buffer.report(TOLD)
    assert {a for d in range(60) for a in answers(buffer.sample(1, 2, version=9, draw=d)[0])} == {5, 6, 7, 8, 9}


def test_the_newest_prompts_are_drawn_however_old_they_are(make):
    """The bound lets in ages up to 4. Of prompts that are 6 to 9 versions old, a step of two needs the newest two."""
    buffer = aging(min_ess=0.2499)
    buffer.add([make(f"p{v}", version=v) for v in range(4)], version=9)
    buffer.report(TOLD)
    assert ages(buffer, 9) == {6, 7}
    assert buffer.metrics()["replay/ess_short"] == 60
    assert len(buffer.sample(9, 1, version=9, draw=0)) == 9, "and never fewer groups than without a bound"


def test_the_age_limit_of_the_run_stays(make):
    buffer = PrioritizedReplay(recent_probability=0.0, min_ess=0.01).open(seed=0, max_staleness=3)
    buffer.add([make(f"p{v}", version=v) for v in range(10)], version=5)
    buffer.report(TOLD)
    assert ages(buffer, 9) == {0, 1, 2, 3}


def test_without_a_bound_no_step_is_taken_note_of(make):
    buffer = aging()
    buffer.add([make("a")], version=0)
    before = buffer.state()
    buffer.report(TOLD)
    assert buffer.state() == before
    assert not isinstance(SingleUse().open(seed=0), HearsOfSteps)


EVERYTHING = {
    "age_decay": 0.3, "min_ess": 0.2499, "newest_share": 0.5, "recent_slots": "count", "priority": "abs-advantage",
    "reward_temperature": 0.7,
}  # fmt: skip


def live(buffer, make, bodies, versions):
    """A stretch of a run: arrivals, a draw and a report at each version."""
    drawn = []
    for v in versions:
        said = [("abcdefgh"[(3 * v + i) % 8], 10 * v + i, float(i % 3)) for i in range(6)]
        buffer.add([make(name, answer, version=v, reward=reward) for name, answer, reward in said], version=v)
        drawn.append(bodies(buffer.sample(3, 4, version=v, draw=v)))
        buffer.report({"learner/ess": 1 / (1 + v % 4), "batch/staleness_mean": float(v % 3)})
    return drawn


def test_a_killed_buffer_goes_on_with_the_same_draws(make, path, bodies, tmp_path):
    """What a kill leaves is the file and its log as they are; both are opened again in the middle of the run."""
    buffer = PrioritizedReplay(recent_probability=0.5, **EVERYTHING).open(seed=11, path=path)
    live(buffer, make, bodies, range(7))
    left = tmp_path / "killed"
    left.mkdir()
    for part in path.parent.glob(f"{path.name}*"):
        if part.is_file() and part.suffix != ".lock":
            shutil.copy(part, left / part.name)
    whole = live(buffer, make, bodies, range(7, 14))
    buffer.close()
    again = ReplayBuffer.open(left / path.name)
    assert live(again, make, bodies, range(7, 14)) == whole
    again.close()


def test_a_buffer_that_goes_back_forgets_the_reports_that_came_later(make, path, bodies):
    buffer = PrioritizedReplay(recent_probability=0.5, **EVERYTHING).open(seed=12, path=path)
    live(buffer, make, bodies, range(6))
    state = buffer.state()
    later = live(buffer, make, bodies, range(6, 12))
    buffer.restore(state, keep_later=False)
    assert live(buffer, make, bodies, range(6, 12)) == later
    buffer.restore(None, keep_later=False)
    assert "replay/ess_age" not in buffer.metrics()
    buffer.close()


def test_a_file_of_an_earlier_version_keeps_reports_once_it_is_written(make, tmp_path):
    stored = Path(__file__).parent / "stored" / "prioritized.sqlite"
    file = Path(shutil.copy(stored, tmp_path / "replay.sqlite"))
    with open_view(file) as view:
        settings = view.metadata.settings
        assert (settings.age_decay, settings.min_ess, settings.priority) == (0.0, 0.0, "reward")
        assert not view.ask("SELECT name FROM sqlite_master WHERE name = 'reports'")
    ReplayBuffer.open(file).close()
    with open_view(file) as view:
        assert view.ask("SELECT count(*) FROM reports") == [(0,)]
        view.verify()
