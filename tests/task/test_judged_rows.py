"""Rows of a file, scored by a reward model that is tuned on and judged by one that is not."""

import json

import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import SteelyardError
from steelyard.reward import RewardModel
from steelyard.reward.scorer import Scorer
from steelyard.task import JudgedRows


@pytest.fixture(scope="module")
def task(tiny_model_dir, tmp_path_factory):
    root = tmp_path_factory.mktemp("judged")
    for seed, name in enumerate(("proxy", "gold")):
        Scorer.load(str(tiny_model_dir("gpt-neox")), new_head=seed).save(root / name)
    rows = [{"prompt": f"{i}+{i}", "subreddit": "sums"} for i in range(1, 60)]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return JudgedRows(
        path=str(root / "rows.jsonl"),
        held_out_share=0.3,
        prompt_template="{prompt}=",
        reward_model=str(root / "proxy"),
        gold_model=str(root / "gold"),
    )


def test_scores_are_the_reward_model_s_but_for_what_is_cut_off(task):
    prompt = task.prompts("train")[0]
    assert str(prompt.text).endswith("=")
    ended = episode_of(prompt, "12")
    cut = ended.__class__(prompt, "12", ended.trajectory.replace(finish="length"))
    first, second = task.score([ended, cut])
    [alone] = RewardModel(task.reward_model)([ended])
    assert first.value == pytest.approx(alone.value)  # read in company: the last bits may differ
    assert second.value == -1.0


def test_measures_are_of_both_models(task):
    prompts = task.prompts("held-out")[:3]
    groups = [[episode_of(p, said) for said in ("1", "23")] for p in prompts]
    found = task.measure(groups, groups)
    assert found["proxy_win_rate"] == found["gold_win_rate"] == 0.5
    assert found["proxy"] != found["gold"]
    values = [s.value for s in RewardModel(task.gold_model)([e for group in groups for e in group])]
    assert found["gold"] == pytest.approx(sum(values) / len(values))
    alone = JudgedRows(path=task.path, reward_model=task.reward_model).measure(groups, groups)
    assert alone.keys() == {"proxy", "proxy_win_rate"}


def test_wrong_settings():
    assert JudgedRows(path="some/data").fetches == "some/data"
    with pytest.raises(SteelyardError, match="no file is named"):
        JudgedRows().prompts("train")
    with pytest.raises(SteelyardError, match=r"use a text with .prompt. where"):
        JudgedRows(prompt_template="")
