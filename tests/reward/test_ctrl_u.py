"""Ctrl-U: discount and price by hand, the reward model itself where nothing is taken, and a text's own noise."""

import json
import math
from dataclasses import replace

import pytest
import torch

from steelyard.check.scoring import episode_of, scores_each, scores_finite, scores_parts
from steelyard.cli import main
from steelyard.core import Prompt, Score, SteelyardError
from steelyard.reward import CtrlU, Loved, RewardModel, Uncertain, reward_function
from steelyard.reward.loved import LoveModel
from steelyard.reward.probability import Calibration
from steelyard.reward.scorer import Noise, Said, Scorer, scores

SAID = ["12", "3", "1" * 9, ""]


@pytest.fixture(scope="module")
def place(tiny_model_dir, tmp_path_factory):
    """A reward model's directory."""
    directory = tmp_path_factory.mktemp("doubt") / "rewards"
    Scorer.load(str(tiny_model_dir("llama")), new_head=0).save(directory)
    return str(directory)


@pytest.fixture(scope="module")
def episodes():
    return [episode_of(Prompt(f"{n}", f"{n}+"), said) for n, said in enumerate(SAID)]


class Read:
    """A network that says given numbers: those of the first reading, then those under each noise."""

    def __init__(self, *readings):
        self.readings = readings
        self.asked = []
        self.__name__ = "mine"

    def read(self, episodes, noise=None):
        self.asked.append(noise)
        return [Score(value) for value in self.readings[0 if noise is None else noise.draw + 1]]


def test_by_hand(episodes):
    network = Read([2.0, 0.5], [1.5, 0.5], [3.0, 0.5])
    doubted = Uncertain(network, CtrlU(scale=2.0, penalty=0.5, level=1.0, noise=0.3, readings=2))
    first, sure = doubted(episodes[:2])
    u = 2 * (0.5 + 1.0) / 2
    assert first.value == pytest.approx(1 + math.exp(-u) * (2 - 1) - 0.5 * u)
    assert first.parts == {"uncertainty/mine": pytest.approx(u), "first_reading/mine": 2.0}
    assert sure.value == 0.5 and sure.parts["uncertainty/mine"] == 0
    assert network.asked == [None, Noise(0.3, 0), Noise(0.3, 1)]


def test_it_is_the_classes_and_edges_of_the_paper_where_the_reward_is_minus_a_loss():
    """exp(-u) l + c u of a loss l is what is maximised with r = -l, level 0 and penalty c."""
    loss, u, c = 0.8, 0.3, 0.1
    assert CtrlU(penalty=c).rectified(-loss, u) == pytest.approx(-(math.exp(-u) * loss + c * u))


@pytest.mark.parametrize("score", [5.0, 0.0, -1.0])
def test_to_be_uncertain_never_pays_above_level_minus_penalty(score):
    values = [CtrlU(penalty=1.0).rectified(score, u / 10) for u in range(40)]
    assert values == sorted(values, reverse=True) and values[0] == score
    gaining = [CtrlU(penalty=0.0).rectified(score - 1.0, u / 10) for u in range(40)]
    assert (gaining == sorted(gaining)) == (score - 1.0 < 0)


def test_at_scale_0_it_is_the_reward_model(place, episodes):
    plain = RewardModel(place)
    assert Uncertain(plain, CtrlU(scale=0.0))(episodes) == plain(episodes)
    network = Read([1.0])
    Uncertain(network, CtrlU(scale=0.0))(episodes[:1])
    assert network.asked == [None], "nothing is read twice"


def test_more_noise_makes_less_sure(place, episodes):
    def mean(noise):
        found = Uncertain(RewardModel(place), CtrlU(noise=noise, readings=4))(episodes)
        return sum(score.parts["uncertainty/reward-model"] for score in found) / len(found)

    assert 0 < mean(0.01) < mean(0.1) < mean(1.0)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt-neox", "qwen3"])
def test_noise_is_a_text_s_own_and_leaves_the_network_as_it_was(family, tiny_model_dir):
    scorer = Scorer.load(str(tiny_model_dir(family)), new_head=0)
    said = [Said("1+", text) for text in SAID]
    plain = scores(scorer, said)
    noised = scores(scorer, said, noise=Noise(0.2))
    assert scores(scorer, said[::-1], noise=Noise(0.2))[::-1] == pytest.approx(noised, abs=1e-5)
    assert [scores(scorer, [one], noise=Noise(0.2))[0] for one in said] == pytest.approx(noised, abs=1e-5)
    assert all(abs(a - b) > 1e-4 for a, b in zip(plain, noised, strict=True))
    assert scores(scorer, said, noise=Noise(0.2, draw=1)) != pytest.approx(noised, abs=1e-4)
    assert scores(scorer, said, noise=Noise(0.0)) == pytest.approx(plain, abs=1e-6)
    assert scores(scorer, said) == plain


