import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from restored import check_goes_on
from searched import DOMAINS, found, prompts

from steelyard.check.curriculum import CURRICULUM_CHECKS
from steelyard.core import Curriculum, Prompt, SteelyardError, decode, encode
from steelyard.curriculum import DataMixingAgent, SkillIt
from steelyard.curriculum.arms import Arms
from steelyard.curriculum.data_mixing_agent import DataMixingDraws
from steelyard.curriculum.mixing_agent import MixingAgent, new_actor


class Follower:
    """Draws every domain by the last loss that it was told, and keeps what it was told."""

    def __init__(self):
        self.told = []

    def shares(self, shares, losses, target_D):
        self.told.append((len(shares), losses[-1] if losses else None, target_D.tolist()))
        loss_D = np.array(losses[-1]) if losses else np.ones(len(target_D))
        return loss_D / loss_D.sum()


def followed(agent, **settings):
    return DataMixingDraws(DataMixingAgent(**settings), agent, Arms(prompts(), 0), 0)


@pytest.fixture
def saved(tmp_path):
    """An agent that prefers what has fallen least, as its last layer was drawn."""
    actor = new_actor(1)
    with torch.no_grad():
        actor.say[-1].weight.normal_(generator=torch.Generator().manual_seed(0)).mul_(20)
    MixingAgent(actor, 4).save(tmp_path / "agent")
    return str(tmp_path)


def test_shares_of_a_round_follow_what_was_told_in_the_one_before():
    """Losses 0, .5 and 1 in the first round; then domain 20 alone is told, and the others keep theirs."""
    agent = Follower()
    draws = followed(agent, round_size=2, targets=(20,))
    assert isinstance(draws, Curriculum)
    assert draws.begins_round
    draws.draw(2)
    for domain, loss in enumerate((0.0, 0.5, 1.0)):
        draws.observe(found(domain, [1 - loss]))
    assert draws.weights() == pytest.approx([1 / 3] * 3), "until the round is over"
    draws.draw(2)
    assert draws.weights() == pytest.approx([0, 1 / 3, 2 / 3])
    draws.observe(found(2, [1.0, 0.5]))
    draws.draw(2)
    assert draws.weights() == pytest.approx([0, 2 / 3, 1 / 3])
    assert [number for number, _, _ in agent.told] == [0, 1, 2]
    assert agent.told[-1][1:] == ([0.0, 0.5, 0.25], [0.0, 0.0, 1.0])


def test_a_domain_of_which_nothing_was_told_has_loss_1_and_samples_without_reward_tell_nothing():
    draws = followed(agent := Follower(), round_size=1)
    draws.draw(1)
    draws.observe(found(0, [0.5, 0.0]))
    draws.observe(found(1, [None, float("nan")]))
    draws.draw(1)
    assert agent.told[-1][1] == [0.75, 1.0, 1.0]


def test_an_agent_that_has_learned_nothing_draws_domains_alike_as_skill_it_does_with_eta_0():
    draws = followed(MixingAgent(new_actor(0), 1), round_size=8)
    counts = np.zeros(DOMAINS)
    for _ in range(100):
        drawn = draws.draw(30)
        counts += np.bincount([i % DOMAINS for i in drawn], minlength=DOMAINS)
        draws.observe(found(drawn[0], [1.0]))
    assert draws.weights() == pytest.approx(SkillIt(eta=0.0).open(prompts(), 0).weights())
    assert counts == pytest.approx([1000] * DOMAINS, abs=120)


def test_it_draws_by_the_agent_of_a_run(saved):
    draws = DataMixingAgent(agent=saved, targets=(10,)).open(prompts(), 0)
    expected = MixingAgent.load(saved).shares([], [], np.array([0.0, 1.0, 0.0]))
    assert draws.weights() == pytest.approx(expected)
    assert abs(expected[1] - expected[0]) > 0.05
    assert expected[0] == pytest.approx(expected[2]), "two sources of which nothing is known are alike"
    counts = np.bincount([i % DOMAINS for i in draws.draw(3000)], minlength=DOMAINS)
    assert counts / 3000 == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize("check", CURRICULUM_CHECKS.values(), ids=CURRICULUM_CHECKS)
def test_with_an_agent_it_passes_what_every_curriculum_is_asked(saved, check):
    check(DataMixingAgent(agent=saved, round_size=4))


def test_probes_are_told_of_and_never_drawn(saved):
    probe = Prompt("held", "held", {"domain": 10})
    draws = DataMixingAgent(agent=saved, round_size=1).open(prompts(), 0, [probe])
    draws.observe([t.replace(prompt_id="held") for t in found(0, [0.75])])
    assert max(draws.draw(200)) < len(prompts())
    assert draws.state()["losses"] == [[1.0, 0.25, 1.0]]


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 9))
def test_a_restored_one_goes_on_bit_for_bit(sizes, seed):
    def opened():
        return DataMixingDraws(DataMixingAgent(round_size=4), Follower(), Arms(prompts(), seed), seed)

    check_goes_on(opened, sizes, lambda i: [i / 7, 0.1, (i * i) % 5 / 3])


def test_settings_survive_json():
    method = DataMixingAgent(agent="runs/agent", targets=(2,), round_size=5)
    assert decode(msgspec.json.decode(msgspec.json.encode(encode(method)))) == method


def test_wrong_input_is_refused(tmp_path, saved):
    with pytest.raises(SteelyardError, match="data-mixing-agent"):
        DataMixingAgent(round_size=0)
    with pytest.raises(SteelyardError, match=r"targets: no prompt has domain 7; name some of 0, 10, 20"):
        DataMixingAgent(agent=saved, targets=(7,)).open(prompts(), 0)
    with pytest.raises(SteelyardError, match="there is no mixing agent"):
        DataMixingAgent(agent=str(tmp_path / "none")).open(prompts(), 0)
    with pytest.raises(SteelyardError, match=r"data-mixing-agent.agent: is missing; give the run of steelyard train"):
        DataMixingAgent().open(prompts(), 0)
    with pytest.raises(SteelyardError, match="no prompts"):
        DataMixingAgent().open([], 0)
    draws = DataMixingAgent(agent=saved).open(prompts(), 0)
    for change in ({"told": [1]}, {"losses": [[1.0]]}, {"shares": [[1.0]]}, {"position": "1"}, {"more": 1}):
        with pytest.raises(SteelyardError, match="curriculum state"):
            draws.restore({**draws.state(), **change})
