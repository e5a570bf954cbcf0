"""The recipes for real models: each planned as it is, and a few real steps on a tiny random model of the same family.

The model has the family's architecture and a byte-level BPE tokenizer that is trained here; the data has the columns of
the real data set. Nothing is fetched. What a recipe settles (objective, replay, schedules, searchers, template, reward)
stays as it is; only sizes are cut, and where a part is not on this machine a local one takes its place.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Trajectory
from steelyard.recipes import load, names, train
from steelyard.recipes.plan import plan
from steelyard.replay import Prioritised
from steelyard.report import read_run
from steelyard.runtime import HeldOut, Run

FEW = HeldOut(every=2, prompts=4, sampled_prompts=2, samples=3)
CHAT = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"


def gsm8k_rows(numbers: range) -> list[dict[str, str]]:
    return [
        {"question": f"Ann has {n} pears and buys {n} more. How many has she?",
         "answer": f"She has {n}+{n}=<<{n}+{n}={2 * n}>>{2 * n} pears.\n#### {2 * n}"}
        for n in numbers
    ]  # fmt: skip


def math_rows(numbers: range) -> list[dict[str, str]]:
    return [
        {"problem": f"What is half of ${n}$?", "level": "Level 1", "type": "Prealgebra",
         "solution": f"Half of ${n}$ is ${n} \\div 2 = \\boxed{{\\frac{{{n}}}{{2}}}}$."}
        for n in numbers
    ]  # fmt: skip


def tldr_rows(numbers: range) -> list[dict[str, str]]:
    return [{"prompt": f"SUBREDDIT: r/pears\n\nPOST: I had {n} pears.\n\nTL;DR:"} for n in numbers]


Change = Callable[[Path, Path], dict[str, Any]]
"""(directory of the tiny model, where to write) -> fields of the task that take the place of what is elsewhere."""


def _files(rows: Callable[[range], list[dict[str, str]]]) -> Change:
    def change(_: Path, place: Path) -> dict[str, Any]:
        numbers = {"path": range(10, 60), "held_out": range(60, 70)}
        return {name: _write(place / f"{name}.jsonl", rows(some)) for name, some in numbers.items()}

    return change


def _judged(model: Path, place: Path) -> dict[str, Any]:
    from steelyard.reward.scorer import Scorer

    Scorer.load(str(model), new_head=0).save(place / "reward-model")
    return _files(tldr_rows)(model, place) | {"reward_model": str(place / "reward-model")}


def _classified(model: Path, place: Path) -> dict[str, Any]:
    """The victim is the attacker's twin; the judge a random RoBERTa."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    config = transformers.RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        pad_token_id=0, max_position_embeddings=256, id2label={0: "nothate", 1: "hate"},
    )  # fmt: skip
    for part in (transformers.AutoModelForSequenceClassification.from_config(config), tokenizer):
        part.save_pretrained(place / "judge")
    return {"victim": str(model), "judge": str(place / "judge"), "reply_tokens": 4, "min_tokens": 1}


def _guarded(model: Path, _: Path) -> dict[str, Any]:
    """Victim and guard are the attacker's twins, with a chat template."""
    return {"victim": str(model), "judge": str(model), "reply_tokens": 4, "min_tokens": 1}


@dataclass(frozen=True)
class Real:
    """A recipe, what it takes to run it here, and what its plan must say."""

    family: str
    change: Change
    batch: tuple[int, int]
    episodes: int
    beta: tuple[float, float]
    prompts: tuple[int, int] = (50, 10)
    runtime: str = "inline"
    """Of the steps here: processes of their own would each import transformers, for families that we cannot read."""


RECIPES = {
    "gsm8k": Real("llama", _files(gsm8k_rows), (7, 20), 140_000, (0.012, 0.004), runtime="local"),
    "math": Real("qwen2", _files(math_rows), (32, 16), 204_800, (0.005, 0.005)),
    "tldr": Real("gpt_neox", _judged, (8, 20), 40_960, (1.0, 0.05)),
    "red-team-gpt2": Real("gpt2", _classified, (1, 128), 640_000, (0.05, 0.05), (1, 1)),
    "red-team-llama": Real("llama", _guarded, (1, 128), 640_000, (0.05, 0.05), (1, 1)),
}


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`tiny(recipe)`: the directory of a random model of the recipe's family, with a tokenizer of its kind."""
    made: dict[str, Path] = {}

    def directory(name: str) -> Path:
        family = RECIPES[name].family
        if family not in made:
            made[family] = _save(tmp_path_factory.mktemp(family), family)
        return made[family]

    return directory


