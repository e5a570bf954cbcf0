"""Reward models from preferences: loss and calibration by hand, training, and the directory that transformers loads."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.check.scoring import episode_of
from steelyard.cli import main
from steelyard.core import Prompt, SteelyardError, rng
from steelyard.reward import BradleyTerry, Pair, RewardModel, bradley_terry
from steelyard.reward.bradley_terry import PairColumns, margins, pair_loss, pairs_of
from steelyard.reward.calibration import calibration_error, fit_temperature
from steelyard.reward.scorer import Said, Scorer, scores

PAIRS = [Pair(f"{i % 7}+", f"{i % 7}1", f"2{i % 7}") for i in range(60)]  # what ends in 1 is preferred


def test_the_loss_by_hand():
    chosen, rejected = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 0.0])
    expected = (math.log(1 + math.exp(-1)) + math.log(2)) / 2
    assert pair_loss(chosen, rejected).item() == pytest.approx(expected)
    assert pair_loss(chosen, rejected, 0.1).item() == pytest.approx(expected + 0.1 * 0.5)


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=6), st.floats(-10, 10))
def test_the_level_of_scores_does_not_matter_to_the_loss_alone(values, shift):
    chosen = torch.tensor(values, dtype=torch.float64)
    rejected = chosen.flip(0)
    moved = pair_loss(chosen + shift, rejected + shift).item()
    assert moved == pytest.approx(pair_loss(chosen, rejected).item(), abs=1e-9)


def test_calibration_by_hand():
    sure = math.log(0.8 / 0.2)
    assert calibration_error(np.array([sure] * 4 + [-sure])) == pytest.approx(0)  # four of five right, and it says 80 %
    assert calibration_error(np.array([sure, -sure])) == pytest.approx(0.3)
    assert calibration_error(np.zeros(3)) == 0
    assert calibration_error(np.zeros(0)) == 0


@pytest.mark.parametrize("number", [1, 6, 100])
def test_the_temperature_of_pairs_that_are_all_told_apart(number):
    assert fit_temperature(np.full(number, 2.0)) == pytest.approx(2 / math.log(number + 1), rel=1e-4)


def test_the_temperature_by_hand():
    odds = (3 * 5 / 6 + 1 / 6) / (3 * 1 / 6 + 5 / 6)  # three right and one wrong, each to be believed by 5 in 6
    assert fit_temperature(np.array([1.0, 1.0, -1.0, 1.0])) == pytest.approx(1 / math.log(odds), rel=1e-4)


def test_the_temperature_undoes_a_scale():
    draws = np.random.default_rng(0)
    margin = draws.normal(size=4000) * 2
    margin *= np.where(draws.random(4000) < 1 / (1 + np.exp(-np.abs(margin))), 1, -1) * np.sign(margin)
    assert fit_temperature(5 * margin) == pytest.approx(5, rel=0.15)
    assert calibration_error(5 * margin / fit_temperature(5 * margin)) < 0.03 < calibration_error(5 * margin)


@pytest.fixture(scope="module")
def made(tiny_model_dir, tmp_path_factory):
    """A trained reward model's directory, and what training said of it."""
    directory = tmp_path_factory.mktemp("reward") / "model"
    scorer = Scorer.load(str(tiny_model_dir("llama")), new_head=0)
    found = BradleyTerry(learning_rate=3e-3, epochs=6, batch=16, held_out=0.2)(scorer, PAIRS)
    return scorer.save(directory), found


def test_training_orders_held_out_pairs_and_repeats(made, tiny_model_dir):
    directory, found = made
    assert found["accuracy"] > 0.9
    assert found["pairs_held_out"] == 12
    again = Scorer.load(str(tiny_model_dir("llama")), new_head=0)
    assert BradleyTerry(learning_rate=3e-3, epochs=6, batch=16, held_out=0.2)(again, PAIRS) == found
    said = [Said("3+", "31"), Said("3+", "23")]
    assert scores(again, said) == scores(Scorer.load(str(directory)), said)


def noisy_pairs(number):
    """Pairs of which one in five is the wrong way round."""
    draws = rng(0, "noisy")
    for a, b, c in draws.integers(10, size=(number, 3)):
        better, worse = (f"{b}1", f"{c}2")[:: -1 if draws.random() < 0.2 else 1]
        yield Pair(f"{a}+", better, worse)


