import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import SteelyardError
from steelyard.curriculum.mixing_agent import MixingAgent, fallen, features, new_actor, scores

ONE_TARGET = np.array([1.0, 0.0, 0.0])


def agent(seed=3):
    """One whose last layer is no longer 0."""
    actor = new_actor(seed)
    with torch.no_grad():
        for parameter in actor.say[-1].parameters():
            parameter.copy_(torch.linspace(-2, 2, parameter.numel()).reshape(parameter.shape))
    return MixingAgent(actor, 4)


def test_scores_by_hand():
    """The target falls from 2 to 1; one source is unlearned by a tenth, the other, right from the first, by .05."""
    losses = [[2.0, 1.0, 0.0], [1.0, 1.1, 0.05]]
    assert fallen(losses)[1] == pytest.approx([0.5, -0.1, -0.5])
    assert scores(losses, ONE_TARGET) == pytest.approx([0.0, (0.5 - 0.3) / 2])
    assert scores(losses, np.ones(3)) == pytest.approx([0.0, -0.1 / 3]), "of one side alone it is the mean of all"


def test_features_by_hand():
    """After two rounds of four: the shares in units of an equal share, newest first, and before them equal shares."""
    shares = [[0.5, 0.25, 0.25], [0.2, 0.4, 0.4]]
    losses = [[1.0, 1.0, 1.0], [0.5, 1.0, 1.0], [0.25, 0.5, 1.0]]
    x_DF = features(shares, losses, ONE_TARGET, 4)
    assert x_DF[0] == pytest.approx([1, 0.5, 0.75, 0.25, 0.75, 0.5, 0.0, 0.6, 1.5, 1.0])
    assert x_DF[1] == pytest.approx([0, 0.5, 0.75, 0.25, 0.5, 0.0, 0.0, 1.2, 0.75, 1.0])
    assert features([], [], ONE_TARGET, 4)[0] == pytest.approx([1, 0, 0, 0, 0, 0, 0, 1, 1, 1])
    assert features(shares * 9, losses, ONE_TARGET, 4)[0, 1] == 1.0, "time stops where the runs of the fit ended"


def test_one_that_has_learned_nothing_draws_all_domains_alike():
    unfitted = MixingAgent(new_actor(0), 4)
    for number in (1, 3, 7):
        assert unfitted.shares([], [], np.arange(number) % 2.0) == pytest.approx([1 / number] * number)


@given(st.permutations(range(4)), st.integers(0, 5))
def test_the_order_of_the_domains_does_not_matter(order, rounds):
    draws = np.random.default_rng(rounds)
    shares = draws.dirichlet(np.ones(4), size=rounds)
    losses = draws.uniform(0.1, 2, size=(rounds + 1, 4))
    target_D = np.array([1.0, 0.0, 1.0, 0.0])
    known = agent().shares(shares.tolist(), losses.tolist(), target_D)
    turned = agent().shares(shares[:, order].tolist(), losses[:, order].tolist(), target_D[order])
    assert turned == pytest.approx(known[order], abs=1e-5)
    assert known.sum() == pytest.approx(1)


def test_what_is_written_is_read_again(tmp_path):
    made = agent()
    made.save(tmp_path / "agent")
    for place in (tmp_path, tmp_path / "agent"):
        found = MixingAgent.load(str(place))
        assert found.rounds == 4
        assert found.shares([], [], ONE_TARGET) == pytest.approx(made.shares([], [], ONE_TARGET))


@pytest.mark.parametrize(
    ("file", "text"),
    [("agent.json", "{"), ("agent.json", '{"rounds": 4, "more": 1}'), ("agent.safetensors", "ab")],
)
def test_what_is_damaged_is_refused(tmp_path, file, text):
    agent().save(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(SteelyardError, match="is no mixing agent"):
        MixingAgent.load(str(tmp_path))
    with pytest.raises(SteelyardError, match="there is no mixing agent; give the run of steelyard train"):
        MixingAgent.load(str(tmp_path / "none"))


def test_making_one_leaves_torchs_generator_as_it_was():
    before = torch.get_rng_state()
    new_actor(7)
    assert torch.equal(before, torch.get_rng_state())
