"""The mean of weights: by hand, of reward models too, and what has none."""

import pytest
import torch
from safetensors.torch import load_file, save_file

import steelyard
from steelyard.cli import main
from steelyard.policy import Policy
from steelyard.reward.scorer import Scorer


def shifted(model, place, by):
    """The model with every weight moved."""
    policy = Policy.load(str(model))
    with torch.no_grad():
        for parameter in policy.trainable().values():
            parameter += by
    policy.save(place)
    return str(place)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_by_hand(family, tiny_model_dir, tmp_path):
    models = tuple(shifted(tiny_model_dir(family), tmp_path / f"{by}", by) for by in (0.25, 0.5, 0.0))
    run = steelyard.train("average", models=models, output_dir=str(tmp_path / "run"), report=False).run_dir
    first, mean = (load_file(f"{place}/model.safetensors") for place in (models[2], run / "model"))
    assert first.keys() == mean.keys()
    for name in mean:
        assert torch.allclose(mean[name], first[name] + 0.25), name
    assert Policy.load(str(run / "model")).num_parameters() == Policy.load(models[0]).num_parameters()


def test_the_mean_of_one_model_is_itself_bit_for_bit(tiny_model_dir, tmp_path):
    model = str(tiny_model_dir("llama"))
    run = steelyard.train("average", models=(model,) * 3, output_dir=str(tmp_path / "run"), report=False).run_dir
    one, mean = (load_file(f"{place}/model.safetensors") for place in (model, run / "model"))
    assert all(torch.equal(one[name], mean[name]) for name in one)


def test_reward_models_have_a_mean(tiny_model_dir, tmp_path):
    for seed in (0, 1):
        Scorer.load(str(tiny_model_dir("llama")), new_head=seed).save(tmp_path / f"r{seed}")
    models = (f"{tmp_path}/r0", f"{tmp_path}/r1")
    run = steelyard.train("average", models=models, output_dir=str(tmp_path / "run"), report=False).run_dir
    heads = [Scorer.load(str(place)).head.weight for place in (*models, run / "model")]
    assert torch.allclose(heads[2], (heads[0] + heads[1]) / 2)


@pytest.mark.parametrize("dry", [[], ["--dry-run"]], ids=["run", "dry"])
def test_what_has_no_mean_is_one_line(dry, tiny_model_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    llama, other = str(tiny_model_dir("llama")), str(tiny_model_dir("gpt2"))
    Policy.load(llama).save(tmp_path / "whole")
    tensors = load_file(tmp_path / "whole" / "model.safetensors")
    save_file({name: t.int() for name, t in tensors.items()}, tmp_path / "whole" / "model.safetensors")
    for models, said in (
        ([], "--models: is missing"),
        ([llama, other], "its tensor "),
        ([llama, "./nowhere"], "no such directory"),
        (["whole", "whole"], "of which there is no mean"),
    ):
        flags = ["--models", *models] if models else []
        assert main(["train", "average", *flags, "--output-dir", "run", *dry]) == 2
        assert said in capsys.readouterr().err.splitlines()[-1]
    assert not (tmp_path / "run").exists()
