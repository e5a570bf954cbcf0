import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.model import LinEAS, MeanShift, Pass
from steelyard.policy import Policy
from steelyard.policy.activations import mean_states, moved_states

TEXTS = ["1+2=3", "a", "4=4"]


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2"])
def test_the_mean_over_a_texts_own_tokens(tiny_model_dir, family):
    policy = Policy.load(str(tiny_model_dir(family)))
    found = mean_states(policy, TEXTS, ["embeddings", "layers.1"])
    table = policy.model.get_input_embeddings().weight
    for i, text in enumerate(TEXTS):
        if family != "gpt2":  # whose positions are added to the embeddings later
            expected = table[policy.encode(text)].mean(0)
            torch.testing.assert_close(found["embeddings"][i], expected.detach())
        alone = mean_states(policy, [text], ["layers.1"])["layers.1"][0]
        torch.testing.assert_close(found["layers.1"][i], alone, atol=1e-5, rtol=1e-5)
    assert policy.intervention is None


def test_steering_moves_the_states_of_a_completion_to_the_target(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    steering = MeanShift(layer=1, where="all")
    source, target = (mean_states(policy, texts, steering.sites(2)) for texts in (TEXTS, ["bcd", "e"]))
    policy.intervene(shift := steering.fit(source, target))
    # What is shifted is the output of layer 1, so its mean over the source texts becomes that over the targets.
    yes_NT = torch.ones(1, len(TEXTS), dtype=torch.bool)
    reads = Pass(torch.zeros(1, len(TEXTS)).long(), yes_NT, yes_NT)
    moved = shift.change("layers.1", source["layers.1"][None], reads)[0]
    torch.testing.assert_close(moved.mean(0), target["layers.1"].mean(0))
    torch.testing.assert_close(mean_states(policy, TEXTS, ["layers.1"]), source)
    assert policy.intervention is shift


def test_texts_that_cannot_be_read(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("gpt2")))
    with pytest.raises(SteelyardError, match="there are no texts"):
        mean_states(policy, [], ["layers.0"])
    with pytest.raises(SteelyardError, match="has 65 tokens, and the context 64"):
        mean_states(policy, ["1" * 65], ["layers.0"])
    assert policy.intervention is None


def test_states_under_an_intervention_have_a_gradient_to_it_alone(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    plain = mean_states(policy, ["1+1", "23"], ["layers.0", "layers.1"])
    maps = LinEAS().start(plain, plain)
    moved = moved_states(policy, ["1+1", "23"], maps)
    torch.testing.assert_close(moved["layers.1"], plain["layers.1"])
    moved["layers.1"].sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in (maps.a[0], maps.b[0], maps.b[1]))
    assert all(p.grad is None and p.requires_grad for p in policy.model.parameters())
    with torch.no_grad():
        maps.b[0] += 1.0
    found = mean_states(policy, ["1+1", "23"], ["layers.1"], under=maps)
    assert set(found) == {"layers.1"}
    assert not torch.allclose(found["layers.1"], plain["layers.1"], atol=1e-2)
    assert policy.intervention is None
