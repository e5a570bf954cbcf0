"""The preflight: pass@k by hand, what is trusted at high and at low alignment, tasks apart, and the command."""

import json

import numpy as np
import pytest

from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.eval import ModelTaskAlignment, pass_at_k, wilson
from steelyard.eval.model_task_alignment import powers
from steelyard.worlds.sync_loop import imitate, tiny_policy

PROMPTS = "abcdefghijklmnop"
ROWS = [(f"line {i}", {"prompt": f"{p}:", "answer": "7", "task": "known"}) for i, p in enumerate(PROMPTS)]
OTHERS = [(f"line {i}", {"prompt": f"{p}:", "answer": "33", "task": "unknown"}) for i, p in enumerate(PROMPTS.upper())]
ASKED = ModelTaskAlignment(max_completion_length=2)


@pytest.fixture(scope="module")
def policy():
    """A model that says 7 two times in three, else 5."""
    made = tiny_policy(f"{PROMPTS}{PROMPTS.upper()}357:", seed=0, width=16, layers=1, heads=2, context=8)
    pairs = [(f"{p}:", said) for p in PROMPTS + PROMPTS.upper() for said in "775"]
    imitate(made, pairs, steps=150, batch=32, learning_rate=2e-2, seed=0)
    return made


@pytest.fixture(scope="module")
def table(policy):
    return ASKED.audit(policy, ROWS)


def test_pass_at_k_grows_as_it_must(policy, table):
    curve = [table.number("all", f"pass_at_{k}") for k in (1, 2, 4, 8, 16)]
    assert curve[0] == pytest.approx(2 / 3, abs=0.1)
    assert curve[1] == pytest.approx(1 - (1 - curve[0]) ** 2, abs=0.05)
    assert curve == sorted(curve)
    assert curve[-1] == 1.0
    assert (table.number("all", "low"), table.number("all", "high")) == wilson(16, 16)
    again = ModelTaskAlignment(max_completion_length=2, samples=2, prompts=1).audit(policy, ROWS)
    assert again.number("all", "prompts") == 1
    assert again.number("all", "pass_at_1") in [pass_at_k(2, c, 1) for c in (0, 1, 2)]


def test_k_doubles_up_to_the_number_of_samples():
    assert powers(16) == [1, 2, 4, 8, 16]
    assert powers(12) == [1, 2, 4, 8, 12]
    assert powers(2) == [1, 2]


def test_at_high_alignment_all_is_trusted_that_agrees(table):
    trusted = {name: x for name, x in table.data()["rows"]["all"].items() if name.startswith("trust")}
    assert set(trusted.values()) == {1}
    assert len(trusted) == 8
    assert table.number("all", "majority_right") > 0.8
    assert table.number("all", "majority_agrees") > 0.8
    assert table.number("all", "confidence_agrees") > 0.8
    assert table.number("all", "format_agrees") == pytest.approx(0.5, abs=0.1)


def test_what_points_the_wrong_way_is_not_trusted_at_any_alignment(policy):
    rows = [(place, {**row, "answer": "5"}) for place, row in ROWS]
    table = ASKED.audit(policy, rows)
    assert table.number("all", "trust_coin_flip") == 1
    assert table.number("all", "majority_agrees") < 0.5
    assert [table.number("all", f"trust_{name}") for name in ("majority", "confidence")] == [0, 0]


def test_at_low_alignment_nothing_is_trusted_and_tasks_are_told_apart(policy):
    table = ModelTaskAlignment(max_completion_length=2, by="task").audit(policy, [*ROWS, *OTHERS])
    assert [name for name, _ in table.rows] == ["known", "unknown"]
    assert table.number("known", "trust_negatives") == 1
    assert table.number("unknown", "pass_at_16") == 0.0
    assert table.number("unknown", "majority_agrees") is None
    trusted = {x for name, x in table.data()["rows"]["unknown"].items() if name.startswith("trust")}
    assert trusted == {0}


def test_few_prompts_do_not_tell(policy):
    table = ModelTaskAlignment(max_completion_length=2, prompts=4).audit(policy, ROWS)
    assert table.number("all", "pass_at_16") == 1.0
    assert table.number("all", "trust_truth") == 1
    assert table.number("all", "trust_coin_flip") is None


def test_a_reward_that_is_named_needs_no_answers(policy, tmp_path):
    source = "def right(prompts, completions, **columns): return [float(c.strip() == '7') for c in completions]"
    (tmp_path / "own.py").write_text(source)
    named = ModelTaskAlignment(max_completion_length=2, reward=f"{tmp_path}/own.py:right")
    assert [c.name for c in named.columns()] == ["prompt"]
    bare = [(place, {"prompt": row["prompt"]}) for place, row in ROWS]
    assert named.audit(policy, bare) == ASKED.audit(policy, ROWS)


def test_the_model_stays_as_it_is(policy):
    before = policy.weights().copy()
    ASKED.audit(policy, ROWS[:1])
    assert np.array_equal(before, policy.weights())


def test_what_cannot_be_measured_is_refused(policy):
    with pytest.raises(SteelyardError, match="there are no rows"):
        ASKED.audit(policy, [])
    with pytest.raises(SteelyardError, match="line 0: column 'answer' is empty"):
        ASKED.audit(policy, [("line 0", {"prompt": "a:", "answer": None})])
    with pytest.raises(SteelyardError, match="line 0 has no column 'level'"):
        ModelTaskAlignment(by="level").audit(policy, ROWS)
    with pytest.raises(SteelyardError, match="a prompt has 9 tokens, and the context ends"):
        ASKED.audit(policy, [("line 0", {"prompt": "aaaaaaaa:", "answer": "7"})])
    with pytest.raises(SteelyardError, match=r"spurious\.pattern: is no regular expression"):
        ModelTaskAlignment(pattern="(")


def test_the_command(tmp_path, tiny_model_dir, capsys):
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"{n}+1=", "answer": n + 1}) for n in range(4)))
    words = ["audit", "model-task-alignment", "--model", str(tiny_model_dir("llama")), "--data", str(path)]
    few = ["--samples", "4", "--max-completion-length", "4", "--json"]
    assert main([*words, *few]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {"pass_at_1", "pass_at_2", "pass_at_4", "trust_negatives"} < set(told["rows"]["all"])
    assert told["rows"]["all"]["prompts"] == 4