def test_a_model_that_learnt_noise_by_heart_is_saved_calibrated(tiny_model_dir, tmp_path, monkeypatch):
    pairs, training = [*noisy_pairs(400)], BradleyTerry(learning_rate=1e-2, epochs=12, batch=20, held_out=0.9)
    raw, mended = (Scorer.load(str(tiny_model_dir("llama")), new_head=0) for _ in range(2))
    found = training(mended, pairs)
    assert found["calibration_error"] < found["calibration_error_raw"]
    monkeypatch.setattr(bradley_terry, "fit_temperature", lambda _: 1.0)
    training(raw, pairs)
    saved = Scorer.load(str(mended.save(tmp_path / "model")))
    assert margins(saved, pairs) == pytest.approx(margins(raw, pairs) / found["temperature"], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt-neox"])
def test_a_score_is_what_transformers_gives_and_company_does_not_matter(family, tiny_model_dir, tmp_path):
    import transformers

    scorer = Scorer.load(str(tiny_model_dir(family)), new_head=1)
    scorer.save(tmp_path / "model")
    net = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
    said = [Said("1+2", "3"), Said("1", "", ended=False), Said("12345", "67890")]
    rows = [scorer.encode(one) for one in said]
    assert rows[0][-1] == scorer.tokenizer.eos_token_id != rows[1][-1]
    alone = [net(input_ids=torch.tensor([row])).logits.item() for row in rows]
    assert scores(Scorer.load(str(tmp_path / "model")), said) == pytest.approx(alone, abs=1e-5)


def test_a_reward_model_scores_episodes(made):
    reward = RewardModel(str(made[0]))
    right, wrong = episode_of(Prompt("a", "3+"), "31"), episode_of(Prompt("b", "3+"), "23")
    cut = replace(right, trajectory=right.trajectory.replace(finish="length"))
    long = episode_of(Prompt("c", "3+"), "1" * 100)
    first, second, unread = reward([right, wrong, long])
    assert first.value > second.value
    assert unread.value is None
    assert "tokens" in str(unread.error)
    assert reward([]) == []
    assert replace(reward, cut_off=-1.0)([cut])[0].value == -1.0
    assert reward([cut])[0].value not in (first.value, -1.0)  # no end of sequence is read


@pytest.mark.parametrize(("kind", "most"), [("Roberta", 38), ("Bert", 40)])
def test_an_encoder_reads_as_many_tokens_as_it_has_places_for(kind, most, tiny_model_dir, tmp_path):
    import transformers

    config = getattr(transformers, f"{kind}Config")(
        vocab_size=28, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=40, pad_token_id=1, num_labels=1,
    )  # fmt: skip
    getattr(transformers, f"{kind}ForSequenceClassification")(config).save_pretrained(tmp_path)
    transformers.AutoTokenizer.from_pretrained(tiny_model_dir("gpt-neox")).save_pretrained(tmp_path)
    scorer = Scorer.load(str(tmp_path))
    assert scorer.context_length == most
    fits, long = scores(scorer, [Said("1", "2" * (n - 2)) for n in (most, most + 1)])
    assert isinstance(fits, float) and "shorten the text" in str(long)
    short, unread = RewardModel(str(tmp_path))([episode_of(Prompt("a", "1"), "2" * n) for n in (3, most - 1)])
    assert short.value is not None and unread.value is None


def test_what_is_no_reward_model_is_refused(tiny_model_dir):
    with pytest.raises(SteelyardError, match="it has no head"):
        RewardModel(str(tiny_model_dir("llama")))([episode_of(Prompt("a", "3+"), "31")])
    with pytest.raises(SteelyardError, match="no model is named"):
        RewardModel()([episode_of(Prompt("a", "3+"), "31")])


def test_rows_that_are_no_pairs():
    with pytest.raises(SteelyardError, match="there is no rejected"):
        pairs_of([("line 1", {"prompt": "a", "chosen": "b"})], "f.jsonl")
    with pytest.raises(SteelyardError, match="no text"):
        pairs_of([("line 1", {"prompt": "a", "chosen": 3, "rejected": "b"})], "f.jsonl")
    with pytest.raises(SteelyardError, match="0 of them held out"):
        BradleyTerry(held_out=0.01)(Scorer(None, None), PAIRS[:5])


def test_the_command(tiny_model_dir, tmp_path, capsys):
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(vars(pair)) + "\n" for pair in PAIRS))
    words = ["reward-model", "--model", str(tiny_model_dir("llama")), "--pairs", str(file), "--learning-rate", "3e-3",
             "--held-out", "0.2", "--batch", "16", "--output-dir", str(tmp_path / "model"), "--json"]  # fmt: skip
    assert main(words) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["pairs"] == 60
    assert Scorer.load(found["model"]).head.out_features == 1
    elsewhere = ["--output-dir", str(tmp_path / "other")]
    for changed, complaint in (
        ([*elsewhere, "--pairs", str(tmp_path / "none.jsonl")], "no such file"),
        (["--pairs", str(file)], "not empty"),
        ([*elsewhere, "--pairs", ""], "--pairs"),
        ([*elsewhere, "--epochs", "0"], "bradley-terry.epochs"),
    ):
        assert main([*words[:-1], *changed]) == 2
        said = capsys.readouterr().err
        assert complaint in said
        assert said.count("\n") == 1
    assert not (tmp_path / "other").exists()


def test_pairs_have_the_columns_that_are_named():
    rows = [("line 1", {"q": "a", "good": "b", "bad": "c", "prompt": 7, "chosen": None})]
    (pair,) = pairs_of(rows, "f.jsonl", PairColumns("q", "good", "bad"))
    assert (pair.prompt, pair.chosen, pair.rejected) == ("a", "b", "c")
    with pytest.raises(SteelyardError, match=r"line 1: there is no better; .*--columns.chosen"):
        pairs_of(rows, "f.jsonl", PairColumns("q", "better", "bad"))
    (pair,) = pairs_of([("line 1", {"q": "1+1=", "chosen": "is 2", "rejected": "is 3"})], "f", PairColumns("q"))
    assert (pair.prompt, pair.chosen) == ("1+1=", "is 2")