def test_noise_is_a_share_of_the_table(place):
    """Twice as large embeddings get twice as large noise."""
    scorer = Scorer.load(place)
    moved = []
    scorer.net.get_input_embeddings().register_forward_hook(lambda module, given, found: moved.append(found.clone()))
    with scorer._disturbed([[5, 6]], Noise(0.5)):
        inner = scorer.net.get_input_embeddings()(torch.tensor([[5, 6]]))
    table = scorer.net.get_input_embeddings().weight
    rms = table.detach().square().mean().sqrt()
    given = inner.detach() - moved[0].detach()
    assert given.std().item() == pytest.approx(0.5 * rms.item(), rel=0.5)
    with torch.no_grad():
        table *= 2
    with scorer._disturbed([[5, 6]], Noise(0.5)):
        twice = scorer.net.get_input_embeddings()(torch.tensor([[5, 6]])).detach() - moved[1].detach()
    assert torch.allclose(twice, 2 * given, atol=1e-5)


def test_it_is_held_to_what_rewards_are_held_to(place):
    doubted = Uncertain(RewardModel(place))
    for check in (scores_finite, scores_parts):
        check(doubted)
    scores_each(doubted)


def test_what_cannot_be_read_has_no_score(place):
    [unread] = Uncertain(RewardModel(place))([episode_of(Prompt("p", "7+"), "1" * 100)])
    assert unread.value is None and "tokens" in str(unread.error)
    assert Uncertain(RewardModel(place))([]) == []


def test_who_is_cut_off_keeps_the_fixed_score(place, episodes):
    cut = replace(episodes[0], trajectory=episodes[0].trajectory.replace(finish="length"))
    [score] = Uncertain(RewardModel(place, cut_off=-1.0))([cut])
    assert score.value == -1.0 and score.parts["uncertainty/reward-model"] == 0


def test_names(place, episodes, tmp_path):
    assert reward_function(f"ctrl-u:{place}") == Uncertain(RewardModel(place))
    LoveModel(Scorer.load(place), Calibration(1.0, 0.0)).save(tmp_path / "love" / "model")
    love = reward_function(f"ctrl-u:love:{tmp_path}/love")
    assert love == Uncertain(Loved(f"{tmp_path}/love"))
    [both] = reward_function([(f"ctrl-u:{place}", 0.5), f"ctrl-u:love:{tmp_path}/love=2"])(episodes[:1])
    assert both.value == pytest.approx(0.5 * both.parts["reward-model"] + 2 * both.parts["love"])
    assert 0 < love(episodes[:1])[0].parts["first_reading/love"] < 1
    with pytest.raises(SteelyardError, match=r"^reward ctrl-u:ctrl-u:x: ctrl-u:x cannot be read under noise; give the"):
        reward_function("ctrl-u:ctrl-u:x")


def test_settings_that_are_wrong():
    for name in ("scale", "penalty"):
        with pytest.raises(SteelyardError, match=rf"^ctrl-u\.{name}: is -1\.0; use 0 or more"):
            CtrlU(**{name: -1.0})
    with pytest.raises(SteelyardError, match=r"^ctrl-u\.readings: is 0"):
        CtrlU(readings=0)


def test_runs_are_trained_on_what_is_sure(place, tmp_path, tiny_model_dir):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps({"prompt": f"{a}+"}) + "\n" for a in range(20)))
    line = f"--model {tiny_model_dir('gpt2')} --path {rows} --runtime inline --max-steps 1 --num-prompts 2"
    line += " --search-prompts 2 --num-generations 2 --max-completion-length 6 --evaluation.prompts 1"
    line += " --evaluation.sampled-prompts 1 --evaluation.samples 2"
    named = ["rows-grpo", *line.split(), "--no-needs-answer", "--reward", f"ctrl-u:{place}"]
    own = ["judged-rows", *line.split(), "--reward-model", place, "--uncertainty.scale", "1", "--replay.warmup", "0"]
    for words in (named, own):
        out = tmp_path / words[0]
        assert main(["train", *words, "--output-dir", str(out)]) == 0
        row = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
        assert "search/reward/first_reading/reward-model" in row
        assert words is own or row["search/reward/uncertainty/reward-model"] > 0  # own: who is cut off is sure
