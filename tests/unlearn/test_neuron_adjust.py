"""Neuron Adjust: its map by hand, which neurons it takes, its coins, and what it refuses."""

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.learner import demonstration
from steelyard.model.intervention import Pass
from steelyard.policy import Policy
from steelyard.policy.likelihood import total_logp
from steelyard.task.answered import AnsweredFile
from steelyard.unlearn import NeuronAdjust
from steelyard.unlearn.neuron_adjust import Adjusted, chosen, coins

SITE = "layers.0.mlp.gate"


def rows(sign):
    made = [{"prompt": f"{n}{sign}1=", "answer": str(n)} for n in range(1, 5)]
    return [AnsweredFile().answered(row, f"line {i}") for i, row in enumerate(made)]


def adjusted(forget=(2.0, 1.0), retain=(0.0, 0.5)):
    tensors = {"coin": torch.tensor(0), f"{SITE}/neurons": torch.tensor([1])}
    for kind, (mean, deviation) in (("forget", forget), ("retain", retain)):
        tensors |= {f"{SITE}/{kind}/mean": torch.tensor([mean]), f"{SITE}/{kind}/deviation": torch.tensor([deviation])}
    return Adjusted(NeuronAdjust(), tensors)


def changed(found, values):
    hidden = torch.tensor([[[7.0, x] for x in values]])
    tokens = torch.arange(len(values))[None]
    real = torch.ones_like(tokens, dtype=torch.bool)
    return found.change(SITE, hidden, Pass(tokens, real, real))[0]


def test_the_map_by_hand():
    # At 2 and 3 the forgotten skill is all but certain; they stand 0 and 1 deviations above its mean, so they go to 0
    # and -1 deviations of .5 from the other mean. At 0 the kept skill is likelier. The other neuron stays.
    found = changed(adjusted(), [2.0, 3.0, 0.0])
    assert found[:, 1].tolist() == pytest.approx([0.0, -0.5, 0.0], abs=1e-6)
    assert found[:, 0].tolist() == [7.0, 7.0, 7.0]
    assert changed(adjusted(), [-1.0])[0, 1] == -1.0


def test_where_both_kinds_are_alike_every_other_coin_mirrors():
    values = [0.3] * 400
    found = changed(adjusted((0.0, 0.5), (0.0, 0.5)), values)[:, 1]
    assert {round(x, 4) for x in found.tolist()} == {0.3, -0.3}
    assert float((found < 0).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_the_neurons_are_those_that_are_loudest_in_all_layers():
    score = {
        "a": torch.tensor([0.1, 0.9, 0.2]),
        "b": torch.tensor([0.8, -5.0, 0.3]),
        "c": torch.tensor([0.0, 0.0, 0.0]),
    }
    assert {site: top.tolist() for site, top in chosen(score, 2 / 9).items()} == {"a": [1], "b": [0]}
    assert {site: top.tolist() for site, top in chosen(score, 1e-6).items()} == {"a": [1]}


def test_coins_are_even_and_always_the_same():
    tokens, neurons = torch.arange(200)[None], torch.arange(50)
    first = coins(tokens, neurons, 3)
    assert torch.equal(first, coins(tokens, neurons, 3))
    assert float(first.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(first.std()) == pytest.approx(12**-0.5, abs=0.01)
    assert float(first.quantile(0.1)) == pytest.approx(0.1, abs=0.02)
    assert torch.equal(coins(tokens[:, 7:9], neurons[5:6], 3), first[:, 7:9, 5:6])
    assert (coins(tokens, neurons, 4) != first).float().mean() > 0.99
    flat = torch.corrcoef(torch.stack([first[0, :-1].flatten(), first[0, 1:].flatten()]))[0, 1]
    assert abs(float(flat)) < 0.03


def test_the_share_of_all_neurons(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    asked = [demonstration(policy, row.prompt, row.answer) for row in rows("+")]
    plain = total_logp(policy, asked)
    for share, number in ((0.02, 1), (0.5, 32)):
        NeuronAdjust(share=share).begin(policy, rows("+"), rows("-"), seed=0).step()
        assert sum(len(x) for name, x in policy.intervention.tensors.items() if name.endswith("neurons")) == number
        assert (abs(total_logp(policy, asked) - plain) > 1e-6).any()
        policy.intervene(None)


def test_what_is_wrong_is_said(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    with pytest.raises(SteelyardError, match="neuron-adjust: there is nothing to retain; name --retain FILE"):
        NeuronAdjust().begin(policy, rows("+"), [], seed=0)
    with pytest.raises(SteelyardError, match=r"share: is 0.0"):
        NeuronAdjust(share=0.0)
