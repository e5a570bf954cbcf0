"""Files that an earlier version wrote still open, draw the same groups, go on, and export.

`stored/` holds a buffer and a queue written by commit b428305, and what that commit did with them next. Since then the
settings `nearest` and `fresh`, the counter `foreign` and the state's key `ready` have other names in the code.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from steelyard.core import Sampling, Trajectory
from steelyard.replay import PrioritizedReplay, ReplayBuffer, SingleUse, SingleUseQueue
from steelyard.replay.inspect import open_view
from steelyard.replay.parquet import export_parquet, import_parquet

STORED = Path(__file__).parent / "stored"
EXPECTED = json.loads((STORED / "expected.json").read_text())
KINDS = {"prioritized": ReplayBuffer, "single_use": SingleUseQueue}
SETTINGS = {
    "prioritized": PrioritizedReplay(
        capacity_per_prompt=6,
        capacity=14,
        eviction="lowest-reward",
        recent_probability=0.5,
        recent_window=2,
        reward_temperature=2.0,
        near_duplicate_threshold=0.25,
        protected_per_prompt=2,
    ),
    "single_use": SingleUse(capacity=8),
}


@pytest.fixture(params=[*KINDS])
def name(request):
    return request.param


@pytest.fixture
def file(name, tmp_path):
    return Path(shutil.copy(STORED / f"{name}.sqlite", tmp_path / "replay.sqlite"))


def ids(groups):
    return groups if groups is None else [[[t.prompt_id, t.sample] for t in group] for group in groups]


def metrics_today(name):
    metrics = dict(EXPECTED[name]["metrics"])
    metrics["replay/unknown_version"] = metrics.pop("replay/foreign")
    return metrics


def test_the_settings_and_counters_have_todays_names(name, file):
    with open_view(file) as view:
        assert (view.metadata.settings, view.metadata.seed, view.metadata.max_staleness) == (SETTINGS[name], 7, 2)
        assert view.summary().counts["unknown_version"] == 1
        view.verify()


def test_the_same_settings_continue_it(name, file):
    SETTINGS[name].open(seed=7, max_staleness=2, path=file).close()


def test_its_checkpoint_is_restored_and_the_same_groups_are_drawn(name, file):
    replay = KINDS[name].open(file)
    replay.restore(EXPECTED[name]["state"], keep_later=False)
    assert dict(replay.metrics()) == metrics_today(name)
    draws = [ids(replay.sample(2, 3, version=2, draw=draw)) for draw in (1, 2)]
    assert draws == EXPECTED[name]["draws"]
    replay.close()


def test_a_counter_goes_on_from_its_old_name(name, file):
    replay = KINDS[name].open(file)
    action_T = np.array([False, True])
    logp_T = np.array([0.0, -0.5], np.float32)
    unknown = Trajectory("a", np.array([1, 0], np.int32), action_T, logp_T, 9, "none", Sampling(), "stop", reward=0.0)
    assert replay.add([unknown], version=2) == 0
    assert replay.metrics()["replay/unknown_version"] == 2
    replay.close()
    with open_view(file) as view:
        counts = view.summary().counts
        assert counts["unknown_version"] == 2 and "foreign" not in counts


def test_it_is_exported_and_imported(name, file, tmp_path):
    stored = EXPECTED[name]["stored"]
    out = tmp_path / "out.parquet"
    assert export_parquet(file, out) == len(stored)
    table = pq.read_table(out, columns=["arrived", "prompt_id", "sample", "version", "reward"])
    assert [list(row.values()) for row in table.to_pylist()] == stored
    again = SingleUse().open(seed=0)
    assert import_parquet(out, again) == len(stored)
    again.close()
