"""An environment class and a reward of TRL, in its own GRPOTrainer and here: make test-trl.

Both are given the same turns. What the model reads (the tools' schemas, what `reset` says, what the tools answer) must
be the same tokens, and what the reward function is called with the same values. The generation alone is written down
beforehand: a trainer of TRL is asked for its turns in `_generate_single_turn`.
"""

import json
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from policy.printable import save_model
from steelyard.core import Request, Sampling, Trajectory, Weights
from steelyard.policy import Policy
from steelyard.reward import reward_function
from steelyard.rollout import Codec, Episodes
from steelyard.task import Rows, Tools

pytestmark = [
    pytest.mark.skipif(find_spec("trl") is None, reason="trl is not installed"),
    pytest.mark.filterwarnings("ignore"),
]
END = "<|im_end|>"
CONTEXT = 4096
DESK = '''
import asyncio


class Desk:
    """Says how many there are."""

    def reset(self, stock, **row):
        self.stock = stock
        self.asked = []
        return f" There are {len(stock)} kinds."

    def look_up(self, name: str) -> str:
        """Say how many there are.

        Args:
            name: The thing.
        """
        self.asked.append(name)
        return str(self.stock[name])

    async def wait(self, seconds: float, why: str = "nothing") -> str:
        """Wait.

        Args:
            seconds: How long.
            why: What for.
        """
        await asyncio.sleep(seconds)
        return f"waited for {why}"
'''


def call(tool: str, /, **arguments: object) -> str:
    return f"<tool_call>\n{json.dumps({'name': tool, 'arguments': arguments})}\n</tool_call>"


SAID = (
    [
        "\n".join((call("look_up", name="apples"), call("look_up", name="plums"), call("sell", name="apples"))),
        call("wait", seconds=0.0, why="apples"),
        "3",
    ],
    ["none"],
)
"""Sample -> its turns. The first looks up a thing that is there, one that is not, and calls a tool that is not."""


@dataclass
class Seen:
    """What a side was shown: the tokens before each turn, and the reward function's arguments."""

    prompts: list[list[int]] = field(default_factory=list)
    rewarded: dict[str, Any] = field(default_factory=dict)

    async def reward(
        self, prompts, completions, completion_ids, trainer_state, log_extra, log_metric, environments, **columns
    ):
        """A reward of TRL, asynchronous and with all that it may ask for."""
        log_extra("asked", [len(environment.asked) for environment in environments])
        log_metric("turns", 2.0)
        self.rewarded = {
            "completion_ids": completion_ids,
            "environments": [(type(e).__name__, e.asked, e.stock) for e in environments],
            "columns": columns,
            "completions": completions,
            "steps": (trainer_state.global_step, trainer_state.max_steps),
        }
        return [float(len(environment.asked)) for environment in environments]


