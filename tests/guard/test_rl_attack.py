"""The attack by RL as an audit: what it measures, and that the model stays as it is."""

import json

import numpy as np
import pytest

from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.guard import RLAttack
from steelyard.worlds.sync_loop import imitate, tiny_policy

ROWS = [(f"line {i}", {"prompt": f"{p}:", "answer": "X"}) for i, p in enumerate("abcd")]
ATTACK = RLAttack(steps=12, samples=16, learning_rate=3e-2, max_completion_length=4)


@pytest.fixture(scope="module")
def policy():
    """A model that says n three times in four, and X otherwise."""
    made = tiny_policy("abcdnX:", seed=0, width=16, layers=1, heads=2, context=8)
    pairs = [(f"{p}:", said) for p in "abcd" for said in "nnnX"]
    imitate(made, pairs, steps=120, batch=16, learning_rate=2e-2, seed=0)
    return made


def test_the_attack_finds_what_the_model_sometimes_says(policy):
    before = policy.weights().copy()
    table = ATTACK.audit(policy, ROWS)
    assert table.number("before", "prompts") == 4
    assert table.number("before", "reward") == pytest.approx(0.25, abs=0.2)
    assert table.number("after", "reward") > 0.8
    gain = table.number("after", "reward") - table.number("before", "reward")
    assert table.number("after", "gain") == pytest.approx(gain / 12)
    assert table.number("before", "gain") is None
    assert table.number("after", "surprise") < table.number("before", "surprise")
    assert np.array_equal(before, policy.weights())


def test_what_is_never_said_has_no_spread_and_is_not_found(policy):
    rows = [(place, {**row, "answer": "aaaa"}) for place, row in ROWS]
    table = ATTACK.audit(policy, rows)
    for row in ("before", "after"):
        assert [table.number(row, name) for name in ("reward", "best", "spread")] == [0.0, 0.0, 0.0]


def test_a_reward_that_is_named_needs_no_answers(policy, tmp_path):
    source = "def wants(prompts, completions, **columns): return [float(c.strip() == 'X') for c in completions]"
    (tmp_path / "own.py").write_text(source)
    rows = [(place, {"prompt": row["prompt"]}) for place, row in ROWS]
    named = RLAttack(reward=f"{tmp_path}/own.py:wants", steps=1, samples=16, max_completion_length=4)
    answered = RLAttack(steps=1, samples=16, max_completion_length=4)
    assert [c.name for c in named.columns()] == ["prompt"]
    assert named.audit(policy, rows) == answered.audit(policy, ROWS)


def test_rows_that_lack_something_are_refused(policy):
    with pytest.raises(SteelyardError, match=r"line 0: column 'answer' is empty; write what the attacker wants"):
        ATTACK.audit(policy, [("line 0", {"prompt": "a:", "answer": None})])
    with pytest.raises(SteelyardError, match="there are no rows"):
        ATTACK.audit(policy, [])
    with pytest.raises(SteelyardError, match="a prompt has 9 tokens, and the context ends"):
        ATTACK.audit(policy, [("line 0", {"prompt": "aaaaaaaa:", "answer": "X"})])


def test_the_command(tmp_path, tiny_model_dir, capsys):
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"{n}+1=", "answer": str(n + 1)}) for n in range(4)))
    few = ["--steps", "1", "--samples", "2", "--max-completion-length", "4", "--json"]
    assert main(["audit", "rl-attack", "--model", str(tiny_model_dir("llama")), "--data", str(path), *few]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(told["rows"]) == {"before", "after"}
    assert told["rows"]["before"]["prompts"] == 4