def _save(place: Path, family: str) -> Path:
    import tokenizers
    import torch
    import transformers

    inner = tokenizers.ByteLevelBPETokenizer()
    rows = [row for kind in (gsm8k_rows, math_rows, tldr_rows) for row in kind(range(100))]
    inner.train_from_iterator([text for row in rows for text in row.values()], vocab_size=400,
                              special_tokens=["<|endoftext|>"], show_progress=False)  # fmt: skip
    named = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner._tokenizer, **named)
    tokenizer.chat_template = CHAT
    config = transformers.AutoConfig.for_model(
        family, vocab_size=len(tokenizer), bos_token_id=None, eos_token_id=0, pad_token_id=0, intermediate_size=64,
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=256,
        **({"num_key_value_heads": 2} if family in ("llama", "qwen2") else {}),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def _answered(prompt: Prompt, completion: str) -> Episode:
    token = np.zeros(1, np.int32), np.ones(1, bool), np.zeros(1, np.float32)
    return Episode(prompt, completion, Trajectory(prompt.id, *token, 0, "d", Sampling(), "stop"))


def _write(path: Path, rows: list[dict[str, str]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def _here(name: str, tiny: Callable[[str], Path], tmp_path: Path) -> Run:
    """The recipe on a tiny model and data of one's own, in small batches; all else is the recipe's."""
    run = load(name)
    task = replace(run.task, **RECIPES[name].change(tiny(name), tmp_path))
    replay = replace(run.replay, warmup=6) if isinstance(run.replay, Prioritised) else run.replay
    few = min(2, run.num_prompts)
    return replace(
        run, model=str(tiny(name)), task=task, replay=replay, max_steps=3, num_prompts=few, search_prompts=few,
        num_generations=3, num_searchers=min(2, run.num_searchers), max_completion_length=8, evaluation=FEW,
        save_steps=0, output_dir=str(tmp_path / "run"), runtime=RECIPES[name].runtime,
    )  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_the_plan_of_the_recipe_as_it_is(name):
    real, run = RECIPES[name], load(name)
    found = plan(run, name)
    assert found["prompts"].get("fetches") == getattr(run.task, "path", None)
    assert found["model"] == {"model": run.model, "fetches": run.model}
    assert (found["samples"]["prompts_per_step"], found["samples"]["samples_per_prompt"]) == real.batch
    assert found["samples"]["episodes"] == real.episodes
    assert [found["schedule"][at]["beta"] for at in (0, -1)] == [pytest.approx(beta) for beta in real.beta]


@pytest.mark.parametrize("name", RECIPES)
def test_the_plan_on_a_model_of_the_family(name, tiny, tmp_path):
    run = _here(name, tiny, tmp_path)
    found = plan(run, name)
    assert (found["prompts"]["train"], found["prompts"]["held_out"]) == RECIPES[name].prompts
    assert 5 < found["prompts"]["longest_tokens"] < 200
    assert found["model"]["parameters"] > 10_000
    assert found["memory"]["total"] > 0
    assert not Path(str(run.output_dir)).exists()
    with pytest.raises(SteelyardError, match="context"):
        plan(replace(run, max_completion_length=250), name)


@pytest.mark.parametrize("name", RECIPES)
def test_a_few_real_steps(name, tiny, tmp_path):
    """With the recipe's own schedules, replay, adapters and number format."""
    result = train(_here(name, tiny, tmp_path), name=name, report=False)
    records = read_run(result.run_dir)
    assert result.summary["steps"] == 3
    rates = [row["learner/learning_rate"] for row in records.metrics]
    assert rates == [pytest.approx(load(name).learning_rate * load(name).optimizer.schedule(step)) for step in range(3)]
    assert all(row["learner/grad_norm"] >= 0 for row in records.metrics)
    assert {"eval/accuracy", "eval/distinct_correct", "eval/length_mean", "eval/truncated"} <= records.evals[-1].keys()
    assert records.evals[-1]["eval/errors"] == 0
    assert not records.quarantine and not records.faults


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("gsm8k", ["2 times 12.\n#### 24", "\\boxed{24}", "She has 24"], ["#### 25", "", "She has 2"]),
        ("math", ["\\boxed{6}", "so $\\frac{12}{2}$", "It is 6.0"], ["\\boxed{12}", "half", "\\boxed{"]),
    ],
)
def test_answers_from_the_columns_of_the_real_data(name, right, wrong, tmp_path):
    rows = {"gsm8k": gsm8k_rows, "math": math_rows}[name]
    paths = {split: _write(tmp_path / f"{split}.jsonl", rows(numbers))
             for split, numbers in (("path", range(12, 14)), ("held_out", range(14, 15)))}  # fmt: skip
    with replace(load(name).task, **paths) as task:
        prompt = task.prompts("train")[0]
        scores = [score.value for score in task.score([_answered(prompt, text) for text in [*right, *wrong]])]
    assert scores == [1.0] * len(right) + [0.0] * len(wrong)


def test_the_prompt_of_gsm8k_is_that_of_its_sft_model(tmp_path):
    task = replace(load("gsm8k").task, path=_write(tmp_path / "a.jsonl", gsm8k_rows(range(3))), held_out_share=0.5,
                   held_out="")  # fmt: skip
    prompts = {str(p.text) for split in ("train", "held-out") for p in task.prompts(split)}
    assert "[MATH_TASK] Problem:\nAnn has 2 pears and buys 2 more. How many has she?\n\nSolution:" in prompts


def test_every_recipe_for_a_hub_model_is_proven_here():
    remote = {n for n in names() if "/" in load(n).model and not load(n).model.startswith("steelyard/")}
    assert remote == {*RECIPES}
