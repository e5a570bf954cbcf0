"""Tools: what a call is, what the policy is told, how an episode ends, and exact tokens from turn to turn."""

import asyncio
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import steelyard
from steelyard.core import Prompt, Sampling, SteelyardError
from steelyard.policy import Policy
from steelyard.reward import PlayedScore
from steelyard.rollout import Codec, engine_for
from steelyard.rollout.episodes import Episodes
from steelyard.runtime import HeldOut
from steelyard.task import Calculator, Rows, Tools
from steelyard.task.calculator import PocketCalculator, question
from steelyard.task.tool_use import LAST, Call, ToolEpisode, calls_in, schemas_of
from steelyard.worlds.bases.calculator import call


class Desk:
    """Counts what it is asked."""

    def __init__(self):
        self.asked = 0

    def reset(self, stock):
        self.stock = stock
        return f" There are {len(stock)} kinds."

    def look_up(self, name: str) -> str:
        """Say how many there are.

        Args:
            name: The thing.
        """
        self.asked += 1
        return str(self.stock[name])

    async def wait(self, seconds: float) -> str:
        """Wait.

        Args:
            seconds: How long.
        """
        await asyncio.sleep(seconds)
        return "done"

    def get_reward(self):
        return self.asked / 2


def asked(tool, **arguments):
    return f'<tool_call>\n{{"name": "{tool}", "arguments": {arguments!r}}}\n</tool_call>'.replace("'", '"')


def begun():
    episode = ToolEpisode(Desk())
    row = {"stock": {"apples": 3}, "unread": 1}
    messages = episode.reset(Prompt("p", [{"role": "user", "content": "How many?"}], row))
    assert messages == [{"role": "user", "content": "How many? There are 1 kinds."}]
    return episode


def test_calls_are_read_in_the_forms_that_models_write():
    both = [Call("f", {"a": 1}), Call("g", {})]
    assert (
        calls_in(
            'so <tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call> <tool_call>\n'
            + ('{"name": "g", "parameters": {}}')
        )
        == both
    )
    assert calls_in('{"name": "f", "arguments": "{\\"a\\": 1}"}') == both[:1]
    for answer in ("42", '{"a": 1}', "{not json", "[1]"):
        assert calls_in(answer) == []
    (wrong,) = calls_in("<tool_call>look_up(apples)</tool_call>")
    assert wrong.error.startswith("the call is no JSON object")


def test_an_episode_by_hand():
    episode = begun()
    told = episode.step(asked("look_up", name="apples") + asked("look_up", name="pears") + asked("reset"))
    assert [message["content"] for message in told] == [
        "3",
        "{'error': \"'pears'\"}",
        "{'error': 'Tool reset not found.'}",
    ]
    assert {message["role"] for message in told} == {"tool"}
    ended = episode.step("It is 3.")
    assert ended == PlayedScore(1.0, read="It is 3.", read_from=LAST)
    assert ended.environment.asked == 2, "a reward function can look at the object"
    assert episode.truncate("").value == 1.0


def test_tools_may_be_coroutines():
    told = asyncio.run(begun().step(asked("wait", seconds=0) + asked("look_up", name="apples")))
    assert [message["content"] for message in told] == ["done", "3"]


def test_a_tool_that_hangs_beside_a_coroutine_holds_up_neither_the_next_turn_nor_the_end():
    let_go = threading.Event()

    class Slow(Desk):
        def hang(self) -> str:
            """Never answer."""
            let_go.wait(20)
            return "late"

    episode = ToolEpisode(Slow())
    episode.reset(Prompt("p", "How many?", {"stock": {"apples": 3}}))

    async def both():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(episode.step(asked("wait", seconds=0) + asked("hang")), 0.1)
        return await episode.step(asked("wait", seconds=0) + asked("look_up", name="apples") + asked("none"))

    told = asyncio.run(both())
    assert [message["content"] for message in told][:2] == ["done", "3"]
    assert told[2]["content"] == "{'error': 'Tool none not found.'}"
    assert all(thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread())
    let_go.set()


def test_every_tool_is_described_but_nothing_else():
    assert [schema["function"]["name"] for schema in schemas_of(Desk(), "x")] == ["look_up", "wait"]
    for made, said in ((object(), "no method reset"), (type("A", (), {"reset": lambda self: None})(), "no tools")):
        with pytest.raises(SteelyardError, match=said):
            schemas_of(made, "x")


