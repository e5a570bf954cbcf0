import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError, rng
from steelyard.curriculum.mixing_agent import MixingAgent, scores
from steelyard.pretrain.mixing_fit import ActorCritic, MixedRun, MixingFit, best_of, imitation, rounds_of
from steelyard.pretrain.mixing_runs import drawn_shares

ROUNDS = 6
ONE_TARGET = np.array([1.0, 0.0, 0.0])


def played(policy, rounds=ROUNDS):
    """A run in which only the target can be learned: its loss falls by a factor exp(-.3 a) a round."""
    run = MixedRun([], [[1.0, 1.0, 1.0]])
    for _ in range(rounds):
        share = [float(x) for x in policy(run.shares, run.losses)]
        run.shares.append(share)
        run.losses.append([run.losses[-1][0] * float(np.exp(-0.3 * share[0])), 1.0, 1.0])
    return run


def drawn_runs(number):
    found = []
    for n in range(number):
        shares = iter(drawn_shares(3, ROUNDS, 0.3, rng(0, "runs", n)))
        found.append(played(lambda *_, shares=shares: next(shares)))
    return found


RUN = MixedRun([[0.5, 0.25, 0.25], [0.2, 0.4, 0.4]], [[1.0, 1.0, 1.0], [0.5, 1.0, 1.0], [0.25, 0.5, 1.0]])


def test_rounds_by_hand():
    """Scores 0, .25 and .5 of one run and none of another, which has half of the spread on either side."""
    flat = MixedRun(RUN.shares, [[1.0] * 3] * 3)
    rounds = rounds_of([RUN, flat], ONE_TARGET)
    assert scores(RUN.losses, ONE_TARGET) == pytest.approx([0, 0.25, 0.5])
    assert rounds.reward_N.tolist() == pytest.approx([1.0, 1.0, 0.0, 0.0])
    assert rounds.goes_on_N.tolist() == [1, 0, 1, 0]
    assert torch.equal(rounds.next_NDF[0], rounds.x_NDF[1])
    assert rounds.share_ND[1].tolist() == pytest.approx([0.2, 0.4, 0.4])
    alone = rounds_of([RUN], ONE_TARGET)
    assert alone.reward_N.tolist() == pytest.approx([0.25, 0.25]), "without a spread rewards stay"


def test_the_best_are_those_that_end_best():
    worse = MixedRun(RUN.shares, [RUN.losses[0], RUN.losses[2], RUN.losses[1]])
    assert best_of([worse, RUN, worse], ONE_TARGET, 0.01) == [1]
    assert best_of([worse, RUN, worse], ONE_TARGET, 0.67) == [1, 0]


def test_the_critics_loss_by_hand():
    """With one action, the agent's own, and Q of all 0: the conservative term is 0, the other half the mean r^2."""
    module = ActorCritic(0)
    for critic in (module.critic, module.target):
        torch.nn.init.zeros_(critic.say[-1].weight)
        torch.nn.init.zeros_(critic.say[-1].bias)
    rounds = rounds_of([RUN], ONE_TARGET)
    fit = MixingFit(actions=1)
    assert fit.q_loss(module, rounds, rng(0, "x")).item() == pytest.approx(0.5 * 0.25**2)
    torch.nn.init.constant_(module.target.say[-1].bias, 2.0)
    wanted = [0.25 + 0.9 * 2.0, 0.25]
    later = MixingFit(actions=1, gamma=0.9).q_loss(module, rounds, rng(0, "x"))
    assert later.item() == pytest.approx(0.5 * np.mean(np.square(wanted)), rel=1e-5)
    torch.nn.init.constant_(module.critic.say[-1].bias, 3.0)
    same = MixingFit(actions=9, conservatism=100.0, gamma=0.0).q_loss(module, rounds, rng(0, "x"))
    assert same.item() == pytest.approx(0.5 * 2.75**2 - 3.0, rel=1e-4), "a Q that is the same everywhere costs nothing"


def test_neither_the_critic_nor_the_actor_has_the_others_gradient():
    module = ActorCritic(0)
    with torch.no_grad():
        module.actor.say[-1].weight.normal_()
    rounds = rounds_of([RUN], ONE_TARGET)
    MixingFit(conservatism=0.0, gamma=0.0).q_loss(module, rounds, rng(0, "x")).backward()
    both = [p.grad.clone() for p in module.critic.parameters()]
    module.zero_grad()
    q_N = module.critic(rounds.x_NDF, rounds.share_ND)
    (0.5 * (q_N - rounds.reward_N).square().mean()).backward()
    for p, grad in zip(module.critic.parameters(), both, strict=True):
        assert torch.allclose(p.grad, grad, atol=1e-6)
    assert all(p.grad is None for p in module.target.parameters())


def test_imitation_is_least_where_the_agent_draws_what_was_drawn():
    module = ActorCritic(0)
    rounds = rounds_of([MixedRun([[1 / 3] * 3] * 2, RUN.losses)], ONE_TARGET)
    assert imitation(module.actor, rounds).item() == pytest.approx(np.log(3))


@pytest.mark.parametrize("fit", [MixingFit(warmup_steps=150, q_steps=0), MixingFit(warmup_steps=50, q_steps=200)])
def test_a_fit_draws_more_of_what_alone_can_be_learned(fit):
    """It ends better than equal shares do; the whole fit too, though Q-learning sees poor runs as well."""
    fitting = fit.begin(drawn_runs(16), ONE_TARGET, 0)
    fitting.run()
    agent = MixingAgent(fitting.module.actor, ROUNDS)
    run = played(lambda shares, losses: agent.shares(shares, losses, ONE_TARGET))
    equal = played(lambda shares, losses: [1 / 3] * 3)
    assert scores(run.losses, ONE_TARGET)[-1] > scores(equal.losses, ONE_TARGET)[-1] + 0.02
    assert np.mean([share[0] for share in run.shares]) > 0.4


def test_a_fit_that_is_restored_goes_on_bit_for_bit(tmp_path):
    runs = drawn_runs(3)
    fit = MixingFit(warmup_steps=3, q_steps=5, agent_batch=4, actions=3)
    whole, cut, rest = (fit.begin(runs, ONE_TARGET, 1) for _ in range(3))
    whole.run()
    for _ in range(5):
        cut.step()
    cut.save(tmp_path)
    rest.restore(tmp_path)
    rest.run()
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, rest.module.state_dict()[name]), name


def test_ranges():
    for wrong in ({"best_share": 0.0}, {"gamma": 1.1}, {"actions": 0}, {"tau": 0.0}, {"conservatism": -1.0}):
        with pytest.raises(SteelyardError):
            MixingFit(**wrong)
