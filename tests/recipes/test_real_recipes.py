"""The recipes for real models: each planned as it is, and a few real steps on a tiny random model of the same family.

The model has the family's architecture and a tokenizer of its kind that is trained here: byte-level BPE, but for
RhoMath, a Llama 2, the BPE with byte fallback that a SentencePiece model becomes. The data has the columns of the real
data set. Nothing is fetched. What a recipe settles (objective, replay, schedules, searchers, template, reward) stays as
it is; only sizes are cut, and where a part is not on this machine a local one takes its place.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policy.encoders import save_encoder
from steelyard import train
from steelyard.core import Episode, Prompt, Sampling, SteelyardError, Trajectory
from steelyard.policy import Policy
from steelyard.recipes import find, load, names
from steelyard.replay import PrioritizedReplay
from steelyard.report import read_run
from steelyard.runtime import HeldOut, Run
from steelyard.training.plan import plan

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
    """The victim is the attacker's twin; the judge a random RoBERTa, the embedder a BERT."""
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    config = transformers.RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        pad_token_id=0, max_position_embeddings=256, id2label={0: "nothate", 1: "hate"},
    )  # fmt: skip
    for part in (transformers.AutoModelForSequenceClassification.from_config(config), tokenizer):
        part.save_pretrained(place / "judge")
    return _guarded(model, place) | {"judge": str(place / "judge")}


def _guarded(model: Path, place: Path) -> dict[str, Any]:
    """Victim and guard are the attacker's twins, with a chat template; the embedder is a random BERT."""
    embedder = save_encoder(place / "embedder")
    return {"victim": str(model), "judge": str(model), "embedder": embedder, "reply_tokens": 4, "min_tokens": 1}


def _twin(model: Path, place: Path) -> dict[str, Any]:
    """The victim is the attacker's twin, and a function the judge."""
    return {
        "victim": str(model),
        "reply_tokens": 4,
        "embedder": save_encoder(place / "embedder"),
        "prompt": "Some words to begin with",
    }


@dataclass(frozen=True)
class Real:
    """A recipe, what it takes to run it here, and what its plan must say."""

    family: str
    change: Change
    settings: dict[str, Any]
    """Flag -> what the paper gives for it, and what follows from the paper."""
    episodes: int
    beta: dict[int, float]
    """By step."""
    prompts: tuple[int, int] = (50, 10)
    runtime: str = "inline"
    """Of the steps here: processes of their own would each import transformers, for families that we cannot read."""


GSM8K = {
    "objective": "VarGradTB", "replay": "PrioritizedReplay", "--model": "realtreetune/rho-1b-sft-GSM8K",
    "--num-searchers": 3, "--learning-rate": 1e-5, "--optimizer.schedule.warmup": 50,
    "--optimizer.schedule.stable": 450,
    "--optimizer.schedule.decay": 500, "--max-steps": 1000, "--max-completion-length": 512, "--temperature": 0.7,
    "--num-prompts": 7, "--num-generations": 20, "--search-generations": 24, "--weight-sync-steps": 2,
    "--replay.recent-probability": 0.95, "--replay.warmup": 500, "--beta": 0.012, "--beta-final": 0.004,
    "--beta-steps": 500,
}  # fmt: skip
MATH = {
    "objective": "TBAPrime", "replay": "SingleUse", "--model": "Qwen/Qwen2.5-7B", "--learning-rate": 1e-6,
    "--max-steps": 400, "--max-completion-length": 3072 - 1024, "--temperature": 1.0, "--num-prompts": 32,
    "--num-generations": 16, "--beta": 0.005, "--clamp": 8.0, "--reference-reset": 50,
}  # fmt: skip
TLDR = {
    "objective": "VarGradTB", "replay": "PrioritizedReplay", "--num-searchers": 3, "--learning-rate": 3e-6,
    "--optimizer.schedule.stable": 0, "--optimizer.schedule.decay": 256, "--max-steps": 256,
    "--max-completion-length": 128, "--temperature": 0.7, "--num-prompts": 8, "--num-generations": 20,
    "--weight-sync-steps": 10, "--replay.recent-probability": 0.5, "--replay.reward-temperature": 1.0,
    "--replay.warmup": 10_000, "--beta": 1.0, "--beta-final": 0.05, "--beta-steps": 32,
}  # fmt: skip
GPT2 = {
    "objective": "VarGradTB", "replay": "PrioritizedReplay", "--max-steps": 5000, "--num-prompts": 1,
    "--num-generations": 128, "--weight-sync-steps": 10, "--beta": 0.05, "--lora-rank": 32, "--num-searchers": 2,
    "--replay.capacity": 100_000, "--replay.recent-probability": 0.5,
    "--embedder": "sentence-transformers/all-MiniLM-L6-v2",
}  # fmt: skip
LLAMA = {**GPT2, "--num-searchers": 6, "--replay.capacity": 130_000, "--replay.recent-probability": 0.6}
EEE = {
    "objective": "Reinforce", "replay": "SingleUse", "--max-completion-length": 10,
    "--model": "openai-community/gpt2-large",
    "--beta": 0.05, "--reply-tokens": 20,
}  # fmt: skip
FALLING = {0: 0.012, 249: 0.012 - 0.008 * 249 / 500, 749: 0.004, 999: 0.004}

