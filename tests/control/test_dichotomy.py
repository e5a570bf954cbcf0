"""Dichotomy of Control: the loss by hand, what it reduces to, and that luck leaves the latent."""

import math

import numpy as np
import pytest
import torch

from control.test_offline import played
from steelyard.control import Dichotomy, play
from steelyard.control.dichotomy import LATER
from steelyard.control.offline import PlayedEpisode, Sizes, offline_of
from steelyard.core import SteelyardError
from steelyard.worlds.lottery import Lottery

SIZES = Sizes(1, 2, False)


def test_networks_that_know_nothing_by_hand() -> None:
    learning = Dichotomy(num_latents=4, batch_size=8).learn([played([1.0, 3.0])], SIZES, seed=0, steps=1)
    for parameter in learning.fitting.module.parameters():
        torch.nn.init.zeros_(parameter)
    # Actions, and returns of spread 1 around 0; then p(z|s) and three rivals, each with ln 4 nats; no information.
    assert learning.fitting.loss().item() == pytest.approx(math.log(2) + 1.0 + 4 * math.log(4))


def test_an_information_counts_each_later_step_by_hand() -> None:
    data = offline_of([played([1.0, 3.0, 0.0])])
    future = Dichotomy(num_latents=2, next_weight=5.0).reading(SIZES)
    for parameter in future.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        future.whole[-1].bias.copy_(torch.tensor([math.log(3), 0.0]))  # q = 3/4, 1/4
        future.rivals["next"][-1].bias.copy_(torch.tensor([math.log(3), 0.0]))
    _, more = future(data, torch.tensor([0]), np.random.default_rng(0))
    entropy = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    lesson = 2 * math.log(2) + entropy
    assert more.item() == pytest.approx(lesson + 5.0 * 3 * (math.log(2) - entropy))


def test_rivals_learn_to_guess_and_q_to_be_guessed_worse() -> None:
    """One backward pass, both signs: to move q along its gradient lowers what the rivals gain, as they are."""
    data = offline_of([played([1.0, 3.0, 0.0]), played([2.0, 0.0])])
    torch.manual_seed(0)
    future = Dichotomy(num_latents=3, reward_weight=1.0, next_weight=1.0).reading(SIZES)
    for name in ("reward", "next"):
        torch.nn.init.normal_(future.rivals[name][-1].weight, std=0.3)  # they begin at 0, where nothing is known
    t_B = torch.arange(5)

    def parts() -> tuple[torch.Tensor, torch.Tensor]:
        q_BK, more = future(data, t_B, np.random.default_rng(3))
        guesses, _ = future.guesses(data, t_B, np.random.default_rng(3))
        lesson = sum(-(q_BK[:, None] * g).sum(-1).mean() for g in guesses.values())
        return more - lesson, torch.as_tensor(lesson)

    information, _ = parts()
    _, more = future(data, t_B, np.random.default_rng(3))
    more.backward()
    rivals = {id(p) for p in future.rivals.parameters()}
    assert all(p.grad is not None for p in future.parameters())
    with torch.no_grad():
        for p in future.parameters():
            p -= 0.1 * p.grad if id(p) not in rivals else 0.0
        after, lesson = parts()
        assert after < information
        for p in future.parameters():
            p -= 0.1 * p.grad if id(p) in rivals else 0.0
        assert parts()[1] < lesson


def test_without_a_weight_nothing_but_the_rivals_lesson_is_added() -> None:
    data = offline_of([played([1.0, 3.0])])
    torch.manual_seed(0)
    future = Dichotomy(reward_weight=0.0, next_weight=0.0).reading(SIZES)
    _, more = future(data, torch.arange(2), np.random.default_rng(0))
    more.backward()
    assert all(p.grad is None or not p.grad.any() for p in future.whole.parameters())


def test_one_latent_is_behaviour_cloning() -> None:
    learning = Dichotomy(num_latents=1).learn([played([1.0, 3.0])], SIZES, seed=0)
    q_BK, _ = learning.reading(learning.data, torch.arange(2), np.random.default_rng(0))
    assert q_BK.tolist() == [[1.0], [1.0]]


def test_what_lies_behind_an_episodes_end_is_not_read() -> None:
    one, other = played([1.0, 3.0]), played([7.0], 5.0)
    future = Dichotomy(window=4).reading(SIZES)
    alone = future.read(offline_of([one]), torch.arange(2))
    assert torch.allclose(future.read(offline_of([one, other]), torch.arange(2)), alone)
    gaps = future.guesses(offline_of([one, other]), torch.tensor([2]), np.random.default_rng(0))[1]
    assert gaps.tolist() == [1.0]
    assert LATER > 1


def bandit(number: int = 400) -> list[PlayedEpisode]:
    """Arm 0 pays 1 in half of the cases, arm 1 in nine of ten; arm 0 is played nine times of ten."""
    draws = np.random.default_rng(0)
    arm_E = (draws.random(number) < 0.1).astype(int)
    pays_E = draws.random(number) < np.where(arm_E == 1, 0.9, 0.5)
    seen = np.zeros((2, 1))
    return [PlayedEpisode(seen, np.eye(2)[[a]], np.array([float(r)])) for a, r in zip(arm_E, pays_E, strict=True)]


def information(learning, episodes: list[PlayedEpisode]) -> float:
    """I(r; z | a) of the bandit, from counts alone, in nats."""
    data = learning.policy.scaled(offline_of(episodes))
    with torch.no_grad():
        q_NK = learning.reading.read(data, torch.arange(len(episodes))).double().numpy()
    arm_N, paid_N = data.action_NA.argmax(1).numpy(), data.reward_N.numpy() > 0
    found = 0.0
    for arm in (0, 1):
        of_arm = q_NK[arm_N == arm].mean(0)
        for paid in (False, True):
            chosen_N = (arm_N == arm) & (paid_N == paid)
            told = q_NK[chosen_N].mean(0)
            found += chosen_N.mean() * float((told * np.log(np.maximum(told, 1e-12) / np.maximum(of_arm, 1e-12))).sum())
    return found


@pytest.fixture(scope="module")
def learned() -> dict[str, tuple[float, float, float]]:
    """The exact information, the share of arm 1 in play and what is promised, with the constraint and without."""
    found = {}
    for name, weight in (("free", 0.0), ("bound", 10.0)):
        settings = Dichotomy(
            num_latents=4, width=32, reward_weight=weight, next_weight=weight, learning_rate=3e-3, steps=500
        )
        learning = settings.learn(bandit(), SIZES, seed=1)
        while learning.updates < learning.num_updates:
            learning.step()
        draws = np.random.default_rng(5)
        acts = [learning.controller(np.zeros(1, np.float32), draws) for _ in range(200)]
        promised = learning.controller.promised(np.zeros(1, np.float32), draws)
        found[name] = (information(learning, bandit()), float(np.mean(acts)), promised)
    return found


def test_the_information_falls_and_the_better_arm_is_played(learned) -> None:
    assert learned["free"][0] > 0.3
    assert learned["bound"][0] < 0.05
    assert learned["bound"][1] > 0.8
    assert learned["bound"][2] == pytest.approx(0.9, abs=0.1)
    assert learned["free"][2] > 0.95, "which nobody can earn"


def test_an_environment_is_learned_from_play_at_random() -> None:
    world = Lottery(horizon=1)
    controller = Dichotomy(steps=2).fit(world, seed=0)
    assert {e.actions[0] for e in play(world, controller, 20, seed=0)} <= {0, 1, 2}


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SteelyardError, match=r"dichotomy\.next_weight: is -1.0; use 0 or more"):
        Dichotomy(next_weight=-1.0)
