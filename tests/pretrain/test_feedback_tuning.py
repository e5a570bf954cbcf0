import json

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.learner.given_data import GivenData
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.pretrain.context_room import LEFT_OUT
from steelyard.pretrain.dress import DRESS, Told
from steelyard.pretrain.feedback_tuning import NOTHING, FeedbackTuning
from steelyard.report import write_report

SHORT = DRESS(score="{score}:", critique="{critique}:", feedback=":{feedback}:")
FEW = {"batch_size": 4, "max_steps": 4, "max_completion_length": 4, "learning_rate": 1e-2}
RECORDS = ("metrics.jsonl", "eval.jsonl", "data.json", "model/model.safetensors")


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def row_of(n):
    """A response 1 under the score 2, or 0 under 1, which becomes the digit that is to be said instead."""
    good = n % 2
    said = {"score": 1 + good, "critique": "=" if good else "-"}
    more = {"refinement": f"{2 + n // 2 % 8}", "next": f"{2 + n // 2 % 8}"}
    return {"prompt": f"{n // 2}+1=", "response": str(good), **said} | ({} if good else more)


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "critiqued.jsonl", [row_of(n) for n in range(60)])


def job_of(path, model, **settings):
    return FeedbackTuning(**{"path": path, "model": str(model), "conditions": SHORT, **FEW} | settings)


def test_the_best_condition_is_that_of_the_highest_score(path, tiny_model_dir):
    splits = job_of(path, tiny_model_dir("llama"))._read()
    assert (splits.best, splits.worst) == (Told(2.0, "="), Told(1.0, "-"))
    named = job_of(path, tiny_model_dir("llama"), best_score=1.0, best_critique="+")._read()
    assert named.best == Told(1.0, "+")
    asked = job_of(path, tiny_model_dir("llama")).asked()
    assert all(str(prompt.text).startswith("2:=:") for prompt in asked)
    assert len({prompt.id for prompt in asked}) == len(asked)


def test_a_prompt_is_on_one_side_and_all_lessons_are_learned(path, tiny_model_dir):
    work = job_of(path, tiny_model_dir("llama"), batch_size=1).open()
    learned = [work.groups_at(step)[0][0] for step in range(work.facts["lessons"])]
    held = {row.prompt.id for row in job_of(path, tiny_model_dir("llama"))._read().held_out}
    assert not held & {t.prompt_id for t in learned}
    assert work.facts["lessons"] == work.facts["rated"] + work.facts["refined"]
    assert work.facts["train"] == work.facts["rated"] == 2 * work.facts["refined"]
    assert work.facts["best"] == "2:=:"


def test_measures_by_hand(path, tiny_model_dir):
    work = job_of(path, tiny_model_dir("gpt2")).open()
    rows = work.measure.rows
    policy = Policy.load(str(tiny_model_dir("gpt2")))

    def mean(told, row):
        t = SHORT.response(policy, row, told)
        return float(total_logp(policy, [t])[0] / num_actions([t])[0])

    margins = {score: [mean(Told(2.0, "="), r) - mean(Told(1.0, "-"), r) for r in rows if r.score == score]
               for score in (1.0, 2.0)}  # fmt: skip
    above = [good > bad for good in margins[2.0] for bad in margins[1.0]]
    row, _ = work.evaluate()
    assert row["eval/condition_auc"] == pytest.approx(np.mean(above), abs=0.02)
    refined = [r for r in rows if r.turns]
    others = [*refined[1:], refined[0]]
    gains = []
    for own, other in zip(refined, others, strict=True):
        both = [SHORT.refined(policy, own.prompt, own.response, ((told, own.turns[0][1]),))
                for told in (own.turns[0][0], other.turns[0][0])]  # fmt: skip
        logp = total_logp(policy, both) / num_actions(both)
        gains.append(logp[0] - logp[1])
    assert row["eval/refinement_gain"] == pytest.approx(np.mean(gains), abs=1e-5)


