"""Whole runs on a GPU, as a user starts them."""

import json

import pytest

SHORT = ("--evaluation.every", "50", "--evaluation.prompts", "64", "--evaluation.sampled-prompts", "4")


def _weights(run_dir):
    return (run_dir / "model" / "model.safetensors").read_bytes()


def _rows(run_dir, file):
    return [json.loads(line) for line in (run_dir / f"{file}.jsonl").read_text().splitlines()]


def _answer(stdout):
    return json.loads(stdout.splitlines()[-1])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_inline_runs_repeat_bit_for_bit_also_in_pieces(steelyard, tmp_path, dtype):
    inline = ("train", "arithmetic", "--runtime", "inline", "--device", "cuda", "--dtype", dtype, *SHORT)
    for name in ("one", "two"):
        steelyard(*inline, "--max-steps", "6", "--output-dir", name)
    steelyard(*inline, "--max-steps", "3", "--output-dir", "pieces")
    steelyard("train", "--resume", "pieces", "--max-steps", "6")
    assert _weights(tmp_path / "one") == _weights(tmp_path / "two")
    assert _weights(tmp_path / "one") == _weights(tmp_path / "pieces")
    states = [[row["state"] for row in _rows(tmp_path / name, "events")] for name in ("one", "two", "pieces")]
    assert states[0] == states[1]
    assert len(states[0]) > 12
    # Where the shorter run ended it was not fed yet, and said so in the row of that event alone.
    assert sum(one != other for one, other in zip(states[0], states[2], strict=True)) <= 1


def test_a_local_run_learns_and_its_model_is_used(steelyard, tmp_path):
    """All three parts share the GPU; the model that comes out is evaluated and sampled there and on the processor."""
    steelyard("train", "arithmetic", "--device", "cuda", "--max-steps", "60", "--output-dir", "run", *SHORT)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["steps"] == 60
    assert result["accuracy_after"] > result["accuracy_before"] + 0.2
    metrics = _rows(tmp_path / "run", "metrics")
    assert max(row["search/logp_mismatch_max"] or 0 for row in metrics) < 1e-3
    found = [steelyard("eval", "run", "--device", d, "--prompts", "64", "--json").stdout for d in ("cuda", "cpu")]
    there, here = (_answer(text)["eval/accuracy"] for text in found)
    assert abs(there - here) <= 2 / 64
    assert "=" in steelyard("sample", "run", "--device", "cuda").stdout


def test_parts_may_be_apart_and_adapters_train(steelyard, tmp_path):
    words = ("--learner.device", "cuda", "--search.device", "cpu", "--evaluation.device", "cpu", "--lora-rank", "4")
    words += ("--learner.gradient-checkpointing", "--dtype", "bfloat16", "--max-steps", "8", "--output-dir", "run")
    steelyard("train", "arithmetic", *words, *SHORT)
    assert json.loads((tmp_path / "run" / "result.json").read_text())["steps"] == 8


def test_the_plan_says_what_is_taken_of_the_gpu(steelyard):
    found = steelyard("train", "arithmetic", "--device", "cuda", "--dry-run", "--json")
    devices = _answer(found.stdout)["devices"]
    assert devices["placement"] == dict.fromkeys(("learner", "searchers", "evaluator"), "cuda:0")
    gpu = devices["gpus"]["cuda:0"]
    assert 0 < gpu["total"] < gpu["free"]
    small = _answer(steelyard("train", "arithmetic", "--dry-run", "--json").stdout)["devices"]
    assert set(small["placement"].values()) == {"cpu"}


def test_jobs_on_given_data_and_models_beside_the_policy(steelyard, tmp_path):
    """A job on the GPU goes on bit for bit; reward models, victims and guards compute there, too."""
    rows = [{"prompt": f"{i}+1=", "answer": str(i + 1), "text": f"{i}+1={i + 1}", "label": i % 2} for i in range(40)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ("train", "sft", "--model", "steelyard/arithmetic", "--path", "rows.jsonl", "--device", "cuda")
    words += ("--max-completion-length", "4", "--save-steps", "2")
    steelyard(*words, "--max-steps", "4", "--output-dir", "whole")
    steelyard(*words, "--max-steps", "2", "--output-dir", "pieces")
    steelyard("train", "--resume", "pieces", "--max-steps", "4")
    assert _weights(tmp_path / "whole") == _weights(tmp_path / "pieces")
    steelyard("eval", "whole", "--device", "cuda")
    encoder = ("train", "encoder-guard", "--texts", "rows.jsonl", "--steps", "5", "--device", "cuda")
    steelyard(*encoder, "--output-dir", "guard")
    steelyard("eval", "guard", "--device", "cuda")
    attack = ("train", "red-team", "--device", "cpu", "--models-device", "cuda", "--max-steps", "1", *SHORT)
    steelyard(*attack, "--output-dir", "attack")
