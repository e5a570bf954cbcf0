import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Sampling, SteelyardError, Trajectory
from steelyard.replay import PrioritizedReplay, SingleUse
from steelyard.replay.inspect import open_view
from steelyard.replay.parquet import export_parquet, import_parquet
from steelyard.replay.tables import SCHEMA, from_table, to_table


@pytest.fixture
def exported(path, tmp_path, make) -> Path:
    """Three live trajectories of versions 0 and 1, one removed."""
    buffer = PrioritizedReplay().open(seed=0, path=path)
    buffer.publish(0, "d")
    buffer.publish(1, "e")
    buffer.add([make("a", 0, reward=0.25), make("b", 1, reward=1.0, info={"error": None, "n": [1, "é"]})], version=0)
    buffer.add([make("a", 0, version=1, digest="e", reward=0.5, reward_parts={"right": 1.0})], version=1)
    buffer.add([make("c", 2, logp_ref_T=np.array([0, -2.5], np.float32), ref_version=1)], version=3)
    buffer.close()
    out = tmp_path / "out.parquet"
    assert export_parquet(path, out) == 3
    return out


def contents(path, bodies):
    with open_view(path) as view:
        arrived, trajectories = zip(*view.trajectories(), strict=True)
    return list(arrived), bodies([trajectories])


@pytest.mark.parametrize("settings", [PrioritizedReplay(), SingleUse()], ids=["buffer", "queue"])
def test_out_and_in_again_loses_nothing(exported, path, tmp_path, bodies, settings):
    copy = tmp_path / "copy.sqlite"
    replay = settings.open(seed=0, path=copy)
    assert import_parquet(exported, replay) == 3
    assert replay.newest_version() == 1
    assert contents(copy, bodies) == contents(path, bodies)
    assert replay.metrics()["replay/size"] == 3
    replay.close()


def test_an_imported_buffer_draws_as_the_first(exported, path, bodies):
    def draws(buffer):
        return [bodies(buffer.sample(2, 3, version=3, draw=d)) for d in range(10)]

    first, second = PrioritizedReplay().open(seed=0, path=path), PrioritizedReplay().open(seed=0)
    import_parquet(exported, second)
    assert draws(first) == draws(second)
    first.close()


def test_other_tools_can_read_it(exported):
    table = pq.read_table(exported)
    assert table["prompt_id"].to_pylist() == ["b", "a", "c"]
    assert table["reward"].to_pylist() == [1.0, 0.5, 0.0] and table["arrived"].to_pylist() == [0, 1, 3]
    assert table["tokens"].to_pylist() == [[7, 1], [7, 0], [7, 2]]
    assert table["action"].to_pylist() == [[False, True]] * 3
    assert table["logp_ref"].to_pylist() == [None, None, [0, -2.5]]
    assert table["reward_parts"].to_pylist() == [[], [("right", 1.0)], []]
    assert table["digest"].to_pylist() == ["d", "e", "d"] and table["finish"].to_pylist() == ["stop"] * 3


def test_a_table_from_before_there_were_all_columns_is_taken(exported):
    pq.write_table(pq.read_table(exported).drop_columns(["step_version", "step_reward", "rule", "stop"]), exported)
    buffer = PrioritizedReplay().open(seed=0)
    assert import_parquet(exported, buffer) == 3
    found = [t for group in buffer.sample(3, 1, version=3, draw=0) for t in group]
    assert all(t.version_T is None and t.reward_T is None and t.sampling.full_support for t in found)


def test_an_empty_replay_is_an_empty_table(path, tmp_path):
    PrioritizedReplay().open(seed=0, path=path).close()
    out = tmp_path / "out.parquet"
    assert export_parquet(path, out) == 0
    assert pq.read_schema(out).names == SCHEMA.names
    assert import_parquet(out, PrioritizedReplay().open(seed=0)) == 0


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
numbers32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


values = st.none() | st.booleans() | st.integers(-9, 9) | texts | st.lists(texts)
samplings = st.builds(
    Sampling,
    st.floats(0, allow_nan=False),
    st.integers(1, 9),
    top_p=st.floats(0, 1),
    top_k=st.integers(0, 9),
    rule=texts,
    stop=st.lists(texts.filter(bool), max_size=2).map(tuple),
)


@st.composite
def arrivals(draw):
    length = draw(st.integers(0, 5))

    def steps(values, dtype):
        return np.array(draw(st.lists(values, min_size=length, max_size=length)), dtype)

    trajectory = Trajectory(
        draw(texts), steps(st.integers(0, 2**31 - 1), np.int32), steps(st.booleans(), bool),
        steps(numbers32, np.float32), draw(st.integers(0, 99)), draw(texts),
        draw(samplings), draw(st.sampled_from(["stop", "length", "error"])), draw(st.integers(0, 2**40)),
        draw(st.none() | st.just(steps(numbers32, np.float32))), draw(st.integers(0, 9)),
        draw(st.none() | st.floats(allow_nan=False, allow_infinity=False)),
        draw(st.dictionaries(texts, st.floats(allow_nan=False), max_size=2)),
        draw(st.dictionaries(texts, values, max_size=2)),
    )  # fmt: skip
    if draw(st.booleans()):
        later_T = steps(st.integers(0, 9), np.int32)
        later_T[:1] = 0
        trajectory = trajectory.replace(version_T=trajectory.version + later_T)
    if draw(st.booleans()):
        trajectory = trajectory.replace(reward_T=steps(numbers32, np.float32))
    return draw(st.integers(0, 99)), trajectory


