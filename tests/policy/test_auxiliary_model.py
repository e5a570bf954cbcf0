"""A model that a task reads is known by its files: what is refused later is refused now, and its bytes are counted."""

from dataclasses import replace
from pathlib import Path

import pytest

from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.policy.auxiliary_model import AuxiliaryModel

VICTIM = AuxiliaryModel("steelyard/red-team-victim")


def test_bytes_by_kind_without_reading_a_number(tiny_model_dir) -> None:
    assert VICTIM.check("victim") == 4 * Policy.load(VICTIM.model).num_parameters()
    assert replace(VICTIM, dtype="bfloat16").check("victim") == VICTIM.check("victim") // 2
    for family in ("llama", "gpt2"):  # read by ourselves, and by transformers
        model = str(tiny_model_dir(family))
        assert AuxiliaryModel(model).check("victim") == 4 * Policy.load(model).num_parameters()
    scorer = AuxiliaryModel("steelyard/shortening-proxy", "reward model")
    assert scorer.check("judge") == replace(scorer, kind="classifier", label="LABEL_0").check("judge") == 4 * 85_056


def test_where_it_is(tiny_model_dir) -> None:
    model = str(tiny_model_dir("llama"))
    assert AuxiliaryModel(model).place("victim") == model
    assert AuxiliaryModel("nobody/x").place("victim") is None


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (AuxiliaryModel(""), "thing: is not named; name a directory or a hub id"),
        (AuxiliaryModel("./no"), "thing: no such directory: './no'"),
        (AuxiliaryModel("nobody/x"), "thing: no model can be loaded from nobody/x"),
        (replace(VICTIM, chat=True), "thing: steelyard/red-team-victim has no chat template"),
        (replace(VICTIM, kind="reward model"), "thing: steelyard/red-team-victim is no reward model: it has no head"),
        (
            AuxiliaryModel("steelyard/shortening-proxy"),
            "thing: steelyard/shortening-proxy gives scores and writes no text",
        ),
        (
            AuxiliaryModel("steelyard/shortening-proxy", "classifier", label="hate"),
            "has no label 'hate'; choose one of",
        ),
    ],
)
def test_what_it_refuses(wrong: AuxiliaryModel, said: str) -> None:
    with pytest.raises(SteelyardError, match=said):
        wrong.check("thing")


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_file_that_is_cut_short(family: str, tiny_model_dir, tmp_path: Path) -> None:
    for path in tiny_model_dir(family).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(SteelyardError, match="victim: no model can be loaded from"):
        AuxiliaryModel(str(tmp_path)).check("victim")