def test_the_last_turn_is_checked_where_the_object_gives_no_reward():
    episode = Calculator().environment(question(37, 46), 0)
    assert episode.reset(question(37, 46)) == question(37, 46).text
    assert episode.step(call("37*46")) == [{"role": "tool", "name": "calculate", "content": "1702"}]
    assert episode.step("1702") == PlayedScore(None, read="1702", read_from=LAST)


def test_sampled_tokens_stay_and_those_of_the_tool_are_the_templates():
    """What the policy sampled is never encoded again, and what follows it is what the template puts there."""
    task = Calculator()
    policy = Policy.load("steelyard/calculator")
    policy.chat_options = {"tools": [*task.tools]}
    prompts = [question(a, 47) for a in range(20, 60)]
    episodes = Episodes(engine_for(policy, seed=0), Codec.of(policy), task)
    played = [*episodes.play([(prompt, 0) for prompt in prompts], Sampling(max_tokens=16))]
    several = [episode for episode in played if episode.trajectory.info["turns"] == 2]
    assert several, "the base model calls now and then"
    for episode in several:
        t = episode.trajectory
        (begin, end), text = _between(t.action_T), episode.prompt.text
        observed = policy.encode_next(text, [{"role": "tool", "name": "calculate", "content": "1"}], 1)
        assert t.tokens_T[: int(t.action_T.argmax())].tolist() == policy.encode(text)
        assert t.tokens_T[begin:end].tolist()[-2:] == observed[-2:]
        assert policy.tokenizer.decode(t.tokens_T[begin:end].tolist()).startswith("<tool>")
    assert all(s.value is not None for s in task.score(played))


def _between(action_T):
    begin = int(action_T.argmax())
    first = begin + int((~action_T[begin:]).argmax())
    return first, first + int(action_T[first:].argmax())


def test_a_class_is_loaded_by_its_file_and_rows_go_to_reset(tmp_path):
    lines = ("class Desk:", "  def reset(self, answer):", "    return answer", "  def f(self) -> str:", "    'Do.'")
    (tmp_path / "my_desk.py").write_text("\n".join(lines))
    (tmp_path / "rows.jsonl").write_text("".join(f'{{"prompt": "{n}", "answer": "{n}"}}\n' for n in range(40)))
    task = Tools(rows=Rows(path=f"{tmp_path}/rows.jsonl"), environment_factory=f"{tmp_path}/my_desk.py:Desk")
    (prompt, *_) = task.prompts("train")
    assert task.environment(prompt, 0).reset(prompt)[0]["content"] == 2 * prompt.columns["answer"]
    for wrong in ("", "nothing:Desk", f"{tmp_path}/my_desk.py:Chair"):
        with pytest.raises(SteelyardError, match="--environment-factory"):
            _ = replace(task, environment_factory=wrong).tools
    task.close()


@pytest.mark.parametrize("named", [False, True], ids=["callable", "named"])
def test_a_run_is_rewarded_by_what_its_objects_say(named, tmp_path, monkeypatch):
    """The objects count calls; who called is paid, whatever was answered. Named, the function runs in a worker."""
    counting = PocketCalculator.calculate

    def calculate(self, expression):
        self.calls += 1
        return counting(self, expression)

    calculate.__annotations__, calculate.__doc__ = counting.__annotations__, counting.__doc__
    monkeypatch.setattr(PocketCalculator, "calculate", calculate)
    monkeypatch.setattr(PocketCalculator, "calls", 0, raising=False)

    def made_calls(environments, **columns):
        seen.extend(environments)
        return [float(environment.calls > 0) for environment in environments]

    seen: list[PocketCalculator] = []
    monkeypatch.chdir(Path(__file__).parent)
    small = HeldOut(every=1, prompts=4, sampled_prompts=1, samples=2)
    sizes = {"max_steps": 1, "num_prompts": 4, "search_prompts": 4, "num_generations": 8, "evaluation": small}
    reward = "environment_rewards.py:made_calls" if named else made_calls
    place = str(tmp_path / "run")
    run = steelyard.train("calculator", reward=reward, runtime="inline", output_dir=place, report=False, **sizes)
    row = json.loads((run.run_dir / "metrics.jsonl").read_text().splitlines()[0])
    assert row["search/errors"] == 0
    assert named or {type(one) for one in seen} == {PocketCalculator}
    stored = json.loads((run.run_dir / "samples.jsonl").read_text().splitlines()[-1])
    assert stored["reward"] <= float("<tool_call>" in stored["completion"])