RECIPES = {
    "gsm8k": Real("llama", _files(gsm8k_rows), GSM8K, 140_000, FALLING, runtime="local"),
    "math": Real("qwen2", _files(math_rows), MATH, 204_800, {0: 0.005, 199: 0.005, 399: 0.005}),
    **{
        name: Real("gpt_neox", _judged, {**TLDR, "--model": model}, 40_960, {0: 1.0, 63: 0.05, 255: 0.05})
        for name, model in (
            ("tldr", "mnoukhov/pythia410m-sft-tldr"),
            ("tldr-1b", "mnoukhov/pythia1b-sft-tldr"),
            ("tldr-2b8", "mnoukhov/pythia2.8b-sft-tldr"),
        )
    },
    "red-team-gpt2": Real("gpt2", _classified, GPT2, 640_000, {0: 0.05, 4999: 0.05}, (1, 1)),
    "eee-redteam": Real("gpt2", _twin, EEE, 640_000, {0: 0.05, 4999: 0.05}, (1, 1)),
    "red-team-llama": Real("llama", _guarded, LLAMA, 640_000, {0: 0.05, 4999: 0.05}, (1, 1)),
}
"""The settings of the paper's appendix B, its tables and its published code; the m of GPT-2's red-teaming is ours."""
RHO = "gsm8k"
"""The recipe whose model is of the family of Llama 2, tokenizer included."""


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """`tiny(recipe)`: the directory of a random model of the recipe's family, with a tokenizer of its kind."""
    made: dict[str, Path] = {}

    def directory(name: str) -> Path:
        family = RECIPES[name].family
        kind = f"{family}-2" if name == RHO else family
        if kind not in made:
            tokenizer = _sentencepiece() if name == RHO else _byte_level()
            made[kind] = _save(tmp_path_factory.mktemp(kind), family, tokenizer)
        return made[kind]

    return directory


def _byte_level() -> Any:
    """As of GPT-2, Pythia, Qwen and Llama 3."""
    import tokenizers
    import transformers

    inner = tokenizers.ByteLevelBPETokenizer()
    inner.train_from_iterator(_texts(), vocab_size=400, special_tokens=["<|endoftext|>"], show_progress=False)
    named = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner._tokenizer, **named)


def _sentencepiece() -> Any:
    """As of Llama 2: words begin with a mark in place of their space, unknown letters are bytes, <s> goes first."""
    import tokenizers
    import transformers
    from tokenizers import decoders, models, normalizers, processors, trainers

    named = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    inner = tokenizers.Tokenizer(models.BPE())
    inner.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=244, special_tokens=[*named.values()], show_progress=False)
    inner.train_from_iterator(_texts(), trainer)
    # Bytes join the vocabulary afterwards: as special tokens of the trainer they would be left out of what is decoded.
    trained = json.loads(inner.to_str())["model"]
    vocab = trained["vocab"] | {f"<0x{byte:02X}>": len(trained["vocab"]) + byte for byte in range(256)}
    merges = [tuple(pair) for pair in trained["merges"]]
    inner.model = models.BPE(vocab=vocab, merges=merges, byte_fallback=True, unk_token="<unk>")
    inner.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    inner.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", vocab["<s>"])])
    return transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **named)


