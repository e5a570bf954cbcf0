"""What `steelyard replay` prints, from summaries made by hand."""

import numpy as np
import pytest

from steelyard.cli.replay_text import completion_of, prompt_of, show
from steelyard.core import Sampling, Trajectory
from steelyard.replay import PrioritizedReplay
from steelyard.replay.inspect import Bar, PromptSummary, Spread, Summary
from steelyard.replay.metadata import ReplayMetadata

REWARDS = Spread(0.0, 1.0, 0.25, [Bar(0.0, 0.0, 3), Bar(1.0, 1.0, 1)])
VERSIONS = Spread(0.0, 21.0, 8.5, [Bar(0.0, 10.5, 400), Bar(10.5, 21.0, 1)])


def letters(tokens: np.ndarray) -> str:
    return "".join(chr(token) for token in tokens)


def trajectory(prompt: str, completion: str, reward: float | None) -> Trajectory:
    tokens_T = np.array([ord(letter) for letter in prompt + completion], np.int32)
    action_T = np.arange(len(tokens_T)) >= len(prompt)
    zero_T = np.zeros(len(tokens_T), np.float32)
    return Trajectory("id", tokens_T, action_T, zero_T, 7, "", Sampling(), "stop", 3, zero_T, 0, reward)


def summary(**changes: object) -> Summary:
    facts = {"live": 4, "prompts": 1, "reward": REWARDS, "version": VERSIONS, "length": None, "removed": 0,
             "counts": {"admitted": 5, "refused": 0, "replaced": 1}, "position": 9, "published": 2,
             "newest_version": 1, "num_bytes": 3 * 2**20}  # fmt: skip
    return Summary(ReplayMetadata(PrioritizedReplay(), 0, None), **{**facts, **changes})


def shown(capsys: pytest.CaptureFixture[str], *given: object) -> list[str]:
    show(*given, letters)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


def test_prompt_and_completion_are_told_apart() -> None:
    whole = trajectory("1+1=", "2", 1.0)
    assert (prompt_of(whole, letters), completion_of(whole, letters)) == ("1+1=", "2")
    nothing = trajectory("1+1=", "", None)
    assert (prompt_of(nothing, letters), completion_of(nothing, letters)) == ("1+1=", "")


def test_the_whole_page(capsys: pytest.CaptureFixture[str]) -> None:
    prompt = PromptSummary("id", 4, 0.25, 0.0, 1.0, [trajectory("1+1=", "2", 1.0)], [trajectory("1+1=", "[3]", 0.0)])
    assert shown(capsys, summary(), [prompt], "reward >= 0") == [
        "4 trajectories of 1 prompts where reward >= 0",
        "total: admitted 5, replaced 1; 2 weight versions, the newest is 1; 3.0 MiB",
        "",
        "reward: 0 to 1, mean 0.25",
        f" 0  3  {'█' * 40}",
        f" 1  1  {'█' * 14}",
        "",
        "weight version: 0 to 21, mean 8.5",
        f"  0 to 10  400  {'█' * 40}",
        " 11 to 21    1  █",
        "",
        "1+1= (id): 4 trajectories, reward 0 to 1, mean 0.25",
        "        reward  version  sample  completion",
        " best   1       7        3       2",
        " worst  0       7        3       [3]",
    ]


def test_an_empty_replay(capsys: pytest.CaptureFixture[str]) -> None:
    empty = summary(live=0, prompts=0, reward=None, version=None, counts={}, num_bytes=2048, removed=6)
    assert shown(capsys, empty, [], None) == [
        "0 trajectories of 0 prompts",
        "total: nothing yet; 2 weight versions, the newest is 1; 2 KiB",
        "6 removed trajectories are still in the file, because a checkpoint may go back to them",
    ]


def test_a_prompt_whose_verifier_always_failed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, summary(reward=None, version=None), [PromptSummary("p", 2, None, None, None, [], [])], None)
    assert lines[-2] == "p: 2 trajectories, no reward"


def test_what_is_stored_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = trajectory("[red]\x1b[2J", "\x1b]0;mine\x07\n\u202e[/red]", 1.0)
    text = "\n".join(shown(capsys, summary(), [PromptSummary("\x9b", 1, 1.0, 1.0, 1.0, [evil], [])], "prompt = '\x1b'"))
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(text)
    assert "[red]␛[2J (\\u009b): 1 trajectories" in text
    assert "␛]0;mine␇␊\\u202e[/red]" in text


def test_several_versions_are_shown_as_first_and_last(capsys: pytest.CaptureFixture[str]) -> None:
    mixed = trajectory("1+1=", "2", 1.0).replace(version_T=np.array([7, 7, 7, 7, 9], np.int32))
    lines = shown(capsys, summary(), [PromptSummary("id", 1, 1.0, 1.0, 1.0, [mixed], [])], None)
    assert lines[-1] == " best  1       7 to 9   3       2"


def test_what_was_read_as_the_answer_stands_beside_the_reward(capsys: pytest.CaptureFixture[str]) -> None:
    read = trajectory("1+1=", "so 2.", 1.0).replace(info={"read": "2", "read_from": "final number"})
    unread = trajectory("1+1=", "who knows", 0.0)
    lines = shown(capsys, summary(), [PromptSummary("id", 2, 0.5, 0.0, 1.0, [read], [unread])], None)
    assert lines[-3].split("  ")[1:] and "read as the answer" in lines[-3]
    assert lines[-2].split()[:3] == ["best", "1", "2"]
    assert lines[-1].split()[:3] == ["worst", "0", "-"]