def test_a_model_learns_to_heed_the_condition_and_what_is_to_be_changed(path, tiny_model_dir, tmp_path):
    (tmp_path / "mine.py").write_text(
        "def zero(prompts, completions, **columns):\n    return [float(c == '0') for c in completions]\n"
    )
    settings = {"batch_size": 16, "held_out_share": 0.3, "scorer": f"{tmp_path}/mine.py:zero"}
    work = job_of(path, tiny_model_dir("llama"), max_steps=100, **settings).open()
    before, _ = work.evaluate()
    for _ in range(100):
        work.step()
    after, samples = work.evaluate()
    assert after["eval/held_out_loss"] < before["eval/held_out_loss"]
    assert after["eval/condition_auc"] > 0.9
    assert after["eval/refinement_gain"] > max(0.1, before["eval/refinement_gain"])
    assert after["eval/score_worst"] > 0.9  # under the worst condition it says 0, under the best it does not
    assert after["eval/score_best"] < 0.1
    assert after["eval/score_before"] == 1.0
    assert after["eval/score_after"] < 0.5
    assert samples[0]["prompt"].startswith("2:=:")


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_run_has_its_measures_and_a_page(family, path, tiny_model_dir, tmp_path, capsys):
    given = {"path": path, "model": str(tiny_model_dir(family)), "conditions": SHORT, **FEW}
    run = steelyard.train("dress", report=False, output_dir=str(tmp_path / "run"), **given).run_dir
    write_report(run)
    assert "tells the best responses from the worst" in (run / "report.html").read_text()
    assert main(["eval", str(run)]) == 0
    assert "condition_auc" in capsys.readouterr().out
    assert main(["sample", str(run), "--samples", "1", "--prompts", "1"]) == 0
    assert "2:=:" in capsys.readouterr().out


def test_a_run_that_was_cut_short_goes_on_bit_for_bit(path, tiny_model_dir, tmp_path, monkeypatch):
    given = {"path": path, "model": str(tiny_model_dir("llama")), "conditions": SHORT, **FEW}
    given |= {"save_steps": 1, "eval_steps": 1}
    cut_short(monkeypatch, GivenData, 2, "dress", output_dir=str(tmp_path / "cut"), **given)
    run = steelyard.resume(tmp_path / "cut", report=False).run_dir
    whole = steelyard.train("dress", report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    for name in RECORDS:
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_what_is_left_out_is_counted(tiny_model_dir, tmp_path):
    rows = [row_of(n) for n in range(60)] + [{"prompt": "9=", "response": "1" * 70, "score": 1}]
    rows += [{"prompt": "8=", "response": "1", "critique": "-"}]
    scores = DRESS(critiques=False, score="{score}:", feedback=":{feedback}:")
    data = job_of(write(tmp_path / "c.jsonl", rows), tiny_model_dir("llama"), conditions=scores).plan()["data"]
    assert data["notes"] == {NOTHING: 1, LEFT_OUT: 1}


def test_without_a_difference_there_is_nothing_to_tell_apart(tiny_model_dir, tmp_path):
    rows = [{"prompt": f"{n}=", "response": "1", "critique": "="} for n in range(40)]
    path = write(tmp_path / "c.jsonl", rows)
    row, _ = job_of(path, tiny_model_dir("llama"), best_critique="=").open().evaluate()
    assert set(row) == {"eval/held_out_loss"}


def test_what_cannot_work_is_refused(path, tiny_model_dir, tmp_path):
    critiques = [{"prompt": f"{n}=", "response": "1", "critique": "="} for n in range(40)]
    for settings, said in (
        ({"path": ""}, "--path: is missing; name a .jsonl or .parquet file with prompt, response, and score"),
        ({"model": ""}, "--model: is missing"),
        ({"path": write(tmp_path / "c.jsonl", critiques)}, "--best-critique: is missing, and no row has a score"),
        ({"path": str(tmp_path / "c.jsonl"), "conditions": DRESS(critiques=False)}, "nothing is said of any response"),
        ({"scorer": "right"}, "it names no function"),
        ({"max_completion_length": 64}, "no row fits a context of 64 tokens"),
    ):
        with pytest.raises(SteelyardError, match=said):
            job_of(**{"path": path, "model": tiny_model_dir("llama")} | settings).open()
