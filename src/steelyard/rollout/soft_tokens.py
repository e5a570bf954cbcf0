"""Soft tokens: thinking in noisy mixtures of embeddings, then an answer in words.

Differs: a thought's length is fixed, as in the paper, and nothing but `cue` parts it from the answer; rewards are the
task's own, where the paper gives 100, 10 or 0; the learner's updates are not clipped to its settings. How sigma is
scaled is our reading: by the root mean square of single numbers of the embeddings, so that noise is as long as a third
of a token's embedding; measured by a whole embedding's length it would drown it. Where newer weights learn from older
samples the Gaussian would need a ratio: every sample is learned from once, by the weights that drew it.

    h_t = p_{t-1} E,   p = softmax(logits / tau),   x_t = h_t + sigma e_t,   e_t ~ N(0, I_D)         t = 1 ... S
    log pi(x_t | x_<t) = - ||x_t - h_t||^2 / (2 sigma^2),     sigma = noise x rms(E)
    L = - A [ sum_t log pi(x_t | x_<t) + log pi(answer | x) ],   A_j = r_j - mean_{k != j} r_k

x are constants and h_t is computed anew with them as context: one forward pass, and nothing is differentiated through
the steps before. tau = 0.5 are soft tokens, tau = 0.0001 fuzzy ones, whose h_t is nearly one token's embedding.
E [V, D] embeddings, V vocabulary, D hidden size, S soft steps. At temperature 0 there is no noise.
Measured: refuted in a small world at the paper's noise. Samples of a prompt hardly differ (1.4 completions of 16, in
words 5), so that most groups teach nothing; with three times the noise it learns as soon as they do.
Source: Butt et al. 2025, arXiv:2509.19170. Not confirmed: its learning rate, and what stands before its answers.
"""

import base64
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from steelyard.core import Positive, PositiveInt, Trajectory, method, require
from steelyard.core.json import JsonObject

KEY = "soft"
"""In a trajectory's `info`: its soft steps."""


@method(
    "soft-tokens",
    paper="arXiv:2509.19170",
    claim="RL on noisy mixtures of embeddings is as good as on tokens at one try, and better at 32.",
)
@dataclass(frozen=True)
class SoftTokens:
    """How a model thinks before it answers."""

    soft_steps: PositiveInt = 128
    """Soft steps before the answer: the length of a thought."""
    soft_temperature: Positive = 0.5
    """Of the mixtures: 0.5 for soft tokens, 0.0001 for fuzzy ones."""
    noise: Positive = 0.33
    """Spread of the noise, as a share of the root mean square of the embeddings' numbers."""
    cue: str = ""
    """Text between thought and answer, which the model reads and did not choose; empty for none."""


class SoftSteps(NamedTuple):
    """The soft steps of a trajectory."""

    first: int
    """Where they begin: the prompt's length."""
    vector_SD: Float32[np.ndarray, "S D"]
    """What the model was fed."""
    logp_S: Float32[np.ndarray, "S"]
    """Their log-probabilities, up to the constant, under what drew them."""
    sigma: float
    """Spread of the noise."""
    temperature: float
    """tau."""


def with_soft(trajectory: Trajectory, steps: SoftSteps) -> Trajectory:
    """The trajectory with its soft steps, as all that passes it on will keep them."""
    told: JsonObject = {
        "first": steps.first,
        "steps": len(steps.vector_SD),
        "vectors": base64.b64encode(np.ascontiguousarray(steps.vector_SD, "<f4").tobytes()).decode(),
        "logp": steps.logp_S.tolist(),
        "sigma": steps.sigma,
        "temperature": steps.temperature,
    }
    return trajectory.replace(info={**trajectory.info, KEY: told})


def soft_of(trajectory: Trajectory) -> SoftSteps:
    """The soft steps of a trajectory.

    Raises:
        SteelyardError: it has none.
    """
    hint = "learn from what a SoftEngine drew"
    where = f"prompt {trajectory.prompt_id}"
    require(KEY in trajectory.info, "a trajectory has no soft steps", where=where, hint=hint)
    told = trajectory.info[KEY]
    flat = np.frombuffer(base64.b64decode(told["vectors"]), "<f4")
    logp_S = np.array(told["logp"], np.float32)
    return SoftSteps(told["first"], flat.reshape(told["steps"], -1), logp_S, told["sigma"], told["temperature"])
