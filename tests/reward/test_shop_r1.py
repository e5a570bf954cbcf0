"""Shop-R1: what outputs are paid by hand, what is exact, marks, files with settings, and the command on own rows."""

import json

import pytest

import steelyard
from steelyard.check.scoring import episode_of
from steelyard.core import Prompt, SteelyardError
from steelyard.reward import ShopR1, reward_function
from steelyard.reward.structured import FieldReward, TypeReward
from steelyard.task import Rows

TYPED = {"type": "type_and_submit", "name": "search box", "text": "red wool socks size nine"}
CLICKED = {"type": "click", "name": "add to cart"}
GONE = {"type": "terminate"}


def brief(prompts, completions, **columns):
    return [-float(len(c)) for c in completions]


def scored(action, right, reward=None, why="I want it"):
    text = json.dumps({"rationale": why, "action": action})
    return (reward or ShopR1())([episode_of(Prompt("p", "p", {"action": right}), text)])[0]


@pytest.mark.parametrize(("said", "right", "value", "exact"), [
    (GONE, GONE, 0.5 + 0.3, True),
    (GONE, CLICKED, 0.5, False),
    (CLICKED, CLICKED, 0.5 + 0.3 + 0.2 + 1000, True),
    ({"type": "click", "name": "add to basket"}, CLICKED, 0.5 + 0.3 + 0.2, False),
    ({"type": "click", "name": "add it to cart"}, CLICKED, 0.5 + 0.3 + 0.2 + 1000 * 6 / 7, False),
    ({"type": "click"}, CLICKED, 0.5 + 0.3, False),
    (TYPED, TYPED, 0.5 + 0.3 + 0.1 + 0.1 + 0.1 + 1000, True),
    (TYPED | {"name": "box"}, TYPED, 0.5 + 0.3 + 0.1 + 0.1 + 1000, False),
    (TYPED | {"text": "red wool socks"}, TYPED, 0.5 + 0.3 + 0.1 + 0.1 + 0.1 + 1000 * 0.75, False),
    (TYPED | {"text": "red socks"}, TYPED, 0.5 + 0.3 + 0.1 + 0.1 + 0.1, False),
    (TYPED | {"text": " "}, TYPED, 0.5 + 0.3 + 0.1 + 0.1, False),
    ({"type": "scroll"}, TYPED, 0.5, False),
    ({}, TYPED, 0.5, False),
])  # fmt: skip
def test_by_hand(said, right, value, exact):
    score = scored(said, right)
    assert score.value == pytest.approx(value)
    assert (score.right, score.parts["exact"]) == (exact, float(exact))
    assert sum(paid for name, paid in score.parts.items() if name != "exact") == pytest.approx(value)


def test_what_is_no_output_gets_nothing():
    prompt = Prompt("p", "p", {"action": json.dumps(GONE)})
    broken, right = ShopR1()(
        [episode_of(prompt, text) for text in ("{", '{"rationale": "", "action": {"type": "terminate"}}')]
    )
    assert (broken.value, broken.right, broken.part_rewards) == (0.0, False, ((None, 1.0),))
    assert (right.value, right.right, right.part_rewards) == (0.8, True, ((None, 1.0),)), "a blank reason"


def test_marks_stand_around_the_reason():
    score = scored(GONE, GONE, why="I go")
    text = json.dumps({"rationale": "I go", "action": GONE})
    (start, _), (end, _) = score.part_rewards
    assert text[start:end] == "I go"
    assert score.read == '{"type":"terminate"}'


def test_without_difficulty_and_threshold_similarity_counts_once():
    reward = ShopR1(difficulty=1.0, threshold=0.0)
    assert scored({"type": "click", "name": "add to basket"}, CLICKED, reward).value == pytest.approx(1.0 + 2 / 3)


@pytest.mark.parametrize(("columns", "said"), [
    ({}, "there is no column 'action'"),
    ({"action": "go"}, "column 'action' is 'go', which is no action"),
    ({"action": {"type": "scroll"}}, "of the type 'scroll', which is none of terminate, click, type_and_submit"),
])  # fmt: skip
def test_a_row_without_a_right_action_has_no_score(columns, said):
    [score] = ShopR1()([episode_of(Prompt("p", "p", columns), "{}")])
    assert score.value is None
    assert said in score.error


def test_types_of_ones_own_from_a_file(tmp_path):
    path = tmp_path / "orders.json"
    path.write_text(json.dumps({
        "column": "order", "action": "call", "type": "tool", "rationale": "why", "difficulty": 10, "format": 0,
        "types": [{"type": "lookup", "weight": 1, "fields": [{"name": "id", "given": 0, "similar": 2}]}],
    }))  # fmt: skip
    reward = reward_function(f"shop-r1:{path}")
    prompt = Prompt("p", "p", {"order": {"tool": "lookup", "id": 7}})
    text = json.dumps({"why": "so", "call": {"tool": "lookup", "id": "7"}})
    [score] = reward([episode_of(prompt, text)])
    assert (score.value, score.right) == (1 + 2 * 10, True)
    assert str(reward) == f"reward shop-r1:{path}"


@pytest.mark.parametrize(("written", "said"), [
    (None, "cannot be read"),
    ("{", "is not as it should be"),
    ('{"colum": "a"}', "has unknown settings: colum; use some of column"),
    ('{"difficulty": "much"}', "is not as it should be"),
    ('{"difficulty": -1}', r"is not as it should be \(Expected `float` >= 0.0 - at `\$.difficulty`\)"),
    ('{"types": []}', "has a type twice, or none"),
    ('{"types": [{"type": "a", "fields": [{"name": "b"}, {"name": "b"}]}]}', "has a field twice: b, b"),
])  # fmt: skip
def test_a_wrong_file_is_refused(tmp_path, written, said):
    path = tmp_path / "own.json"
    if written is not None:
        path.write_text(written)
    with pytest.raises(SteelyardError, match=said):
        reward_function(f"shop-r1:{path}")([episode_of(Prompt("p", "p", {"action": GONE}), "{}")])


def test_a_missing_column_is_refused_with_its_place():
    reward = reward_function("shop-r1:act")
    with pytest.raises(
        SteelyardError, match=r"there is no column 'act'; did you mean 'action'\?.*--reward shop-r1:COL"
    ):
        reward([episode_of(Prompt("p", "p", {"action": GONE}), "{}")])


def test_types_are_named_once():
    with pytest.raises(SteelyardError, match=r"shop-r1.types: has a type twice, or none: a, a"):
        ShopR1(types=(TypeReward("a"), TypeReward("a", fields=(FieldReward("b"),))))


@pytest.mark.parametrize("reward", ["shop-r1:action", ["shop-r1:action", (brief, 0.5)]], ids=["alone", "beside"])
def test_it_trains_on_own_rows(tmp_path, tiny_model_dir, reward):
    """A tiny random model writes no JSON, so every reward is 0; beside another reward the reason is still marked."""
    rows = [{"prompt": f"{n}+1=", "action": CLICKED} for n in range(20)]
    (tmp_path / "actions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    few = {"max_steps": 1, "num_prompts": 1, "search_prompts": 1, "num_generations": 2, "max_completion_length": 4}
    found = steelyard.train(
        "shop-r1", model=str(tiny_model_dir("llama")), task=Rows(path=f"{tmp_path}/actions.jsonl", needs_answer=False),
        output_dir=str(tmp_path / "run"), runtime="inline", report=False, reward=reward, **few,
    )  # fmt: skip
    assert found.run_dir.is_dir()
