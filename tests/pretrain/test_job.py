import json
from dataclasses import replace

import numpy as np
import pytest

import steelyard
from interrupted import cut_short
from steelyard.cli import main
from steelyard.core import SteelyardError
from steelyard.learner.given_data import GivenData
from steelyard.policy import Policy
from steelyard.pretrain import PHF, Document, Filtering, Segment, trajectory_of
from steelyard.pretrain.document import pieces
from steelyard.pretrain.held_out import held_out_loss, text_alone
from steelyard.pretrain.job import CUT, Pretraining
from steelyard.recipes import find


@pytest.fixture
def documents(tmp_path):
    """Twelve documents of two segments, the second unwanted in every other one."""
    rows = [
        {"segments": [{"text": f"{i}+1=", "score": 0}, {"text": "abc" if i % 2 else "2", "score": i % 2}]}
        for i in range(12)
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return str(tmp_path / "d.jsonl")


def job_of(documents, model, **settings):
    few = {"batch_size": 4, "max_steps": 3, "samples": 2, "max_completion_length": 4, "learning_rate": 1e-2}
    return Pretraining(documents=documents, model=str(model), **few | settings)


def test_tags_become_tokens_of_the_vocabulary_and_stay_in_the_saved_model(documents, tiny_model_dir, tmp_path):
    base = Policy.load(str(tiny_model_dir("gpt2")))
    before = base.head.weight.detach().clone()
    work = job_of(documents, tiny_model_dir("gpt2"), preparation=PHF(untagged=0.0)).open()
    policy = work.learner.policy
    ids = [policy.tokenizer.get_vocab()[tag] for tag in ("<|aligned|>", "<|misaligned|>")]
    assert ids == [24, 25]
    assert (policy.head.weight[:24] == before[:24]).all()
    [[row], *_] = work.groups_at(0)
    assert set(ids) & set(row.tokens_T.tolist())
    for _ in range(3):
        work.step()
    work.save_model(tmp_path / "model")
    again = Policy.load(str(tmp_path / "model"))
    assert again.tokenizer.encode("<|aligned|>2", add_special_tokens=False)[0] == 24
    assert np.array_equal(again.weights(), policy.weights())


def test_a_model_without_room_grows(documents, tiny_model_dir, tmp_path):
    """28 rows hold 24 tokens: six tags do not fit."""
    from steelyard.policy.added_tokens import load_with_tokens

    tags = [f"<|{i}|>" for i in range(6)]
    for family in ("llama", "gpt2"):
        base = Policy.load(str(tiny_model_dir(family)))
        grown = load_with_tokens(str(tiny_model_dir(family)), tags)
        assert grown.vocab_size == 30
        assert type(grown.model) is type(base.model)
        assert (grown.head.weight[:28] == base.head.weight).all()
        assert len({tuple(row) for row in grown.head.weight[28:].tolist()}) == 2
        assert grown.tokenizer.encode("<|5|>", add_special_tokens=False) == [29]
        grown.save(tmp_path / family)
        assert Policy.load(str(tmp_path / family)).vocab_size == 30


def test_a_long_document_is_cut_into_pieces_that_lose_nothing(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    t = trajectory_of(policy, Document((Segment("0123456789", 0.0), Segment("ab", 1.0))))
    found = pieces(t, 6)
    assert [len(p.tokens_T) for p in found] == [6, 6, 4]
    assert np.concatenate([found[0].tokens_T, *(p.tokens_T[1:] for p in found[1:])]).tolist() == t.tokens_T.tolist()
    assert sum(int(p.action_T.sum()) for p in found) == int(t.action_T.sum())
    assert found[2].reward_T.tolist() == [0.0, -1.0, -1.0, 0.0]
    assert pieces(t, 14) == [t]


def test_cut_and_left_out_documents_are_counted(documents, tiny_model_dir):
    work = job_of(documents, tiny_model_dir("llama"), max_length=7, preparation=Filtering()).open()
    assert work.facts["notes"]["documents left out by Filtering"] == 5
    assert work.facts["notes"][CUT.format(7)] == 1
    assert work.facts["held_out"] == 1
    assert work.facts["documents"] == 11
    assert (work.facts["trained_on"], work.facts["rows"]) == (6, 7)


def test_the_held_out_loss_does_not_count_tags(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    plain = trajectory_of(policy, Document((Segment("+12", 0.0),)))
    tag = policy.tokenizer.get_vocab()["+"]
    bare = text_alone(plain, [tag])
    assert int(bare.action_T.sum()) == int(plain.action_T.sum()) - 1
    logp = policy.next_logp(np_tokens(plain))[0]
    each = [-float(logp[i - 1, plain.tokens_T[i]]) for i in np.flatnonzero(bare.action_T)]
    assert held_out_loss(policy, [bare]) == pytest.approx(np.mean(each), rel=1e-5)


def np_tokens(t):
    import torch

    return torch.from_numpy(t.tokens_T.astype(np.int64))[None]


def test_the_loss_falls_and_the_samples_begin_with_the_tag(documents, tiny_model_dir):
    work = job_of(documents, tiny_model_dir("llama"), preparation=PHF(), epochs=1, max_steps=30).open()
    first, samples = work.evaluate()
    assert [sample["prompt"] for sample in samples] == ["<bos><|aligned|>"] * 2
    for _ in range(work.num_steps):
        work.step()
    assert work.evaluate()[0]["eval/held_out_loss"] < first["eval/held_out_loss"] - 1


def test_what_cannot_work_is_refused(documents, tiny_model_dir, tmp_path):
    llama = tiny_model_dir("llama")
    for settings, said in (
        ({"documents": ""}, "--documents: is missing"),
        ({"preparation": PHF(), "lora_rank": 2}, "--lora-rank: is set, and the model lacks the tags"),
        ({"held_out_share": 0.9999999}, "nothing is left to train on"),
        ({"max_completion_length": 64}, "--max-completion-length"),
        ({"max_length": 1}, "--max-length: is 1"),
        ({"preparation": Filtering(threshold=-1.0)}, "none of 11 documents"),
    ):
        with pytest.raises(SteelyardError, match=said):
            job_of(**{"documents": documents, "model": llama} | settings).open()


@pytest.mark.parametrize("name", ["phf", "filtering", "unlikelihood", "awr", "rwr"])
def test_the_scored_recipes_refuse_documents_without_scores(name, tmp_path, tiny_model_dir):
    (tmp_path / "p.jsonl").write_text('{"text": "12"}\n{"text": "34"}')
    recipe = find(name)
    job = type(recipe)(
        **{**vars(recipe), "documents": str(tmp_path / "p.jsonl"), "model": str(tiny_model_dir("llama"))}
    )
    with pytest.raises(SteelyardError, match="it has no score"):
        job.plan()


def asked_of(file):
    return file.read_text().splitlines()


def test_a_resume_asks_the_scorer_for_nothing_again(tiny_model_dir, tmp_path, monkeypatch):
    """The scorer writes a line for each text that it is asked about."""
    asked = tmp_path / "asked"
    (tmp_path / "counting.py").write_text(
        "def f(prompts, completions):\n"
        f"    open({str(asked)!r}, 'a').writelines(c + '\\n' for c in completions)\n"
        "    return [float(len(c)) for c in completions]\n"
    )
    texts = [f"{i}+1=." for i in range(9)]
    (tmp_path / "d.jsonl").write_text("\n".join(json.dumps({"text": text}) for text in texts))
    few = {"batch_size": 2, "max_steps": 4, "save_steps": 1, "samples": 1, "max_completion_length": 4}
    file = replace(find("phf").file, scorer=f"{tmp_path / 'counting.py'}:f", split_by="document")
    given = {"documents": str(tmp_path / "d.jsonl"), "model": str(tiny_model_dir("llama")), "file": file, **few}
    cut_short(monkeypatch, GivenData, 2, "phf", output_dir=str(tmp_path / "cut"), **given)
    assert sorted(set(asked_of(asked)) & set(texts)) == texts
    before = asked_of(asked)
    run = steelyard.resume(tmp_path / "cut", report=False).run_dir
    assert main(["eval", str(run)]) == 0
    assert not set(asked_of(asked)[len(before) :]) & set(texts)
    whole = steelyard.train("phf", report=False, output_dir=str(tmp_path / "whole"), **given).run_dir
    for name in ("metrics.jsonl", "eval.jsonl", "data.json", "model/model.safetensors"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()
    assert (run / "checkpoint-4" / "scores.json").exists()
