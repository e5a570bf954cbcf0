"""Runs with a buffer whose texts are whatever a test wants: their tokenizer has a token for each byte."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from steelyard.core import Sampling, Trajectory
from steelyard.policy.loading import SHIPPED
from steelyard.replay import PrioritizedReplay, ReplayBuffer
from steelyard.runtime.run_dir.pipeline_file import PipelineState, StageRows, StageState, write_pipeline_file
from steelyard.task.base import make_prompt

sys.path.append(str(Path(__file__).parent))  # in_chromium

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202egnp.exe"


def byte_tokenizer() -> Tokenizer:
    """A token for each byte."""
    vocabulary = {letter: i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return made


def episode(
    prompt: str, turns: Sequence[str], *, version: int = 0, reward: float | None = 0.0, sample: int = 0, **more
):
    """An episode of these turns: the prompt's text, then by turns the policy's and the environment's. The prompt's id
    is a hash, as that of a task's prompt."""
    parts = [byte_tokenizer().encode(text).ids for text in (prompt, *turns)]
    action_T = np.concatenate([np.full(len(part), i % 2 == 1) for i, part in enumerate(parts)])
    tokens_T = np.concatenate([np.array(part, np.int32) for part in parts])
    logp_T = np.where(action_T, -0.25, 0).astype(np.float32)
    return Trajectory(
        prompt_id=make_prompt(prompt, {}).id, tokens_T=tokens_T, action_T=action_T, logp_behaviour_T=logp_T,
        version=version, digest="0123456789abcdef", sampling=Sampling(), finish="stop", reward=reward, sample=sample,
        logp_ref_T=np.where(action_T, -0.75, 0).astype(np.float32),
    ).replace(**more)  # fmt: skip


@pytest.fixture
def watched(make_run, request) -> tuple[Path, ReplayBuffer]:
    """An invented run with a byte tokenizer, and its open buffer, which holds 120 answers to 40 prompts, and a hostile
    one, the newest. One that was equal to another has been removed."""
    directory = make_run(steps=8)
    _add_model(directory / "model")
    buffer = PrioritizedReplay().open(seed=0, path=directory / "replay.sqlite")
    request.addfinalizer(buffer.close)
    for version in range(4):
        buffer.publish(version, "0123456789abcdef")
    buffer.add([episode("0+0=", ["0"], reward=1.0)], version=0)
    for version in range(3):
        rows = [
            episode(f"{i}+{i}=", [f"{i * 2 + version}"], version=version, reward=float(version == 0), sample=version)
            for i in range(40)
        ]
        buffer.add(rows, version=version + 1)
    buffer.add(
        [episode(f"{EVIL}1", [f"{EVIL} héé 漢", "look ", "done"], version=3, reward=0.5, info={"read": EVIL})],
        version=3,
    )
    return directory, buffer


def _add_model(place: Path) -> None:
    place.mkdir()
    shutil.copy(SHIPPED / "arithmetic" / "config.json", place)
    (place / "model.safetensors").touch()
    byte_tokenizer().save(str(place / "tokenizer.json"))
    (place / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "TokenizersBackend"}))


@pytest.fixture
def page() -> Iterator[object]:
    """A page of a real browser."""
    from in_chromium import opened_page

    with opened_page() as opened:
        yield opened


@pytest.fixture
def say() -> Callable[..., Trajectory]:
    """`episode`."""
    return episode


@pytest.fixture
def evil() -> str:
    """Text that would take over a page that takes it for markup."""
    return EVIL


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline of three stages that all wait."""
    directory = tmp_path / "pipeline"
    directory.mkdir()
    rows = StageRows(train=20, held_out=5, files={"a.jsonl": 25}, notes={"too long": 2})
    stages = [StageState(name, f"{i}-{name}", rows) for i, name in enumerate(("sft", "dpo", "rlvr"), start=1)]
    write_pipeline_file(directory, PipelineState("tulu3", 4, {}, stages))
    return directory


@pytest.fixture
def begin(pipeline, make_run):
    """Lets a stage begin: `begin("1-sft")`."""
    run = make_run()
    return lambda stage: shutil.copytree(run, pipeline / stage)