@given(st.lists(arrivals(), min_size=1, max_size=6))
def test_tables_are_lossless(bodies, made):
    back = list(from_table(to_table(made)))
    assert [arrived for arrived, _ in back] == [arrived for arrived, _ in made]
    assert bodies([[t for _, t in back]]) == bodies([[t for _, t in made]])


@pytest.mark.parametrize("info", [{"x": b"bytes"}, {"x": float("nan")}, {"x": {1: 2}}])
def test_what_json_cannot_hold_is_refused(path, tmp_path, make, info):
    buffer = PrioritizedReplay().open(seed=0, path=path)
    buffer.add([make("a"), make("b", sample=3, info=info)], version=0)
    buffer.close()
    with pytest.raises(SteelyardError, match="prompt 'b', sample 3: its info holds what JSON cannot"):
        export_parquet(path, tmp_path / "out.parquet")
    assert export_parquet(path, tmp_path / "out.parquet", "prompt <> 'b'") == 1


def test_nothing_is_overwritten_and_no_part_stays(exported, path, tmp_path):
    before = exported.read_bytes()
    with pytest.raises(SteelyardError, match="exists already; name a new file"):
        export_parquet(path, exported)
    assert exported.read_bytes() == before
    with pytest.raises(SteelyardError, match="cannot be written"):
        export_parquet(path, tmp_path / "none" / "out.parquet")
    with pytest.raises(SteelyardError, match="is no filter"):
        export_parquet(path, tmp_path / "new.parquet", "rewrd > 1")
    assert not [p for p in tmp_path.iterdir() if "part" in p.name or "new" in p.name]


def changed(exported, **columns):
    table = pq.read_table(exported)
    for name, values in columns.items():
        place = table.schema.names.index(name)
        table = table.set_column(place, name, values if isinstance(values, pa.Array) else pa.array(values))
    pq.write_table(table, exported)


def torn(file):
    file.write_bytes(file.read_bytes()[:-9])


def noise(file):
    data = file.read_bytes()
    file.write_bytes(data[:40] + os.urandom(60) + data[100:])


def text(file):
    file.write_text('{"prompt": "no parquet"}\n')


def empty(file):
    file.write_bytes(b"")


def directory(file):
    file.unlink()
    file.mkdir()


WRONG = {
    torn: "cannot be read as Parquet",
    noise: "cannot be read as Parquet",
    text: "cannot be read as Parquet",
    empty: "cannot be read as Parquet",
    directory: "cannot be read as Parquet",
    Path.unlink: "cannot be read as Parquet",
    lambda f: pq.write_table(pq.read_table(f).drop_columns(["digest", "tokens"]), f): "has no column digest, tokens",
    lambda f: changed(f, version=["x", "y", "z"]): "cannot be read as Parquet",
    lambda f: changed(f, reward=[1.0, float("nan"), 0.0]): "prompt 'a', sample 0: reward is nan",
    lambda f: changed(f, prompt_id=["a", None, "c"]): "column prompt_id: has nulls",
    lambda f: changed(f, tokens=[[7, 1], [7, None], [7, 2]]): "column tokens: has nulls",
    lambda f: changed(f, tokens=[[7, 1], [7], [7, 2]]): "prompt 'a', sample 0: its lists differ in length",
    lambda f: changed(f, finish=["stop", "stop", "done"]): "prompt 'c', sample 0: finish is 'done'; use stop, length",
    lambda f: changed(f, step_version=[None, [1, 0], None]): "'a', sample 0: version is 1, but version 0 sampled some",
    lambda f: changed(f, info=["{}", "[]", "{}"]): "prompt 'a', sample 0: its info is not a JSON object",
    lambda f: changed(f, digest=["d", "e", "x"]): "version 0 has digest d and x",
    lambda f: changed(f, digest=["x", "e", "x"]): "version 0 is known with digest d, and x is published",
}


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_wrong_file_is_one_line_and_changes_nothing(exported, make, number):
    spoil, message = list(WRONG.items())[number]
    spoil(exported)
    buffer = PrioritizedReplay().open(seed=0)
    buffer.publish(0, "d")
    buffer.add([make("kept")], version=0)
    before = buffer.state()
    with pytest.raises(SteelyardError, match=message) as caught:
        import_parquet(exported, buffer)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    assert buffer.state() == before


def test_large_types_of_other_tools_are_taken(exported, bodies):
    table = pq.read_table(exported)
    for name, kind in (("prompt_id", pa.large_string()), ("tokens", pa.large_list(pa.int64())), ("sample", pa.int32())):
        table = table.set_column(table.schema.names.index(name), name, table[name].cast(kind))
    pq.write_table(table.select(sorted(table.schema.names)), exported)
    assert import_parquet(exported, PrioritizedReplay().open(seed=0)) == 3


def test_the_columns_are_those_of_the_docs():
    assert len(SCHEMA.names) == len(set(SCHEMA.names)) == 23
