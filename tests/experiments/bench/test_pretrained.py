"""The bench of a model of one's own, on a random one."""

import pytest

from steelyard.core import SteelyardError
from steelyard.experiments.bench import models, pretrained
from steelyard.experiments.bench.pretrained import Pretrained
from steelyard.rollout.int8_projection import int8_works


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """A random model that a token ends: the bench must not let it."""
    return str(models.make("0.2M", tmp_path_factory.mktemp("bench") / "0.2M", ends=True))


def test_both_engines_draw_all_their_tokens_and_agree(directory):
    found = pretrained.cell(directory, rows=16, new=40, runs=2)
    engines = ["ours", *(["int8"] if int8_works() else [])]
    assert {side: len(taken) for side, taken in found["seconds"].items()} == dict.fromkeys([*engines, "generate"], 2)
    assert [*found["differences"]] == engines
    assert found["differences"]["ours"][1] < 1e-4
    prompts = pretrained._prompts(directory, 16)
    assert [len(t.tokens_T) for t in pretrained._ours(directory, prompts, 40)()] == [16 + 40] * 16


@pytest.mark.parametrize("side", ["ours", "generate", "learner"])
def test_a_side_alone_says_its_seconds_and_its_peak(directory, side):
    found = pretrained.cell(directory, rows=16, new=3, runs=1, alone=side)
    assert len(found["seconds"]) == 1
    assert found["peak_mib"] > 100  # the interpreter and torch alone have more


def test_the_table_by_hand():
    rows = [
        {"side": "ours", "tokens": 512, "seconds": [4.0, 8.0, 2.0], "peak_mib": 3000.4, "differences": [1e-6, 2.34e-5]},
        {"side": "generate", "tokens": 512, "seconds": [8.0, 16.0, 16.0], "peak_mib": 4000.0, "differences": []},
        {"side": "learner", "tokens": 512, "seconds": [4.0, 4.0, 4.0], "peak_mib": 2000.0, "differences": []},
    ]
    _, (ours, generate, learner) = pretrained.table(rows)
    assert ours == ["ours", "128 [64, 256]", "2 [2, 8]", "1e-06", "2e-05", "3000"]
    assert generate == ["generate", "32 [32, 64]", "", "", "", "4000"]
    assert learner == ["learner", "128", "", "", "", "2000"]


@pytest.mark.parametrize("model", ["", "nowhere"])
def test_a_model_is_a_directory(model, tmp_path):
    with pytest.raises(SteelyardError, match=r"--model: .* is no directory; name one that save_pretrained wrote"):
        pretrained.measure(Pretrained(model), tmp_path, print)
