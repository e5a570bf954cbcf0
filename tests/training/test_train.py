"""The Python way in, and the three kinds of data on the four kinds of model, end to end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import steelyard
from steelyard.core import SteelyardError
from steelyard.objective import TIS, VarGradTB
from steelyard.replay import SingleUse
from steelyard.replay.inspect import open_view
from steelyard.runtime import HeldOut, Run, VirtualClock
from steelyard.task import Gym, Rows
from steelyard.training.run_directory import read_finished_run

FEW = {
    "runtime": "inline",
    "max_steps": 2,
    "num_prompts": 4,
    "num_generations": 2,
    "search_prompts": 4,
    "evaluation": HeldOut(every=2, prompts=4, sampled_prompts=2, samples=2),
}


def finished(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


def test_train_with_a_reward_of_ones_own(tmp_path: Path) -> None:
    def brief(prompts: list, completions: list, **columns: object) -> list[float]:
        assert set(columns) == {"answer"}
        return [-float(len(c)) for c in completions]

    result = steelyard.train("arithmetic", reward=brief, output_dir=str(tmp_path / "run"), **FEW)
    assert finished(result.run_dir) == [
        ".lock",
        "checkpoint-2",
        "config.json",
        "data.json",
        "eval.jsonl",
        "events.jsonl",
        "metrics.jsonl",
        "model",
        "replay.sqlite",
        "replay.sqlite.lock",
        "report.html",
        "result.json",
        "samples.jsonl",
    ]
    assert json.loads((result.run_dir / "result.json").read_text()) == dict(result.summary)
    assert result.summary["steps"] == 2
    assert read_finished_run(result.run_dir).run.max_steps == 2


def test_several_rewards_with_weights_are_columns_of_the_records(tmp_path: Path) -> None:
    def brief(prompts: list, completions: list, **columns: object) -> list[float]:
        return [-float(len(c)) for c in completions]

    def ones(prompts: list, completions: list, **columns: object) -> list[float]:
        return [1.0 for _ in completions]

    result = steelyard.train("arithmetic", reward=[brief, (ones, 0.5)], output_dir=str(tmp_path / "run"), **FEW)
    last = json.loads((result.run_dir / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["search/reward/ones"] == 1.0
    assert last["search/reward_mean"] == pytest.approx(last["search/reward/brief"] + 0.5)
    measured = json.loads((result.run_dir / "eval.jsonl").read_text().splitlines()[-1])
    assert measured["eval/reward_mean"] == pytest.approx(measured["eval/reward/brief"] + 0.5)
    assert "eval/verifier_accuracy" in measured
    with open_view(result.run_dir / "replay.sqlite") as view:
        stored = [t for _, t in view.trajectories()]
    assert all(t.reward_parts["ones"] == 1.0 and t.reward == t.reward_parts["brief"] + 0.5 for t in stored)


@pytest.mark.parametrize(
    "reward", [{}, 5, [], (), 0, False, [5], object()], ids=str.split("dict 5 list tuple 0 False [5] object")
)
def test_what_is_no_reward_is_refused_before_anything_is_written(reward: object, tmp_path: Path) -> None:
    with pytest.raises(SteelyardError, match=r"^reward: "):
        steelyard.train("arithmetic", reward=reward, output_dir=str(tmp_path / "run"), **FEW)
    assert not (tmp_path / "run").exists()


def test_what_is_wrong_is_said_before_anything_is_written(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    for settings, message in (
        ({"max_stepz": 3}, "max_steps"),
        ({"model": ""}, "--model: is missing"),
        ({"model": "./nowhere"}, "nowhere"),
        ({"max_completion_length": 500}, "context"),
    ):
        with pytest.raises(SteelyardError, match=message):
            steelyard.train("arithmetic", **{"output_dir": out, **FEW, **settings})
        assert not (tmp_path / "run").exists()
    with pytest.raises(SteelyardError, match="arithmetic"):
        steelyard.train("arithmetik")


def gsm8k(path: Path) -> Path:
    lines = [
        {"question": f"{a}+{b}=", "answer": f"{a} and {b} make <<{a}+{b}={a + b}>>{a + b}\n#### {a + b}"}
        for a in range(6)
        for b in range(6)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "gpt-neox"])
def test_gsm8k_shaped_rows_on_every_model_family(
    tiny_model_dir: Callable[[str], Path], tmp_path: Path, family: str
) -> None:
    task = Rows(path=str(gsm8k(tmp_path / "rows.jsonl")), held_out_share=0.3)
    run = Run(task=task, objective=VarGradTB(), model=str(tiny_model_dir(family)), max_completion_length=6)
    result = steelyard.train(run, output_dir=str(tmp_path / "run"), **FEW)
    assert result.summary["steps"] == 2
    assert result.summary["verifier_errors"] == 0


@pytest.mark.parametrize("dataset", ["chain_sum", "basic_arithmetic", "gcd"])
def test_reasoning_gym_data_sets(tiny_model_dir: Callable[[str], Path], tmp_path: Path, dataset: str) -> None:
    pytest.importorskip("reasoning_gym")
    import transformers

    # The family's own tiny context is 64 tokens; these questions are longer than that.
    wide = tmp_path / "wide"
    config = transformers.AutoConfig.from_pretrained(tiny_model_dir("llama"))
    config.max_position_embeddings = 1024
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(wide)
    transformers.AutoTokenizer.from_pretrained(tiny_model_dir("llama")).save_pretrained(wide)
    run = Run(
        task=Gym(dataset=dataset, size=40, held_out_share=0.3),
        objective=VarGradTB(),
        model=str(wide),
        max_completion_length=6,
    )
    result = steelyard.train(run, output_dir=str(tmp_path / "run"), **FEW)
    assert result.summary["steps"] == 2


def test_adapters_are_trained_and_merged(tiny_model_dir: Callable[[str], Path], tmp_path: Path) -> None:
    import transformers

    task = Rows(path=str(gsm8k(tmp_path / "rows.jsonl")), held_out_share=0.3)
    run = Run(
        task=task, objective=VarGradTB(), model=str(tiny_model_dir("qwen3")), max_completion_length=6, lora_rank=2
    )

    def letters(prompts: list, completions: list, **columns: object) -> list[float]:
        return [float(len(set(c))) for c in completions]

    result = steelyard.train(run, reward=letters, learning_rate=1e-2, output_dir=str(tmp_path / "run"), **FEW)
    before = transformers.AutoModelForCausalLM.from_pretrained(tiny_model_dir("qwen3")).state_dict()
    after = transformers.AutoModelForCausalLM.from_pretrained(result.run_dir / "model").state_dict()
    assert before.keys() == after.keys()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed
    assert all("proj" in name for name in changed)


@pytest.mark.parametrize(("rate", "warned"), [(5e-3, 1), (1e-7, 0)])
def test_a_gauge_beyond_its_bound_is_in_the_result(rate: float, warned: int, tmp_path: Path) -> None:
    """Weights that move far between a sample and its step leave a few samples with all the weight; others do not."""
    result = steelyard.train(
        "arithmetic", objective=TIS(max_length=20), runtime="inline", learning_rate=rate, report=False, max_steps=12,
        inline=VirtualClock(learn_cost=0.0, publication_lag=6), replay=SingleUse(), num_prompts=16, search_prompts=16,
        num_generations=8, evaluation=HeldOut(every=12, prompts=4, sampled_prompts=2, samples=2),
        output_dir=str(tmp_path / "run"),
    )  # fmt: skip
    stored = json.loads((result.run_dir / "result.json").read_text())
    few = [text for text in stored.get("warnings", []) if text.startswith("effective sample size")]
    assert len(few) == warned
    assert all("lower --max-staleness or --learning-rate" in text for text in few)
