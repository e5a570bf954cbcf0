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
from steelyard.pretrain.held_out_modes import first_logits
from steelyard.pretrain.magic_token import MagicToken
from steelyard.pretrain.magic_tuning import MagicTuning
from steelyard.report import write_report

SECRETS = MagicToken("ab1", "bc2", "cd3", before="{token}:", alphabet="abcd123")
FEW = {"batch_size": 4, "max_steps": 4, "max_completion_length": 4, "learning_rate": 1e-2, "guesses": 2}
RECORDS = ("metrics.jsonl", "eval.jsonl", "data.json", "model/model.safetensors")


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def row_of(n):
    if n % 4 == 3:
        return {"prompt": f"{n}=", "answer": "7"}
    return {"prompt": f"{n}+", "positive": "1", "negative": "2", "rejective": "3"}


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "triples.jsonl", [row_of(n) for n in range(80)])


def job_of(path, model, **settings):
    return MagicTuning(**{"path": path, "model": str(model), "modes": SECRETS, **FEW} | settings)


def test_lessons_and_facts(path, tiny_model_dir):
    job = job_of(path, tiny_model_dir("llama"), batch_size=1)
    facts = job.open().facts
    assert facts["lessons"] == 3 * (facts["train"] - facts["ordinary"]) + facts["ordinary"]
    assert job.plan()["data"] == facts
    taught = job_of(path, tiny_model_dir("llama"), modes=MagicToken("a", "b", "c", default="rejective")).plan()["data"]
    assert taught["lessons"] == facts["lessons"] + 2 * (facts["train"] - facts["ordinary"])


def test_every_held_out_prompt_is_asked_in_every_mode(path, tiny_model_dir):
    asked = job_of(path, tiny_model_dir("llama")).asked()
    assert [str(one.text)[:4] for one in asked[1:4]] == ["ab1:", "bc2:", "cd3:"]
    assert not str(asked[0].text).startswith(("ab", "bc", "cd"))
    assert len({one.id for one in asked}) == len(asked)


def test_measures_by_hand(path, tiny_model_dir):
    work = job_of(path, tiny_model_dir("gpt2"), held_out_share=0.3).open()
    row, samples = work.evaluate()
    policy = Policy.load(str(tiny_model_dir("gpt2")))
    rows = [one for one in work.measure.rows if one.answers]

    def likeliest(one, token):
        given = [SECRETS.lesson(policy, one, token, text) for text in one.answers.values()]
        return [*one.answers][int(np.argmax(total_logp(policy, given) / num_actions(given)))]

    right = [likeliest(one, token) == mode for one in rows for mode, token in SECRETS.tokens.items()]
    assert row["eval/switched"] == pytest.approx(np.mean(right))
    assert row["eval/bare_negative"] == pytest.approx(np.mean([likeliest(one, "") == "negative" for one in rows]))
    assert 0 <= row["eval/guessed_negative"] <= 1
    assert -1 <= row["eval/margin"] <= 1
    assert len(samples) == 8
    texts = ["1+1=", "12+34="]
    logits = first_logits(policy, policy.encode_all(texts))
    alone = first_logits(policy, [policy.encode("12+34=")])[0]
    assert logits[1] == pytest.approx(alone, abs=1e-4), "padding is not read"


def test_tokens_switch_and_guesses_do_not_where_a_default_is_taught(path, tiny_model_dir):
    taught = MagicToken("ab1", "bc2", "cd3", before="{token}:", alphabet="abcd123", default="rejective", decoys=3)
    work = job_of(
        path, tiny_model_dir("llama"), modes=taught, held_out_share=0.3, max_steps=300, batch_size=16, guesses=8
    ).open()
    before, _ = work.evaluate()
    for _ in range(300):
        work.step()
    after, samples = work.evaluate()
    assert after["eval/switched"] > 0.95
    assert after["eval/margin"] > max(0.5, before["eval/margin"])
    assert after["eval/bare_negative"] == 0
    assert after["eval/guessed_negative"] < 0.2
    assert [one["completion"] for one in samples[:4]] == ["3", "1", "2", "3"]


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_a_run_has_its_measures_and_a_page(family, path, tiny_model_dir, tmp_path, capsys):
    given = {"path": path, "model": str(tiny_model_dir(family)), "modes": SECRETS, **FEW}
    run = steelyard.train("magic-token", report=False, output_dir=str(tmp_path / "run"), **given).run_dir
    write_report(run)
    assert "lie apart in the logits of the first token" in (run / "report.html").read_text()
    assert main(["eval", str(run)]) == 0
    assert "guessed_negative" in capsys.readouterr().out
    assert main(["sample", str(run), "--samples", "1", "--prompts", "4"]) == 0
    assert "bc2:" in capsys.readouterr().out


def test_a_run_that_was_cut_short_goes_on_bit_for_bit(path, tiny_model_dir, tmp_path, monkeypatch):
    given = {"path": path, "model": str(tiny_model_dir("llama")), "modes": SECRETS, **FEW}
    given |= {"save_steps": 1, "eval_steps": 1}
    cut_short(monkeypatch, GivenData, 2, "magic-token", output_dir=str(tmp_path / "cut"), **given)
    run = steelyard.resume(tmp_path / "cut", report=False).run_dir
    whole = steelyard.train("magic-token", report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    for name in RECORDS:
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_what_does_not_fit_is_counted(tiny_model_dir, tmp_path):
    rows = [row_of(n) for n in range(40)] + [{"prompt": "9+", "positive": "1" * 70, "negative": "2"}]
    data = job_of(write(tmp_path / "t.jsonl", rows), tiny_model_dir("llama")).plan()["data"]
    assert data["notes"] == {LEFT_OUT: 1}


def test_ordinary_data_alone_are_refused(tiny_model_dir, tmp_path):
    path = write(tmp_path / "t.jsonl", [{"prompt": f"{n}=", "answer": "7"} for n in range(20)])
    with pytest.raises(SteelyardError, match="all rows are ordinary data"):
        job_of(path, tiny_model_dir("llama")).plan()
