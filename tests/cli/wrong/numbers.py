"""Numbers that are not finite, where they must never go on: rewards, losses, weights. And models that do not fit."""

import math

import numpy as np

from cli.wrong.data import LOAD, among, column, last, steps
from cli.wrong.entry import Harm, Wrong, all_of, change, put, remove, sealed, write
from cli.wrong.stored import MADE, RESUME, tensors
from cli.wrong.world import ARITHMETIC, NEW, RUN

LLAMA, TRAINED, SAVED = "llama/model.safetensors", "run/model/model.safetensors", f"{MADE}/learner.safetensors"
SUMS = f"{ARITHMETIC} --output-dir new"
STALL = f"{SUMS} --inline.deadline 3"


def spoiled(name: str, tensor: str, value: float, place: int = 0) -> Harm:
    """One number of a tensor is this."""

    def spoil(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        array.flat[place] = value
        return array

    return tensors(name, {tensor: spoil})


# A reward function's number that is not finite is no reward: counted, quarantined, and where nothing else comes, a
# stall. The run had rightly begun; so the exit code is 1, and its directory stays.
REWARDS = [
    Wrong(f"{STALL} --reward rewards.py:nan", "rewards.py:nan': it gave nan for this completion", code=1, began="new"),
    Wrong(f"{STALL} --reward rewards.py:infinite", "it gave inf for this completion", code=1, began="new"),
    Wrong(f"{STALL} --reward rewards.py:negative", "it gave -inf for this completion", code=1, began="new"),
    Wrong(f"{STALL} --reward rewards.py:beyond", "can't serialize ints < -2**63", code=1, began="new"),
    Wrong(f"{STALL} --reward rewards.py:none", "it gave None for this completion", code=1, began="new"),
    Wrong(LOAD, "reward is nan; return a finite reward", column("reward", last(math.nan))),
    Wrong(LOAD, "reward is inf; return a finite reward", column("reward", last(math.inf))),
    Wrong(LOAD, "reward is -inf; return a finite reward", column("reward", last(-math.inf))),
    Wrong(LOAD, "logp_behaviour_T is not finite", column("logp_behaviour", steps(-math.inf))),
    Wrong(LOAD, "logp_ref_T is not finite", column("logp_ref", steps(math.nan))),
]  # fmt: skip

FUNCTIONS = [
    Wrong(f"{NEW} --reward nonsense", "it names no function; write module:function"),
    Wrong(f"{NEW} --reward nomodule:f", "No module named 'nomodule'; name it as module:function"),
    Wrong(f"{NEW} --reward nofile.py:f", "cannot be loaded: FileNotFoundError"),
    Wrong(f"{NEW} --reward rewards.py:missing", "has no attribute 'missing'"),
    Wrong(f"{NEW} --reward text.txt:f", "No module named 'text'"),
    Wrong(f"{NEW} --reward rewards.py:broken", "SyntaxError: '(' was never closed", write("rewards.py", "def broken(")),
    Wrong(f"{NEW} --reward rewards.py:f", "RuntimeError: no key", write("rewards.py", "raise RuntimeError('no key')")),
    Wrong(f"{NEW} --reward rewards.py:narrow", "it does not take these arguments: got an unexpected keyword argument"),
    Wrong(f"{NEW} --reward rewards.py:number", "it returned a float, not a list"),
    Wrong(f"{NEW} --reward rewards.py:one", "it returned 1 rewards for 2 completions"),
    Wrong(f"{NEW} --reward rewards.py:words", "its reward 0 is a str, not a number"),
    Wrong(f"{SUMS} --reward nomodule:f --runtime local", "No module named 'nomodule'"),
    Wrong("train --resume stopped", "No module named 'nomodule'",
          change("stopped/config.json", "run", reward="nomodule:f")),
]  # fmt: skip

# A loss shows only in a step, when the run has begun.
LOSSES = [
    Wrong(f"{SUMS} --reward rewards.py:huge", "learner: loss inf with gradient norm inf at step 1", began="new"),
    Wrong(f"{SUMS} --reward rewards.py:right --beta 1e38", "learner: loss inf with gradient norm nan", began="new"),
    Wrong(f"{SUMS} --lora-rank 2 --lora-alpha 1e38", "with gradient norm inf at step 1", began="new"),
    Wrong(f"{SUMS} --reward rewards.py:right --learning-rate 1e38", "not finite", began="new"),
    Wrong(f"{SUMS} --reward rewards.py:right --temperature 1e-38", "not finite", began="new"),
]  # fmt: skip

WEIGHTS = [
    Wrong(NEW, "lm_head.weight of llama holds numbers that are not finite", spoiled(LLAMA, "lm_head.weight", math.nan)),
    Wrong(NEW, "embed_tokens.weight of llama holds", spoiled(LLAMA, "model.embed_tokens.weight", math.inf, -1)),
    Wrong(NEW, "model.norm.weight of llama holds", spoiled(LLAMA, "model.norm.weight", -math.inf)),
    Wrong(f"{NEW} --dtype bfloat16", "model.norm.weight of llama holds", spoiled(LLAMA, "model.norm.weight", math.nan)),
    Wrong(f"{NEW} --lora-rank 2", "lm_head.weight of llama holds", spoiled(LLAMA, "lm_head.weight", math.nan)),
    Wrong("eval run", "model.norm.weight of run/model holds", spoiled(TRAINED, "model.norm.weight", math.nan)),
    Wrong("eval run --base", "model.norm.weight of llama holds", spoiled(LLAMA, "model.norm.weight", math.nan)),
    Wrong("sample run", "lm_head.weight of run/model holds", spoiled(TRAINED, "lm_head.weight", math.inf)),
    Wrong("repeat run", "lm_head.weight of llama holds", spoiled(LLAMA, "lm_head.weight", math.inf)),
    Wrong(RESUME, "policy.lm_head.weight holds numbers that are not finite",
          sealed(MADE, spoiled(SAVED, "policy.lm_head.weight", math.nan))),
    Wrong(RESUME, "holds numbers that are not finite",
          sealed(MADE, spoiled(SAVED, "adam.exp_avg_sq.policy.lm_head.weight", math.inf))),
]  # fmt: skip

VOCABULARIES = [
    Wrong(f"{SUMS} --model steelyard/enumerable", "--model: the model's tokenizer cannot read"),
    Wrong(f"train enumerable {RUN} --num-generations 16 --output-dir new --model steelyard/arithmetic",
          "the model's tokenizer knows nothing of 'be'"),
    Wrong(NEW, "the model's tokenizer knows nothing of 'xyz'", among('{"prompt": "xyz", "answer": 1}')),
    Wrong("sample run --prompt xyz", "the model's tokenizer knows nothing of 'xyz'"),
    Wrong(NEW, "the model's tokenizer cannot read '0+0='", put("llama/tokenizer.json", "enumerable/tokenizer.json")),
    Wrong(NEW, "lm_head.weight of llama is [28, 16], and its config.json says [10, 16]",
          change("llama/config.json", vocab_size=10)),
    Wrong(NEW, "the tokenizer of llama has ids up to 999, but the model only 28",
          change("llama/tokenizer.json", "model", "vocab", z=999)),
    Wrong(NEW, "no tokenizer can be loaded from llama",
          all_of(remove("llama/tokenizer.json"), remove("llama/tokenizer_config.json"))),
    Wrong(NEW, "no tokenizer can be loaded from llama", write("llama/tokenizer.json", "{")),
    Wrong("eval run", "the model's tokenizer cannot read", put("run/model", "enumerable")),
    Wrong("sample run", "the model's tokenizer cannot read", put("run/model", "enumerable")),
    Wrong("repeat run", "the model's tokenizer cannot read", put("llama", "enumerable")),
    Wrong(RESUME, "the model's tokenizer cannot read", put("llama", "enumerable")),
]  # fmt: skip

MODELS = [
    Wrong(f"{NEW} --model ./nowhere", "no such directory: './nowhere'"),
    Wrong(f"{NEW} --model steelyard/arithmetics", "did you mean 'steelyard/arithmetic'"),
    Wrong(f"{NEW} --model text.txt", "no such directory: 'text.txt'"),
    Wrong(f"{NEW} --model empty", "holds no model (no config.json)"),
    Wrong(f"{NEW} --lora-rank 2 --lora-targets nothing", "nothing"),
    Wrong("train gym", "--model: is missing"),
    Wrong(NEW, "'llama/config.json' is not a valid JSON file", write("llama/config.json", "{")),
    Wrong(NEW, "Unrecognized model in llama", write("llama/config.json", "[]")),
    Wrong(NEW, "has model type `unheard-of`", change("llama/config.json", model_type="unheard-of")),
    Wrong(NEW, "llama lacks 44 of its weights, such as bert", change("llama/config.json", model_type="bert")),
    Wrong(NEW, "Field 'hidden_size' expected int, got str", change("llama/config.json", hidden_size="wide")),
    Wrong(NEW, "The hidden size (15) is not a multiple", change("llama/config.json", hidden_size=15)),
]  # fmt: skip

# Models that the task reads beside the policy.
FEW = f"{RUN} --max-steps 1 --output-dir new"
JUDGED = f"train tldr {FEW} --model llama --path good.jsonl"
ATTACK = f"train red-team-gpt2 {FEW} --model llama --victim llama --victim-template {{attack}}="
FOUL = f"{ATTACK} --judge foulness --judge-kind function"

COMPANIONS = [
    Wrong(f"train preference {FEW} --proxy ./no", "reward model: no such directory: './no'"),
    Wrong(f"train preference {FEW} --proxy ./no --runtime local", "reward model: no such directory", shell=True),
    Wrong(f"train preference {FEW} --proxy nobody/rm", "reward model: no model can be loaded from nobody/rm"),
    Wrong(f"train preference {FEW} --proxy steelyard/red-team", "reward model: steelyard/red-team is no reward model"),
    Wrong("train preference --proxy steelyard/red-team --dry-run", "red-team is no reward model: it has no head"),
    Wrong("train preference --proxy ./no --dry-run", "reward model: no such directory: './no'"),
    Wrong(f"train red-team {FEW} --victim ./no", "victim: no such directory: './no'"),
    Wrong(f"train red-team {FEW} --victim ./no --runtime local", "victim: no such directory: './no'"),
    Wrong(f"train red-team {FEW} --victim nobody/x", "victim: no model can be loaded from nobody/x"),
    Wrong(f"train red-team {FEW} --victim steelyard/shortening-proxy", "gives scores and writes no text"),
    Wrong(f"{JUDGED} --reward-model llama", "reward model: llama is no reward model: it has no head"),
    Wrong(f"{JUDGED} --reward-model llama --held-out held.jsonl --dry-run", "reward model: llama is no reward model",
          write("held.jsonl", '{"prompt": "9-9="}')),
    Wrong(f"{JUDGED} --reward-model steelyard/shortening-proxy --gold-model ./no", "gold model: no such directory"),
    Wrong(f"{ATTACK} --judge ./no", "judge: no such directory: './no'"),
    Wrong(f"{ATTACK} --judge steelyard/shortening-proxy", "judge: steelyard/shortening-proxy has no label 'hate'"),
    Wrong(f"{ATTACK} --judge llama --judge-kind guard", "judge: llama has no chat template"),
    Wrong(f"{ATTACK} --judge llama", "judge: llama writes text and has no head that rates one; name a classifier"),
    Wrong(f"{ATTACK} --victim ./no", "victim: no such directory: './no'"),
    Wrong(f"{FOUL} --embedder ./no", "embedder: no such directory: './no'"),
    Wrong(f"{FOUL} --embedder nobody/x", "embedder: no model can be loaded from nobody/x"),
    Wrong(f"{FOUL} --embedder llama", "embedder: llama is no encoder of sentences (LlamaForCausalLM)"),
    Wrong(f"{FOUL} --embedder steelyard/shortening-proxy --dry-run", "shortening-proxy is no encoder of sentences"),
]  # fmt: skip

KINDS = {
    "rewards that are not finite": REWARDS,
    "reward functions that cannot be used": FUNCTIONS,
    "losses that are not finite": LOSSES,
    "weights that are not finite": WEIGHTS,
    "models of another vocabulary": VOCABULARIES,
    "other models that do not fit": MODELS,
    "reward models, victims and judges": COMPANIONS,
}
