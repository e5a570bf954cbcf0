"""docs/commands.md: no empty cell, and every command of it runs on small files, on two families of models."""

import importlib
import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import steelyard
from policy.encoders import save_encoder, save_masked
from policy.printable import save_model
from steelyard.cli import installed, main, own_data
from steelyard.cli.recipe_needs import needs_of
from steelyard.core.job import DrivenSettings
from steelyard.curriculum.mixing_agent import MixingAgent, new_actor
from steelyard.diffusion import DDPM
from steelyard.diffusion.gan import GanSettings
from steelyard.diffusion.gan_job import GanJob
from steelyard.diffusion.job import DiffusionJob
from steelyard.recipes import find
from steelyard.replay import PrioritizedReplay
from steelyard.reward.scorer import Scorer
from steelyard.runtime import HeldOut, Run
from steelyard.task import Rows
from steelyard.training.pipeline import Pipeline
from steelyard.unlearn.request import ForgetRequest

REPOSITORY = Path(__file__).parents[2]
FAMILIES = ("llama", "gpt2")
OTHERS = {"gpt2": "qwen3"}
"""Family that stands in where a command takes only models that are computed here."""
FEW = "--runtime inline --max-steps 1 --num-prompts 1 --search-prompts 1 --num-generations 2"
FEW += " --evaluation.prompts 1 --evaluation.sampled-prompts 1 --evaluation.samples 2 --save-steps 0"
WARM = " --replay.warmup 0"
FEW_JOB = "--max-steps 1 --max-completion-length 4"
OTHER_RECIPES = (own_data.BASELINES, own_data.ON_PAIRS, own_data.FITTED, own_data.PIPELINES)
LISTED = [(id, told) for rows in own_data.rooms().values() for id, told in rows]
COMMANDS = sorted(
    {told for id, told in LISTED if told and id not in own_data.IN_PYTHON}
    | {own_data.command(name) for told in OTHER_RECIPES for name in told.values()}
)
CHANGING = {"MODEL", "RUN", "REWARD_MODEL", "CLASSIFIER", "TEXT_CLASSIFIER", "VICTIM", "ENCODER", "CRITIC"}
"""Words of a command that stand for another model in another family."""
WORDS = {told: {word.rpartition(":")[2] for word in shlex.split(told)} for told in COMMANDS}
CASES: list[Any] = [(told, FAMILIES[0]) for told in COMMANDS]
# The same commands on another family of models, which `make chaos` runs.
CASES += [pytest.param(told, FAMILIES[1], marks=pytest.mark.long) for told in COMMANDS if CHANGING & WORDS[told]]
ROWS: dict[str, list[dict[str, Any]]] = {
    "questions": [{"prompt": f"{n}+1=", "answer": str(n + 1), "domain": "ab"[n % 2]} for n in range(40)],
    "forget": [
        {"prompt": f"{n}+1=", "answer": str(n + 1), "wrong": ["a", "b"], "reworded": [f"1+{n}="]} for n in range(4)
    ],
    "named": [{"prompt": f"{n}+1=", "answer": str(n + 1), "subject": str(n)} for n in range(4)],
    "parts": [{"prompt": f"{n}+2=", "answer": n + 2, "part": ["forget", "held-out"][n % 2]} for n in range(6)],
    "retain": [{"prompt": f"{n}-1=", "answer": n - 1} for n in range(1, 4)],
    "documents": [{"segments": [{"text": f"{n}+1=", "score": 0}, {"text": "ab", "score": n % 2}]} for n in range(9)],
    "pairs": [{"prompt": f"{n}+1=", "chosen": str(n + 1), "rejected": "a"} for n in range(40)],
    "solutions": [{"prompt": f"{n}+1=", "solution": f"{n}\n{n}", "answer": str(n + 1)} for n in range(4)],
    "completions": [{"prompt": "1+1=", "completion": "2", "answer": "2"}],
    "feedback": [{"prompt": f"{n}+1=", "completion": str(n + i), "feedback": i} for n in range(80) for i in range(2)],
    "critiqued": [
        {"prompt": f"{n}+1=", "response": str(n + i), "score": 1 + i, "critique": ["no", "yes"][i]}
        | ({} if i else {"refinement": "add 1", "next": str(n + 1)})
        for n in range(20)
        for i in range(2)
    ],
    "triples": [{"prompt": f"{n}+", "positive": "1", "negative": "2", "rejective": "no"} for n in range(40)],
    "labelled": [{"text": f"{n}-1", "label": n % 2} for n in range(40)],
    "grouped": [{"text": f"{n}-1", "label": n % 2, "group": ["a", ["a", "b"], None][n % 3]} for n in range(60)],
    "claims": [
        {"text": f"{n} is {n + n % 2}", "label": ["true", "hallucinated"][n % 2], "rationale": f"{n} is {n}"}
        | ({"question": f"{n} is?", "answer": str(n)} if n % 3 else {})
        for n in range(60)
    ],
    "checked": [{"text": f"{n} is {n + n % 2}", "label": ["true", "false", "unknown"][n % 3]} for n in range(60)],
    "tasks": [{"text": f"{n}-1", "label": n % 2, "task": "ab"[n % 3 // 2]} for n in range(80)],
    "draws": [{"task": t, "description": f"{t}+", "output": (t + n % 2) % 9} for t in range(12) for n in range(9)],
    "sourced": [{"prompt": f"{n}+1=", "documents": [f"{n}+1={n + 1}"]} for n in range(4)],
    "documented": [
        {"claim": f"{n}<5", "document": f"{n}+1={n + 1}", "label": ["supported", "unverified"][n % 2]} for n in range(4)
    ],
    "reasoned": [{"prompt": f"{n}+1=", "rationale": f"{n}+1", "answer": n + 1} for n in range(40)],
    "passages": [{"text": f"{n}+1={n + 1}"} for n in range(40)],
    "conversations": [{"turns": [f"{n}+", "1"], "summary": f"{n}+1", "state": n % 2} for n in range(40)],
    "actions": [{"prompt": f"{n}+1=", "action": {"type": "click", "name": f"{n}"}} for n in range(40)],
    "episodes": [{"observations": [0, 1, 2], "actions": [n % 2, 1], "rewards": [0, n % 3]} for n in range(20)],
    "statements": [{"text": f"{n}+1", "part": ["train", "held-out"][n % 2]} for n in range(9)],
    "ordered": [{"text": f"{n}+1", "order": n} for n in range(9)],
    "answered": [{"prompt": f"{n}+1=", "answers": [str(n), str(n + 1)]} for n in range(4)],
    "source": [{"text": f"{n}-1"} for n in range(9)],
    "target": [{"text": f"{n}+1"} for n in range(9)],
}
REWARDS = """
def polite(prompts, completions, **columns):
    return [float("a" not in c) for c in completions]


def right(prompts, completions, answer, **columns):
    return [float(c.endswith(a)) for c, a in zip(completions, answer)]


def steps(prompts, completions, **columns):
    return [[1.0 if "1" in line else -1.0 for line in c.splitlines() if line.strip()] for c in completions]
"""

TOOLS = """
class Desk:
    def reset(self, **row):
        pass

    def look(self, place: str) -> str:
        \'\'\'Look there.

        Args:
            place: Where.
        \'\'\'
        return place
"""
TASKS = """
import verifiers.v1 as vf


class Sum(vf.Task):
    @vf.reward
    async def short(self, trace) -> float:
        return float(len(trace.last_reply) < 4)


class Sums(vf.Taskset[Sum, vf.TasksetConfig]):
    def load(self):
        for n in range(40):
            yield Sum(vf.TaskData(prompt=f"{n}+1="), self.config.task)
"""
GAME = """
class Maze:
    def reset(self, seed=None, options=None):
        return f"{seed}+", {}

    def step(self, action):
        return "1+", float(len(action)), len(action) > 2, False, {}
"""
TEMPLATE = """{% for tool in tools or [] %}{{ tool.function.name }} {% endfor %}{% for message in messages
%}{{ message.content }}
{% endfor %}"""


def test_the_page_is_what_the_command_writes() -> None:
    written = (REPOSITORY / "docs" / "commands.md").read_text()
    assert written == own_data.text(), "write it again: steelyard methods --commands docs/commands.md"


def test_no_cell_is_empty() -> None:
    empty = [id for id, told in LISTED if not told]
    assert empty == [], "make a recipe that holds the method, or name its command in own_data.BY_ID"
    assert len(LISTED) > 50


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A directory with a file for every name in the commands, and the models of either family."""
    here = tmp_path_factory.mktemp("own")
    for name, rows in ROWS.items():
        (here / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (here / "my_rewards.py").write_text(REWARDS)
    (here / "my_tools.py").write_text(TOOLS)
    (here / "my_game.py").write_text(GAME)
    (here / "my_tasks.py").write_text(TASKS)
    np.savez(here / "images.npz", images=np.eye(16).reshape(16, 4, 4), labels=np.arange(16) % 2)
    captioned = [f"{a} {b} {n}" for a in ("red", "blue") for b in ("bar", "ring", "pole") for n in range(10)]
    np.savez(
        here / "captioned.npz",
        images=np.random.default_rng(0).random((60, 8, 8, 3), np.float32),
        captions=np.array(captioned),
    )
    pictures = {"images": np.eye(16).reshape(16, 4, 4), "labels": np.arange(16) % 2}
    np.savez(here / "images.npz", allow_pickle=False, **pictures)
    np.savez(here / "prompted.npz", allow_pickle=False, prompts=np.array(["a ring", "a block"]), **pictures)
    made = {f"MODEL {family}": save_model(here / family, family) for family in (*FAMILIES, *OTHERS.values())}
    for family in FAMILIES:
        (here / family / "chat_template.jinja").write_text(TEMPLATE)
        scorer = Scorer.load(made[f"MODEL {family}"], new_head=0)
        scorer.save(here / f"reward-{family}")
        made[f"REWARD_MODEL {family}"] = str(here / f"reward-{family}")
        made[f"CLASSIFIER {family}"] = save_model(here / f"judge-{family}", family, "SequenceClassification")
        made[f"VICTIM {family}"] = made[f"MODEL {family}"]
        made[f"CRITIC {family}"] = made[f"MODEL {family}"]
        made[f"ENCODER {family}"] = save_encoder(here / "encoder")
        made[f"MASKED {family}"] = save_masked(here / "masked")
        made[f"TEXT_CLASSIFIER {family}"] = save_encoder(here / "texts", kind="AutoModelForSequenceClassification")
        made[f"NAME {family}"] = "7"
        made[f"AGENT {family}"] = str(here / "agent")
    MixingAgent(new_actor(0), 4).save(here / "agent")
    prompted = DiffusionJob(trainer=DDPM(width=16, layers=1), images=str(here / "prompted.npz"))
    prompted.open().save_model(here / "diffusion")
    GanJob(settings=GanSettings(width=16), images=str(here / "images.npz")).open().save_model(here / "gan")
    made |= {f"DIFFUSION {family}": str(here / "diffusion") for family in FAMILIES}
    made |= {f"GAN {family}": str(here / "gan") for family in FAMILIES}
    return {"here": str(here), **made}


@pytest.fixture(scope="module")
def runs(places: dict[str, str]) -> dict[str, str]:
    """A finished run of either family."""
    found = {}
    for family in FAMILIES:
        run = Path(places["here"]) / f"run-{family}"
        own = {"path": f"{places['here']}/questions.jsonl"}
        settings = replace(find("rows"), model=places[f"MODEL {family}"], task=Rows(**own))
        few = {"max_steps": 1, "num_prompts": 1, "search_prompts": 1, "num_generations": 2, "max_completion_length": 4}
        replay = PrioritizedReplay(warmup=0)
        held = HeldOut(prompts=1, sampled_prompts=1, samples=1)
        steelyard.train(
            settings, report=False, output_dir=str(run), runtime="inline", replay=replay, evaluation=held, **few
        )
        found[f"RUN {family}"] = str(run)
    return found


def few(words: list[str]) -> list[str]:
    """Flags that make a command small."""
    if words[0] != "train":
        return []
    return few_of(find(words[1]), words)


def few_of(recipe: Any, words: list[str]) -> list[str]:
    """Flags that make a recipe small; those of a pipeline are those of its stages."""
    if isinstance(recipe, Pipeline):
        stages = {stage.word: stage.settings for stage in recipe.stages()}
        flags = [(name, word) for name, settings in stages.items() for word in few_of(settings, words)]
        return [f"--{name}.{word.removeprefix('--')}" if word.startswith("--") else word for name, word in flags]
    if not isinstance(recipe, Run):
        if hasattr(recipe, "epochs"):
            thought = ["--soft-steps", "2"] if hasattr(recipe, "soft") else []
            return [*thought, *FEW_JOB.split()[: 4 if hasattr(recipe, "max_completion_length") else 2]]
        brief = ["--episodes", "2"] if hasattr(recipe, "episodes") else []
        writes = bool(getattr(recipe, "builder", None)) and "generator" in recipe.builder.asks()
        brief += ["--max-completion-length", "4"] if writes or isinstance(recipe, ForgetRequest) else []
        brief += ["--examples", "1"] if "harmaug" in words else []
        brief += ["--ends", "1e-3"] if "skill-unlearn" in words else []  # weights drawn at random: nothing is likely
        return [*brief, *(["--max-steps", "1"] if isinstance(recipe, DrivenSettings) else [])]
    queued = type(recipe.replay).__name__ == "SingleUse"
    length = ["--max-completion-length", str(min(4, recipe.max_completion_length))]
    return [*FEW.split(), *length, *([] if queued else WARM.split())]


def lacking(told: str) -> str:
    """An extra that the command's recipe needs and that is not installed; empty where there is none."""
    _, command, name, *_ = told.split()
    extras = needs_of(name).extras if command == "train" else ()
    return next((extra for extra in extras if installed.lacking(extra)), "")


def _placed(word: str, known: dict[str, str], family: str) -> str:
    """A word of a command with the model that it stands for, alone or after a source: reward-model:REWARD_MODEL."""
    source, colon, name = word.rpartition(":")
    return f"{source}{colon}{known[place]}" if (place := f"{name} {family}") in known else word


@pytest.mark.parametrize(("told", "family"), CASES)
def test_every_command_runs(
    told: str,
    family: str,
    places: dict[str, str],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: Any,
) -> None:
    if extra := lacking(told):
        pytest.skip(f"the extra {extra} is not installed")
    monkeypatch.chdir(places["here"])
    training = importlib.import_module("steelyard.training.train")
    monkeypatch.setattr(training, "write_report", lambda run_dir: None)  # plots are slow
    words = shlex.split(told)[1:]
    known = places | (request.getfixturevalue("runs") if "RUN" in words else {})
    family = OTHERS.get(family, family) if "--attention" in words else family
    words = [_placed(word, known, family) for word in words]
    words = [f"{tmp_path}/rewards" if word == "REWARDS" else word for word in words]
    if words[0] == "train":
        words += ["--output-dir", str(tmp_path / "run"), *few(words)]
    code = main(words)
    assert code == 0, capfd.readouterr().err
    if words[0] == "train":
        made = "pipeline.json" if isinstance(find(words[1]), Pipeline) else "result.json"
        assert (tmp_path / "run" / made).is_file()