def _texts() -> list[str]:
    return [text for kind in (gsm8k_rows, math_rows, tldr_rows) for row in kind(range(100)) for text in row.values()]


def _save(place: Path, family: str, tokenizer: Any) -> Path:
    import torch
    import transformers

    tokenizer.chat_template = CHAT
    config = transformers.AutoConfig.for_model(
        family, vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id, intermediate_size=64, hidden_size=32, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=256,
        **({"num_key_value_heads": 2} if family in ("llama", "qwen2") else {}),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(place)
    tokenizer.save_pretrained(place)
    return place


def _answered(prompt: Prompt, completion: str) -> Episode:
    token = np.zeros(1, np.int32), np.ones(1, bool), np.zeros(1, np.float32)
    return Episode.of(prompt, completion, Trajectory(prompt.id, *token, 0, "d", Sampling(), "stop"))


def _write(path: Path, rows: list[dict[str, str]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def _here(name: str, tiny: Callable[[str], Path], tmp_path: Path) -> Run:
    """The recipe on a tiny model and data of one's own, in small batches; all else is the recipe's."""
    run = load(name)
    task = replace(run.task, **RECIPES[name].change(tiny(name), tmp_path))
    replay = replace(run.replay, warmup=6) if isinstance(run.replay, PrioritizedReplay) else run.replay
    few, searched = min(2, run.num_prompts), None if run.search_generations is None else 4
    return replace(
        run, model=str(tiny(name)), task=task, replay=replay, max_steps=3, num_prompts=few, search_prompts=few,
        num_generations=3, search_generations=searched, num_searchers=min(2, run.num_searchers),
        max_completion_length=8, evaluation=FEW, save_steps=0, output_dir=str(tmp_path / "run"),
        runtime=RECIPES[name].runtime,
    )  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_the_plan_of_the_recipe_as_it_is(name):
    real, run = RECIPES[name], load(name)
    found = plan(run, name)
    assert found["prompts"].get("fetches") == getattr(run.task, "path", None)
    assert found["model"] == {"model": run.model, "fetches": run.model}
    assert {flag: found["settings"].get(flag) for flag in real.settings} == real.settings
    assert found["samples"]["episodes"] == real.episodes
    beta = {row["step"]: row["beta"] for row in found["schedule"]}
    assert {step: beta[step] for step in real.beta} == pytest.approx(real.beta)


@pytest.mark.parametrize("name", RECIPES)
def test_the_plan_on_a_model_of_the_family(name, tiny, tmp_path):
    run = _here(name, tiny, tmp_path)
    found = plan(run, name)
    assert (found["prompts"]["train"], found["prompts"]["held_out"]) == RECIPES[name].prompts
    assert 5 < found["prompts"]["longest_tokens"] < 200
    assert found["model"]["parameters"] > 10_000
    assert found["memory"]["total"] > 0
    assert not Path(str(run.output_dir)).exists()
    named = {what: read.model for what, read in getattr(run.task, "models", {}).items()}
    assert {what: model["model"] for what, model in found["other_models"].items()} == named
    assert found["memory"]["not_counted"] == []
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
    assert not name.startswith("red-team") or 0 < records.evals[-1]["eval/diversity"] <= 2
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


def test_prompts_of_the_family_of_llama_2_begin_with_bos(tiny, tmp_path):
    run = _here(RHO, tiny, tmp_path)
    policy = Policy.load(str(tiny(RHO)))
    bos = policy.tokenizer.bos_token_id
    for prompt in run.task.prompts("train"):
        tokens = policy.encode(prompt.text)
        assert tokens[0] == bos and bos not in tokens[1:]
        assert policy.decode(tokens) == prompt.text
    assert policy.decode(policy.encode("π ≈ 3, 你好")) == "π ≈ 3, 你好", "letters that it never saw are bytes"


def test_every_recipe_for_a_hub_model_is_proven_here():
    models = {name: recipe.model for name in names() if isinstance(recipe := find(name), Run)}
    remote = {name for name, model in models.items() if "/" in model and not model.startswith("steelyard/")}
    assert remote == {*RECIPES}
