"""The parts of `steelyard bench`: what they count, what they show, and that each measures something."""

import pkgutil
from pathlib import Path

import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.experiments import bench
from steelyard.experiments.bench import (
    asynchrony,
    generation,
    learner,
    limits,
    load,
    models,
    profile,
    publish,
    replay,
    rollout,
    startup,
)
from steelyard.experiments.bench.operations import generation_macs, linear_macs
from steelyard.experiments.bench.record import command_of
from steelyard.model import Architecture, FullAttention, Rotary

# D 2, M 3, one head of 2, one layer, V 5.
TINY = Architecture(
    vocab_size=5, hidden_size=2, intermediate_size=3, num_heads=1, num_kv_heads=1, head_dim=2, context_length=8,
    eps=1e-6, rotary=Rotary(1e4), attention=(FullAttention(),), tied=True, qkv_bias=False, out_bias=False,
    mlp_bias=False, qk_norm=False,
)  # fmt: skip


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random 0.2M model whose completions nothing ends."""
    return models.make("0.2M", tmp_path_factory.mktemp("bench") / "0.2M")


def test_every_module_that_measures_is_a_part():
    modules = [m.name for m in pkgutil.iter_modules(bench.__path__) if not m.ispkg]
    measuring = {name for name in modules if "def measure(" in Path(bench.__path__[0], f"{name}.py").read_text()}
    assert measuring == {*bench.PARTS, *bench.ALONE}
    assert bench.summaries().keys() == measuring


@pytest.mark.parametrize("name", bench.PARTS)
def test_a_part_says_what_it_is_and_shows_nothing_of_nothing(name: str):
    module = bench.part(name)
    settings = bench.settings_of(module)()
    assert command_of(module, settings) == f"steelyard bench {name}"
    assert settings.runs == 5
    columns, lines = module.table([])
    assert module.TITLE
    assert columns
    assert lines == []


def test_an_unknown_part():
    with pytest.raises(SteelyardError, match="unknown part 'rolout'; did you mean 'rollout'"):
        bench.part("rolout")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda: limits.Limits(runs=0), "--runs: is 0"),
        (lambda: rollout.Rollout(sizes=("3M",)), "--sizes: unknown size '3M'"),
        (lambda: rollout.Rollout(sizes=()), "--sizes: names none"),
        (lambda: rollout.Rollout(shapes=("round",)), "--shapes: unknown shape"),
        (lambda: rollout.Rollout(batches=(0,)), r"--batches: is \(0,\); use 1 or more for each"),
        (lambda: rollout.Rollout(seconds=0.0), "--seconds: is 0.0"),
        (lambda: learner.Learner(sizes=("50M",)), "--sizes: unknown size '50M'"),
        (lambda: replay.Replay(sizes=(10,)), r"--sizes: is \(10,\); use 256 or more for each"),
        (lambda: asynchrony.Asynchrony(costs=()), r"--costs: is \(\); use numbers from 1 up"),
        (lambda: asynchrony.Asynchrony(longer=0), "--longer: is 0"),
    ],
)
def test_settings_out_of_range(settings, message: str):
    with pytest.raises(SteelyardError, match=message):
        settings()


# Operations


def test_multiply_adds_by_hand():
    """Linear 4 + 4 + 4 + 4 + 3 x 6 = 34 a token. Prompt of 3, two tokens drawn: 4 tokens are read, 6 + 4 pairs at 2 x 2
    each, and the head (10) is asked twice."""
    assert linear_macs(TINY) == 34
    assert generation_macs(TINY, [3], [(3, 2)]) == 4 * 34 + 10 * 4 + 2 * 10


def test_a_shared_prompt_is_counted_once():
    alone = generation_macs(TINY, [3], [(3, 2)])
    assert generation_macs(TINY, [3, 3], [(3, 2)] * 2) == 2 * alone
    assert generation_macs(TINY, [3], [(3, 2)] * 2) == 2 * alone - (3 * 34 + 6 * 4 + 10)


def test_one_token_needs_no_step():
    assert generation_macs(TINY, [1], [(1, 1)]) == 34 + 4 + 10


# Rollouts


def test_slow_cells_draw_fewer_tokens():
    unique = rollout.SHAPES["unique"]
    assert rollout.new_tokens("0.2M", 256, unique, 5.0) == unique.new
    assert rollout.new_tokens("50M", 256, unique, 5.0) < rollout.LEAST < rollout.new_tokens("50M", 64, unique, 5.0)


@pytest.mark.parametrize("shared", [1, 4])
def test_all_engines_make_as_many_tokens(directory: Path, shared: int):
    work = generation.Work.draw(8, length=5, shared=shared, new=3, rows=4)
    assert len({tuple(prompt) for prompt in work.prompts}) == 8 // shared
    makers = [generation.native, generation.ours_on_transformers]
    makers += [lambda d, w, c=cache: generation.transformers_generate(d, w, c) for cache in ("dynamic", "static")]
    for make in makers:
        seconds, lengths = make(directory, work)()
        assert seconds > 0
        assert lengths == [3] * 8


def test_the_end_of_a_completion_counts_and_what_follows_does_not(tmp_path: Path):
    place = models.make("0.2M", tmp_path / "ends", ends=True)
    work = generation.Work.draw(8, length=5, shared=1, new=40, rows=8)
    generate = generation.transformers_generate(place, work, "dynamic")
    torch.manual_seed(0)
    _, lengths = generate()
    assert max(lengths) <= 40
    assert min(lengths) < max(lengths)


def test_a_line_of_the_rollout_table():
    def row(engine: str, seconds: list[float]) -> dict:
        return {"shape": "unique", "size": "2M", "batch": 64, "new": 32, "engine": engine, "seconds": seconds,
                "tokens": [2000, 2000], "macs": [10**10, 10**10], "gflops": [80.0, 80.0]}  # fmt: skip

    rows = [row("native", [0.5, 0.25]), row("dynamic", [1.0, 1.0])]
    columns, [line] = rollout.table(rows)
    assert columns[:6] == ["", "model", "batch", "new", "native", "generate, dynamic cache"]
    assert line == ["unique", "2M", "64", "32", "6,000 [4,000, 8,000]", "2,000", "3 [2, 4]", "80",
                    "75% [50%, 100%]"]  # fmt: skip


# The learner


def test_both_learners_have_the_same_gradients(directory: Path):
    found = learner.cell(str(directory), num_groups=2, runs=1)
    assert found["difference"] < 1e-4
    assert found["tokens"] == sum(len(t.tokens_T) for group in learner.ragged_groups(2) for t in group)
    assert {side: len(taken) for side, taken in found["seconds"].items()} == {"ours": 1, "plain": 1}


def test_gradients_that_are_apart():
    one, two = torch.tensor([1.0, 4.0]), torch.tensor([1.0, 3.0])
    assert learner.difference({"a": two}, {"a": one}) == 0.25


def test_groups_are_ragged_and_share_their_prompt():
    [first, second] = learner.ragged_groups(2)
    prompts = [{tuple(t.tokens_T[~t.action_T]) for t in group} for group in (first, second)]
    assert [len(p) for p in prompts] == [1, 1]
    assert len({len(t.tokens_T) for t in first}) > 1


# Replay, processes, limits


@pytest.mark.parametrize("store", replay.OURS)
def test_our_buffer_is_filled_and_drawn_from(store: str, tmp_path: Path):
    found = replay.ours(store, 300, tmp_path)
    assert found["draws_per_s"] > 0
    assert found["bytes"] > 4 * 3 * replay.STEPS
    assert found.keys() == replay._COLUMNS.keys()


def test_a_line_of_the_replay_table():
    rows = [{"size": 1000, "store": store, **{key: [rate] for key in replay._COLUMNS}}
            for store, rate in (("ours", 10.0), ("list", 2.0))]  # fmt: skip
    columns, lines = replay.table(rows)
    assert columns[:5] == ["trajectories", "", "adds/s", "draws/s", "ours / it"]
    assert [line[4] for line in lines] == ["", "5"]


def test_a_trajectory_really_crosses():
    [taken] = publish._crossings(2, runs=1)
    assert 0 < taken < 1000
    assert publish.trajectory(3).tokens_T.shape == (publish.STEPS,)


def test_products_and_copies_have_rates(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "COPIED", 2**16)
    assert limits.gflops(8, 8, 8, repeats=2) > 0
    assert limits.copy_gb_per_s() > 0


def test_a_run_that_makes_no_step_is_named(tmp_path: Path):
    with pytest.raises(SteelyardError, match=r"train no-such-recipe: no step in \d+ s, exit code 2"):
        startup.to_first_step("no-such-recipe", "inline", tmp_path)


def test_lines_of_the_asynchrony_table():
    def row(system: str, seed: int, seconds: float | None, rate: float) -> dict:
        return {"cost": 4, "system": system, "seed": seed, "seconds_to_80": seconds, "steps_to_80": 10.0,
                "steps_per_s": rate, "learner_idle": 0.05, "searcher_idle": 0.0}  # fmt: skip

    rows = [row("sync", 0, 20.0, 1.0), row("sync", 1, 30.0, 1.0)]
    rows += [row("local, 4 searchers", 0, 5.0, 4.0), row("local, 4 searchers", 1, None, 4.0)]
    _, [sync, local] = asynchrony.table(rows)
    assert sync[:4] == ["4 x", "sync", "25 [20, 30]", "1"]
    assert sync[-2:] == ["", ""]
    assert local[2:4] == ["5 (1 never)", "4"]
    assert local[6:8] == ["4", "0.05"]


def test_random_models_are_as_large_as_they_are_called():
    for size in models.SIZES:
        named = float(size[:-1]) * 1e6
        parameters = sum(int(np.prod(shape)) for shape in rollout._architecture(size).shapes().values())
        assert 0.8 * named < parameters < 1.5 * named, (size, parameters)


# The profile


@pytest.mark.parametrize(
    ("operation", "kind"),
    [("aten::mm", "matrix products"), ("aten::bmm", "attention"), ("mkldnn::_linear_pointwise", "matrix products"),
     ("aten::_softmax", "attention"), ("aten::_log_softmax", "log-softmax, sampling"),
     ("aten::mul", "other operations"), ("aten::_scaled_dot_product_flash_attention_for_cpu", "attention"),
     ("aten::cat", "copies")],
)  # fmt: skip
def test_operations_have_kinds(operation: str, kind: str):
    assert profile.kind_of(operation) == kind


def test_shares_are_of_everything():
    found = profile.shares(lambda: torch.randn(64, 64) @ torch.randn(64, 64))
    assert found["matrix products"] > 0
    assert sum(found.values()) == pytest.approx(1.0)


def test_the_parts_of_a_run_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(profile, "STEPS", 1)
    found = profile.parts_of_run(tmp_path)
    whole = found.pop("all")
    assert set(found) == {
        "draw completions",
        "searcher besides",
        "learner's step",
        "buffer: add",
        "buffer: draw",
        "the rest",
    }
    assert sum(found.values()) == pytest.approx(whole)
    assert min(found.values()) >= 0


# Load


def test_a_line_of_the_load_table():
    def row(searchers: int, step_s: list[float]) -> dict:
        same = {name: [2.0, 4.0] for name in load._COLUMNS}
        return {"searchers": searchers, "rate": None, "step_s": step_s, "draws_ms": [[1.0], [3.0]],
                "waits_ms": [[], []], **same}  # fmt: skip

    columns, lines = load.table([row(1, [0.1, 0.2]), row(1024, [0.2, 0.6])])
    assert columns[:3] == ["searchers", "offered/s", "stored/s"]
    assert lines[0][:3] == ["1", "all", "3 [2, 4]"]
    assert lines[0][-1] == "1"
    assert lines[1][0] == "1,024"
    assert lines[1][-3:] == ["2, 2.98", "", "2.5 [2, 3]"]