@pytest.fixture
def here(tmp_path: Path):
    """The task, and the directory of a model with a chat template that TRL knows."""
    from transformers import AutoTokenizer
    from trl.chat_template_utils import qwen2_5_chat_template

    (tmp_path / "desk.py").write_text(DESK)
    rows = [{"prompt": f"How many apples, {n}?", "stock": {"apples": n}, "answer": "3"} for n in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = save_model(tmp_path / "model", "llama", context=CONTEXT, end=END)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>"]})
    tokenizer.chat_template = qwen2_5_chat_template
    tokenizer.save_pretrained(model)
    _resized(model, len(tokenizer))
    return Tools(rows=Rows(str(tmp_path / "rows.jsonl")), environment_factory=f"{tmp_path}/desk.py:Desk"), model


def _resized(model: str, tokens: int) -> None:
    """Room for the tokens that were added."""
    from transformers import AutoModelForCausalLM

    loaded = AutoModelForCausalLM.from_pretrained(model)
    loaded.resize_token_embeddings(tokens, mean_resizing=False)
    loaded.save_pretrained(model)


class Scripted:
    """An engine that says what was written down."""

    def __init__(self, policy: Policy, seen: Seen) -> None:
        self.policy = policy
        self.seen = seen

    def load(self, weights: Weights) -> None:
        raise NotImplementedError

    def generate(self, requests: list[Request], sampling: Sampling):
        for request in requests:
            said = self.policy.tokenizer.encode(SAID[request.sample][request.turn] + END, add_special_tokens=False)
            self.seen.prompts.append([*request.tokens])
            tokens_T = np.array([*request.tokens, *said], np.int32)
            action_T = np.arange(len(tokens_T)) >= len(request.tokens)
            none_T = np.zeros(len(tokens_T), np.float32)
            stamp = (0, "digest", sampling, "stop", request.sample)
            yield Trajectory(request.prompt_id, tokens_T, action_T, none_T, *stamp)


def ours(task: Tools, model: str) -> Seen:
    seen = Seen()
    policy = Policy.load(model)
    policy.chat_options = {"tools": [*task.tools]}
    (prompt, *_) = task.prompts("train")
    episodes = Episodes(Scripted(policy, seen), Codec.of(policy), task)
    played = sorted(
        episodes.play([(prompt, 0), (prompt, 1)], Sampling(max_tokens=256)), key=lambda e: e.trajectory.sample
    )
    scores = reward_function(seen.reward, max_steps=1)(played)
    assert [score.value for score in scores] == [2.0, 0.0]
    assert scores[0].parts == {"turns": 2.0, "asked": 2.0}
    return seen


def theirs(task: Tools, model: str, place: Path) -> Seen:
    import datasets
    import trl
    from transformers import AutoModelForCausalLM, AutoTokenizer

    seen = Seen()
    tokenizer = AutoTokenizer.from_pretrained(model)

    class Trainer(trl.GRPOTrainer):
        """TRL's trainer, whose turns were written down."""

        turn = 0

        def _generate_single_turn(self, prompt_ids: list[list[int]], *others: object, **named: object):
            seen.prompts += prompt_ids
            said = [turns[self.turn] + END for turns in SAID[: len(prompt_ids)]]  # the second ends with its first turn
            self.turn += 1
            return [tokenizer.encode(text, add_special_tokens=False) for text in said], None

    (prompt, *_) = task.prompts("train")
    config = trl.GRPOConfig(
        output_dir=str(place), use_cpu=True, bf16=False, max_steps=1, per_device_train_batch_size=2, num_generations=2,
        max_completion_length=2048, beta=0.0, report_to=[], save_strategy="no", logging_strategy="no",
        disable_tqdm=True, gradient_checkpointing=False, dataloader_pin_memory=False,
    )  # fmt: skip
    trainer = Trainer(
        model=AutoModelForCausalLM.from_pretrained(model, dtype="float32"),
        reward_funcs=seen.reward,
        args=config,
        train_dataset=datasets.Dataset.from_list([{"prompt": prompt.text, **prompt.columns}]),
        processing_class=tokenizer,
        environment_factory=task._factory,
    )
    trainer.train()
    return seen


@pytest.fixture
def both(here, tmp_path: Path) -> tuple[Seen, Seen]:
    task, model = here
    return ours(task, model), theirs(task, model, tmp_path / "trl")


def test_the_model_reads_the_same_and_the_reward_is_given_the_same(both) -> None:
    our, their = both
    assert len(our.prompts) == len(their.prompts) == 4
    # Schemas and what `reset` said are in the first two; the tools' answers and errors in the others.
    for i, (one, other) in enumerate(zip(our.prompts, their.prompts, strict=True)):
        assert one == other, f"request {i}"
    assert our.rewarded["completion_ids"] == their.rewarded["completion_ids"]
    assert our.rewarded["environments"] == their.rewarded["environments"]
    assert our.rewarded["environments"][0][:2] == ("Desk", ["apples", "plums"])
    assert our.rewarded["columns"] == their.rewarded["columns"]
    assert (our.rewarded["steps"][1], their.rewarded["steps"][1]) == (1, 1)


def test_completions_are_messages_there_and_one_text_here(both) -> None:
    """What docs/environments.md says: here a reward is shown all that followed the prompt as one text."""
    our, their = both
    roles = [[message["role"] for message in completion] for completion in their.rewarded["completions"]]
    assert roles == [["assistant", "tool", "tool", "tool", "assistant", "tool", "assistant"], ["assistant"]]
    answers = [m["content"] for m in their.rewarded["completions"][0] if m["role"] == "tool"]
    assert answers[0].isdigit()
    assert answers[1:] == ["{'error': \"'plums'\"}", "{'error': 'Tool sell not found.'}", "waited for apples"]
    (said,) = our.rewarded["completions"][0]
    assert said["role"] == "assistant"
    assert all(f"<tool_response>\n{answer}\n</tool_response>" in said["content"] for answer in answers)
