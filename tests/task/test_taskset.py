"""Task sets of the real verifiers, where it is installed: make test-verifiers."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

import steelyard
from steelyard.core import Episode, Score, SteelyardError
from steelyard.objective import VarGradTB
from steelyard.runtime import HeldOut, Run
from steelyard.task import Taskset

here = pytest.mark.skipif(find_spec("verifiers") is None, reason="verifiers is not installed")
TASKS = """
import time

import verifiers.v1 as vf


class Data(vf.TaskData):
    answer: str


class Sum(vf.Task[Data]):
    @vf.reward(weight=2.0)
    async def right(self, trace) -> float:
        if trace.last_reply == "fail":
            raise RuntimeError("no verdict")
        if trace.last_reply == "sleep":
            time.sleep(60)
        return float(trace.last_reply == self.data.answer)

    @vf.reward
    async def short(self, task, trace) -> float:
        return float(len(trace.assistant_messages[-1].content) < 4)

    @vf.metric
    async def length(self, trace) -> float:
        return float(len(trace.last_reply))


class Config(vf.TasksetConfig):
    most: int = 40


class Sums(vf.Taskset[Sum, Config]):
    def load(self):
        for a in range(self.config.most):
            yield Sum(Data(prompt=f"{a}+1=", answer=str(a + 1), system_prompt="add"), self.config.task)


class Judged(Sum):
    @vf.reward
    async def ran(self, trace, runtime) -> float:
        return 1.0


class NeedsRuntime(vf.Taskset[Judged, Config]):
    def load(self):
        yield Judged(Data(prompt="1+1=", answer="2"), self.config.task)


class Boxed(vf.Taskset[Sum, Config]):
    def load(self):
        yield Sum(Data(prompt="1+1=", answer="2", image="python:3.11"), self.config.task)


class Plain(Sum):
    @vf.reward
    def late(self, trace) -> float:
        return 1.0


class NotAsync(vf.Taskset[Plain, Config]):
    def load(self):
        yield Plain(Data(prompt="1+1=", answer="2"), self.config.task)


class Silent(vf.Taskset[vf.Task, Config]):
    def load(self):
        yield vf.Task(Data(prompt="1+1=", answer="2"), self.config.task)
"""


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    path = tmp_path / "my_tasks.py"
    path.write_text(TASKS)
    return path


@here
def test_rows_and_rewards_by_hand(tasks: Path) -> None:
    with Taskset(taskset=f"{tasks}:Sums", settings='{"most": 30}', timeout_s=5.0) as task:
        prompts = [*task.prompts("train"), *task.prompts("held-out")]
        assert len(prompts) == 30
        prompt = next(prompt for prompt in prompts if prompt.columns["index"] == 4)
        assert prompt.text == [{"role": "system", "content": "add"}, {"role": "user", "content": "4+1="}]
        said = ["5", "12345", "fail"]
        right, long, failed = task.score([Episode.written(prompt, text) for text in said])
        assert right == Score(3.0, {"right": 2.0, "short": 1.0, "length": 1.0})
        assert long == Score(0.0, {"right": 0.0, "short": 0.0, "length": 5.0})
        assert failed.value is None
        assert "no verdict" in str(failed.error)


@here
def test_a_reward_that_hangs_is_killed_and_the_next_is_scored(tasks: Path) -> None:
    with Taskset(taskset=f"{tasks}:Sums", timeout_s=20.0) as task:
        prompt = task.prompts("train")[0]
        late, right = task.score([Episode.written(prompt, "sleep"), Episode.written(prompt, "x")])
        assert "no answer within 20 s" in str(late.error)
        assert right.value == 1.0


@here
@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("NeedsRuntime", "{}", "its task 0 asks for a runtime in ran; take one whose tasks"),
        ("Boxed", "{}", "its task 0 needs a container"),
        ("NotAsync", "{}", "its task 0 has late, which is no async def, as verifiers asks"),
        ("Silent", "{}", "its task 0 has no reward"),
        ("Sum", "{}", "is no Taskset of verifiers.v1"),
        ("Sums", '{"fewest": 3}', "cannot be made (ValidationError"),
        ("Sums", '{"most": 0}', "it has no task"),
        ("Nothing", "{}", "cannot be made (AttributeError"),
    ],
)
def test_what_is_refused(tasks: Path, name: str, settings: str, says: str) -> None:
    with Taskset(taskset=f"{tasks}:{name}", settings=settings) as task, pytest.raises(SteelyardError) as refused:
        task.prompts("train")
    assert says in str(refused.value)
    assert str(refused.value).startswith("--taskset: ")


@here
def test_a_run(tasks: Path, tmp_path: Path, tiny_model_dir) -> None:
    run = Run(
        task=Taskset(taskset=f"{tasks}:Sums"),
        objective=VarGradTB(beta=0.1),
        model=str(tiny_model_dir("qwen3")),
        runtime="inline",
        max_steps=1,
        num_prompts=2,
        num_generations=4,
        search_prompts=2,
        max_completion_length=4,
        evaluation=HeldOut(every=1, prompts=1, sampled_prompts=1, samples=2),
        output_dir=str(tmp_path / "run"),
    )
    assert steelyard.train(run).summary["steps"] == 1
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert sum(row["search/errors"] for row in rows) == 0


@pytest.mark.skipif(find_spec("verifiers") is not None, reason="verifiers is installed")
def test_where_it_is_not_installed_its_extra_is_named() -> None:
    with pytest.raises(SteelyardError, match=r"verifiers is not installed; pip install 'steelyard\[verifiers\]'"):
        Taskset(taskset="my_tasks.py:Sums").prompts("train")
    with pytest.raises(SteelyardError, match="--taskset: is missing"):
        Taskset().prompts("train")
