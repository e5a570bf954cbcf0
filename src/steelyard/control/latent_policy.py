"""A policy that is told what future to bring about: pi(a|s, z), what each z promises, V(s, z), and how usual it is.

    z* = argmax_{z among n draws of p(z|s)} V(s, z),    a = argmax_a pi(a|s, z*)

s is an observation, z one of K latents. What z means is whoever learns it to say: a range of returns, or a learned
reading of the future. A choice of actions has a softmax, an action of numbers a normal law for each of them.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.control.offline import Offline, Sizes
from steelyard.control.system import Action

NARROWEST, WIDEST = -3.0, 0.5
"""Logarithms of the spread of an action's numbers."""
LEAST = 1e-6
"""The smallest scale: where all numbers are alike there is none."""


def perceptron(inputs: int, width: int, outputs: int) -> nn.Sequential:
    """Two hidden layers."""
    hidden = [nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(width, outputs))


class LatentPolicy(nn.Module):
    """The networks. Observations and returns are scaled by what the data were like.

    Args:
        sizes: of what is seen and done.
        latents: K.
        width: of the hidden layers.
    """

    seen_scale_O: Float[Tensor, "O"]
    reward_scale: Tensor
    return_mean: Tensor
    return_spread: Tensor

    def __init__(self, sizes: Sizes, latents: int, width: int) -> None:
        super().__init__()
        self.sizes = sizes
        self.latents = latents
        outputs = sizes.actions * (2 if sizes.continuous else 1)
        self.act = perceptron(sizes.observation, width, latents * outputs)
        self.promise = perceptron(sizes.observation, width, latents)
        self.usual = perceptron(sizes.observation, width, latents)
        self.register_buffer("seen_scale_O", torch.ones(sizes.observation))
        self.register_buffer("reward_scale", torch.ones(()))
        self.register_buffer("return_mean", torch.zeros(()))
        self.register_buffer("return_spread", torch.ones(()))

    def fit_scales(self, data: Offline) -> None:
        """Take the scales from the data."""
        self.seen_scale_O = _scale(data.seen_NO.abs().amax(0))
        self.reward_scale = _scale(data.reward_N.abs().amax())
        self.return_mean = data.return_N.mean()
        self.return_spread = _scale(data.return_N.std(correction=0))

    def scaled(self, data: Offline) -> Offline:
        """The data as the networks see them."""
        return data.scaled(self.seen_scale_O, self.reward_scale, self.return_mean, self.return_spread)

    def logp(self, seen_BO: Float[Tensor, "B O"], action_BA: Float[Tensor, "B A"]) -> Float[Tensor, "B K"]:
        """log pi(a|s, z) of each latent."""
        told = self.act(seen_BO).unflatten(1, (self.latents, -1))
        if not self.sizes.continuous:
            return (told.log_softmax(-1) * action_BA[:, None]).sum(-1)
        mean_BKA, log_spread_BKA = _law(told)
        off_BKA = (action_BA[:, None] - mean_BKA) / log_spread_BKA.exp()
        return -(off_BKA.square() / 2 + log_spread_BKA + np.log(2 * np.pi) / 2).sum(-1)

    def likeliest(self, seen_O: Float[Tensor, "O"], latent: int) -> Action:
        """The likeliest action."""
        told = self.act(seen_O[None]).unflatten(1, (self.latents, -1))[0, latent]
        if not self.sizes.continuous:
            return int(told.argmax())
        return _law(told)[0].numpy()


def _law(told: Float[Tensor, "... X"]) -> tuple[Float[Tensor, "... A"], Float[Tensor, "... A"]]:
    """The mean of each number of an action, and the logarithm of its spread: X is twice A."""
    mean, spread = told.chunk(2, -1)
    return mean.tanh(), spread.clamp(NARROWEST, WIDEST)


def _scale(found: Tensor) -> Tensor:
    return torch.where(found > LEAST, found, torch.ones_like(found))


def _shares(logits_K: Float[Tensor, "K"]) -> np.ndarray:
    """Probabilities, exact enough to be drawn by."""
    return logits_K.double().softmax(-1).numpy()


@dataclass(frozen=True)
class BestPromise:
    """Acts by the latent that promises most, of those that are usual."""

    policy: LatentPolicy
    choices: int
    """Draws of p(z|s) among which it looks."""

    @torch.no_grad()
    def __call__(self, observation: Float[np.ndarray, "O"], draws: np.random.Generator) -> Action:
        """The action."""
        seen_O = torch.from_numpy(observation).float() / self.policy.seen_scale_O
        latent, _ = self._best(seen_O, draws)
        return self.policy.likeliest(seen_O, latent)

    @torch.no_grad()
    def promised(self, observation: Float[np.ndarray, "O"], draws: np.random.Generator) -> float:
        """The return that the chosen latent promises."""
        _, promise = self._best(torch.from_numpy(observation).float() / self.policy.seen_scale_O, draws)
        return promise * float(self.policy.return_spread) + float(self.policy.return_mean)

    def _best(self, seen_O: Float[Tensor, "O"], draws: np.random.Generator) -> tuple[int, float]:
        count_K = draws.multinomial(self.choices, _shares(self.policy.usual(seen_O[None])[0]))
        promise_K = self.policy.promise(seen_O[None])[0].numpy()
        latent = int(np.where(count_K > 0, promise_K, -np.inf).argmax())
        return latent, float(promise_K[latent])
