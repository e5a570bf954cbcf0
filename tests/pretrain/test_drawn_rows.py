import json
from dataclasses import replace

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.curriculum import STAT, SkillIt
from steelyard.learner.given_data import GivenData
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.pretrain.skill_it_tuning import SkillItTuning, told_losses
from steelyard.pretrain.stat_tuning import STATTuning, told_answers
from steelyard.pretrain.supervised import given_answer
from steelyard.rollout.greedy import greedy
from steelyard.task.skilled import SkilledColumns, SkilledFile

FEW = {"batch_size": 4, "max_steps": 4, "max_completion_length": 4, "learning_rate": 1e-2}
RECORDS = ("metrics.jsonl", "eval.jsonl", "data.json", "model/model.safetensors")


@pytest.fixture
def path(tmp_path):
    """Forty rows of two topics, sums and what repeats a letter."""
    rows = [{"prompt": f"{n}+1=", "answer": str(n + 1), "topic": "sum"} for n in range(20)]
    rows += [{"prompt": f"{n}{letter}=", "answer": letter, "topic": "echo"} for letter in "ab" for n in range(10)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(tmp_path / "rows.jsonl")


TOPIC = SkilledFile(columns=SkilledColumns(skill="topic"))


def skill_it(path, model, **settings):
    return SkillItTuning(**{"path": path, "model": str(model), "file": TOPIC, **FEW} | settings)


def stat(path, model, **settings):
    return STATTuning(**{"path": path, "model": str(model), "file": TOPIC, **FEW} | settings)


def test_a_loss_is_told_as_one_less_than_the_reward(path, tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    rows, _ = TOPIC.read(path, "--path")
    given = [given_answer(policy, row) for row in rows[:3]]
    expected = -total_logp(policy, given) / num_actions(given)
    assert [1 - t.reward for t in told_losses(policy, given)] == pytest.approx(expected)
    assert min(expected) > 0


def test_an_answer_is_told_as_right_where_the_model_repeats_it(path, tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("gpt2")))
    rows, _ = TOPIC.read(path, "--path")
    given = [given_answer(policy, row) for row in rows[:3]]
    [said, *_] = greedy(policy, given, 4)
    before = given[0].tokens_T[~given[0].action_T]
    own = given[0].replace(
        tokens_T=np.concatenate([before, said]).astype(np.int32),
        action_T=np.arange(len(before) + len(said)) >= len(before),
        logp_behaviour_T=np.zeros(len(before) + len(said), np.float32),
    )
    told = told_answers(policy, [own, *given[1:]], 4)
    assert told[0].reward == 1.0
    assert [t.prompt_id for t in told] == [t.prompt_id for t in given]
    again = greedy(policy, given[1:], 4)
    assert [t.reward for t in told[1:]] == [
        float(np.array_equal(one, t.completion_T)) for one, t in zip(again, given[1:], strict=True)
    ]


def test_of_every_skill_some_rows_are_set_aside_and_neither_drawn_nor_held_out(path, tiny_model_dir):
    job = skill_it(path, tiny_model_dir("llama"), max_steps=60)
    train, held, _ = job._read()
    rows, validation = job.set_aside(train)
    ids = [{row.prompt.id for row in some} for some in (rows, validation, held)]
    assert len(set.union(*ids)) == sum(map(len, ids)) == 40
    assert {row.prompt.columns["skill"] for row in validation} == {"sum", "echo"}
    work = job.open()
    drawn = {group[0].prompt_id for step in range(60) for group in work.groups_at(step)}
    assert drawn == ids[0]
    assert work.facts["validation"] == len(validation)
    few, aside = skill_it(path, tiny_model_dir("llama"), validation_share=0.5, validation_rows=1).set_aside(train)
    assert (len(few), len(aside)) == (len(train) - 2, 2)


def test_a_skill_with_a_higher_loss_is_drawn_more_often_and_one_that_helps_it_too(path, tiny_model_dir):
    """The model has learned neither; by an edge, echo counts for half of what sums count for."""
    settings = {"curriculum": SkillIt(eta=1.0, round_size=4), "max_steps": 3}
    work = skill_it(path, tiny_model_dir("llama"), **settings).open()
    first, _ = work.evaluate()
    assert first["eval/drawn@sum"] == first["eval/drawn@echo"] == 0.5
    assert work.facts["skills"] == "0 echo, 1 sum"
    assert work.facts["edges"] == "none"
    for _ in range(2):
        work.step()
    losses = np.array(work.groups_at.draws.state()["losses"]).sum(0)  # pyright: ignore
    row, _ = work.evaluate()
    assert losses.min() > 0
    expected = np.exp(losses) / np.exp(losses).sum()
    assert [row["eval/drawn@echo"], row["eval/drawn@sum"]] == pytest.approx(expected)
    settings["curriculum"] = replace(settings["curriculum"], edges=("0:1",))
    helped, _ = skill_it(path, tiny_model_dir("llama"), **settings).open().evaluate()
    assert helped["eval/drawn@echo"] == pytest.approx(np.exp(1.5) / (np.exp(1.5) + np.exp(1.0)))


def test_a_graph_is_learned_from_the_model_as_it_is(path, tiny_model_dir):
    """What is trained is the model without the short runs; an edge is where one of these lowers the other loss."""
    job = skill_it(path, tiny_model_dir("llama"), graph_steps=6, graph_least=0.0, graph_from="singles")
    rows, validation = job.set_aside(job._read()[0])
    work = job.open()
    untrained = Policy.load(str(tiny_model_dir("llama")))
    assert np.array_equal(work.learner.policy.weights(), untrained.weights())
    trained, measured = (
        {skill: [row for row in some if row.prompt.labels["domain"] == skill] for skill in (0, 1)}
        for some in (rows, validation)
    )
    edges = work.facts["edges"].split()
    before = job._after(trained, measured, [])
    for start, end in ((0, 1), (1, 0)):
        after = job._after(trained, measured, [start])
        assert after[start] < before[start]
        assert (f"{start}:{end}" in edges) == (after[end] < before[end])


@pytest.mark.parametrize(
    ("recipe", "curriculum"),
    [("skill-it", SkillIt(round_size=4, window=2)), ("stat", STAT(skills="skill", round_size=4))],
)
def test_a_run_that_was_cut_short_goes_on_bit_for_bit(recipe, curriculum, path, tiny_model_dir, tmp_path, monkeypatch):
    given = {"path": path, "model": str(tiny_model_dir("llama")), "file": TOPIC, "curriculum": curriculum, **FEW}
    given |= {"save_steps": 1, "eval_steps": 1} | ({"graph_steps": 2} if recipe == "skill-it" else {})
    cut_short(monkeypatch, GivenData, 2, recipe, output_dir=str(tmp_path / "cut"), **given)
    run = steelyard.resume(tmp_path / "cut", report=False).run_dir
    assert main(["eval", str(run)]) == 0
    whole = steelyard.train(recipe, report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    for name in RECORDS:
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    states = [json.loads((one / "checkpoint-4" / "curriculum.json").read_text()) for one in (run, whole)]
    assert states[0] == states[1]
    assert states[0]["position"] == 16


def test_a_damaged_state_of_the_curriculum_is_refused(path, tiny_model_dir, tmp_path):
    given = {"path": path, "model": str(tiny_model_dir("llama")), "file": TOPIC, **FEW, "save_steps": 2}
    run = steelyard.train("stat", report=False, output_dir=str(tmp_path / "run"), **given).run_dir
    (run / "checkpoint-4" / "curriculum.json").write_text("{")
    with pytest.raises(SteelyardError, match=r"curriculum.json: is damaged"):
        stat(path, tiny_model_dir("llama")).reopen(run / "checkpoint-4")


def test_stat_draws_what_the_model_does_not_answer(path, tiny_model_dir):
    """A model that echoes and cannot add is taught sums alone."""
    taught = skill_it(path, tiny_model_dir("llama"), curriculum=SkillIt(eta=0.0)).open()
    rows, _ = TOPIC.read(path, "--path")
    policy = taught.learner.policy
    echo = [[given_answer(policy, row)] for row in rows if row.prompt.columns["skill"] == "echo"]
    for _ in range(60):
        taught.learner.step(echo)
    job = stat(path, tiny_model_dir("llama"), validation_share=0.5)
    _, validation = job.set_aside(job._read()[0])
    begun = job.begin(policy, *job.set_aside(job._read()[0]), None)
    begun.draws.observe(begun.told())
    begun.draws.draw(1)
    answered = [t.reward for t in told_answers(policy, [given_answer(policy, row) for row in validation], 4)]
    missed = [str(row.prompt.columns["skill"]) for row, r in zip(validation, answered, strict=True) if not r]
    assert begun.shares() == {skill: missed.count(skill) / len(missed) for skill in sorted({*missed})}
    assert begun.shares()["sum"] > 0.7


def test_the_plan_says_the_skills_and_the_runs(path, tiny_model_dir):
    plan = skill_it(path, tiny_model_dir("llama"), graph_steps=5).plan()
    assert plan["data"]["skills"] == "0 echo, 1 sum"
    assert plan["data"]["runs_for_the_graph"] == 3
    assert plan["data"]["train"] + plan["data"]["validation"] + plan["data"]["held_out"] == 40
    assert stat(path, tiny_model_dir("llama")).plan()["data"]["skills"] == 2


def test_what_cannot_work_is_refused(path, tiny_model_dir, tmp_path):
    llama = tiny_model_dir("llama")
    lone = tmp_path / "lone.jsonl"
    rows = [{"prompt": f"{n}=", "answer": "1", "topic": "a"} for n in range(9)]
    lone.write_text("\n".join(map(json.dumps, [*rows, {"prompt": "b", "answer": "1", "topic": "b"}])))
    several = tmp_path / "several.jsonl"
    several.write_text("\n".join(json.dumps({**row, "topic": ["a", "b"]}) for row in rows))
    edges = SkillIt(edges=("0:7",))
    for make, settings, said in (
        (skill_it, {"file": SkilledFile()}, "rows.jsonl, line 1: there is no skill: column 'skill'"),
        (skill_it, {"curriculum": edges}, "0:7: no prompt has domain 7; name some of 0, 1"),
        (skill_it, {"path": str(several)}, r"several.jsonl, line .: its domain is \['a', 'b'\]"),
        (skill_it, {"path": str(lone), "held_out": path}, r"lone.jsonl, skill 1 \(b\): nothing is left to train on"),
        (stat, {"curriculum": STAT()}, "--skills: is ''; leave it out, and name the column with --columns.skill"),
    ):
        with pytest.raises(SteelyardError, match=said):
            make(**{"path": path, "model": llama} | settings).open()
    assert stat(str(several), llama).open().facts["skills"] == 2
