"""An environment of one's own, in full: what it takes, and two steps of training through the public entry."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import steelyard
from steelyard.core import Episode, Prompt, Score, outcomes
from steelyard.objective import VarGradTB
from steelyard.runtime import HeldOut, Run


# --- the example: a task, and the environment of one episode ---
class Countdown:
    """Names a number; each turn must have fewer characters than the turn before, and the longest countdown wins."""

    def __init__(self) -> None:
        self.last = 99
        self.turns = 0

    def reset(self, prompt: Prompt) -> str:
        """The first observation."""
        return str(prompt.text)

    def step(self, completion: str) -> str | Score:
        """What the policy is told next; a `Score` ends the episode."""
        if len(completion) >= self.last:
            return Score(self.turns / 3)
        self.last = len(completion)
        self.turns += 1
        return f" {self.last}+"

    def truncate(self, completion: str) -> Score:
        """The score of an episode that a limit has ended."""
        return Score(self.turns / 3)


@dataclass(frozen=True)
class OwnTask:
    """Prompts, the limits of an episode, and a new environment for each."""

    max_turns: int = 3
    deadline_s: float = 10.0

    def prompts(self, split: str) -> Sequence[Prompt]:
        return [Prompt(f"{split}{n}", f"{n}+{n}=") for n in range(2, 6)]

    def environment(self, prompt: Prompt, sample: int) -> Countdown:
        return Countdown()

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        return outcomes(episodes)


# --- the end of the example ---
class SlowCountdown(Countdown):
    """The same for an environment that waits, say for a server."""

    async def step(self, completion: str) -> str | Score:
        await asyncio.sleep(0.001 * len(completion))
        return super().step(completion)


class LostCountdown(Countdown):
    """Its server is gone when a turn is long."""

    def step(self, completion: str) -> str | Score:
        if len(completion) > 1:
            raise ConnectionError("the server is gone")
        return super().step(completion)


@dataclass(frozen=True)
class SlowTask(OwnTask):
    def environment(self, prompt: Prompt, sample: int) -> Countdown:
        return SlowCountdown()


@dataclass(frozen=True)
class LostTask(OwnTask):
    """Every other sample loses its server."""

    def environment(self, prompt: Prompt, sample: int) -> Countdown:
        return LostCountdown() if sample % 2 else Countdown()


def trained(task: OwnTask, model: Path, directory: Path) -> list[dict]:
    """The metrics of two steps."""
    run = Run(
        task=task,
        objective=VarGradTB(beta=0.1),
        model=str(model),
        runtime="inline",
        max_steps=2,
        num_prompts=4,
        num_generations=4,
        search_prompts=4,
        max_completion_length=5,
        evaluation=HeldOut(every=2, prompts=4, sampled_prompts=2, samples=2),
        output_dir=str(directory),
    )
    result = steelyard.train(run)
    assert result.summary["steps"] == 2
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def trained_sync(tmp_path_factory: pytest.TempPathFactory, tiny_model_dir) -> list[dict]:
    return trained(OwnTask(), tiny_model_dir("llama"), tmp_path_factory.mktemp("sync") / "run")


def test_it_trains_two_steps(trained_sync: list[dict]) -> None:
    assert [row["step"] for row in trained_sync] == [1, 2]
    assert all(row["learner/grad_norm"] > 0 for row in trained_sync)
    assert sum(row["search/errors"] for row in trained_sync) == 0


def test_an_async_one_gives_the_same_numbers(trained_sync: list[dict], tmp_path: Path, tiny_model_dir) -> None:
    found = trained(SlowTask(), tiny_model_dir("llama"), tmp_path / "run")
    assert found == trained_sync


def test_one_that_raises_loses_its_episode_and_not_the_run(tmp_path: Path, tiny_model_dir) -> None:
    found = trained(LostTask(), tiny_model_dir("llama"), tmp_path / "run")
    assert [row["step"] for row in found] == [1, 2]
    assert sum(row["search/errors"] for row in found) >= 1
    assert found[-1]["replay/errors"] == sum(row["search/errors"] for row in found)
    assert found[-1]["replay/admitted"] + found[-1]["replay/errors"] == 48
