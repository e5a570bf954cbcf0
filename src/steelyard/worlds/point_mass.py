"""A point mass in the plane that is to come to rest at the origin, with a hazard on the way.

    x' = x + dt v,    v' = v + dt (force a + w),  w ~ N(0, noise^2 I),    a in [-1, 1]^2,  dt = 0.1
    reward = -(|x'|^2 + 0.1 |v'|^2 + 0.01 |a|^2) dt,      cost = 1 where |x' - h| < 0.3

A double integrator: position x and velocity v in the plane, 60 steps, no early end. It begins at rest at a distance of
1 to 1.5 on the right; the hazard's middle h = (0.6, 0) is on the straight way, so reward and cost pull apart. An
observation is x and v.
Known exactly: the best return of whoever may use any force (linear dynamics, quadratic reward: `best`, by the Riccati
recursion), which bounds every controller from above; where the force keeps to [-1, 1] it is not reached.
For cards of control: delay, belief, constraints, shields and reachability.
Source: none, this world is ours.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float64
from msgspec import Meta

from steelyard.control import Step
from steelyard.control.system import Action
from steelyard.core import NonNegative, Positive, checked
from steelyard.worlds.control_world import ControlWorld

DT = 0.1
HAZARD = np.array([0.6, 0.0])
RADIUS = 0.3
PLACE, SPEED, EFFORT = 1.0, 0.1, 0.01
"""Weights of the reward's three terms."""


@checked("point-mass")
@dataclass(frozen=True)
class PointMass:
    """Come to rest at the origin."""

    force: Positive = 2.0
    """What the largest action accelerates by."""
    noise: NonNegative = 0.3
    """Standard deviation of the acceleration that nobody chose."""
    horizon: Annotated[int, Meta(ge=1, le=1000)] = 60
    """Steps of an episode."""

    @property
    def observation_size(self) -> int:
        """Position and velocity."""
        return 4

    @property
    def num_actions(self) -> int:
        """A force in the plane."""
        return 2

    @property
    def continuous(self) -> bool:
        """Yes."""
        return True

    def reset(self, draws: np.random.Generator) -> Float64[np.ndarray, "4"]:
        """At rest, on the right."""
        distance = draws.uniform(1.0, 1.5)
        angle = draws.uniform(-0.4, 0.4)
        return np.array([distance * np.cos(angle), distance * np.sin(angle), 0.0, 0.0])

    def step(
        self, state: Float64[np.ndarray, "4"], action: Action, draws: np.random.Generator
    ) -> Step[Float64[np.ndarray, "4"]]:
        """A tenth of a second."""
        pushed = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        place = state[:2] + DT * state[2:]
        speed = state[2:] + DT * (self.force * pushed + self.noise * draws.normal(size=2))
        lost = PLACE * place @ place + SPEED * speed @ speed + EFFORT * pushed @ pushed
        near = np.hypot(*(place - HAZARD)) < RADIUS
        return Step(np.concatenate([place, speed]), -float(lost) * DT, float(near))

    def observe(self, state: Float64[np.ndarray, "4"]) -> np.ndarray:
        """Position and velocity."""
        return state.astype(np.float32)

    def gains(self) -> tuple[list[Float64[np.ndarray, "2 4"]], Float64[np.ndarray, "4 4"], float]:
        """The best controller without limits, a = -K_h s with h steps left, and its return: -(s' P s + c).

        P_h = Q + (F - G K)' P (F - G K) + K' R K,   K = (R + G' P G)^-1 G' P F,   P_0 = 0
        """
        eye, nothing = np.eye(2), np.zeros((2, 2))
        f = np.block([[eye, DT * eye], [nothing, eye]])
        g = np.vstack([nothing, DT * self.force * eye])
        q = DT * np.diag([PLACE, PLACE, SPEED, SPEED])  # of the state that is reached
        r = DT * EFFORT * eye
        spread = np.diag([0.0, 0.0, 1.0, 1.0]) * (DT * self.noise) ** 2
        p = np.zeros((4, 4))
        constant = 0.0
        gains = []
        for _ in range(self.horizon):
            after = q + p
            k = np.linalg.solve(r + g.T @ after @ g, g.T @ after @ f)
            moved = f - g @ k
            constant += float(np.trace(after @ spread))
            p = moved.T @ after @ moved + k.T @ r @ k
            gains.append(k)
        return gains, p, constant

    def best(self, state: Float64[np.ndarray, "4"]) -> float:
        """The best expected return from a state, without limits to the force."""
        _, p, constant = self.gains()
        return -float(state @ p @ state + constant)


def best(system: PointMass) -> float:
    """The mean of the best returns over first states, by a fine grid of them."""
    distances = np.linspace(1.0, 1.5, 21)
    angles = np.linspace(-0.4, 0.4, 21)
    states = [np.array([d * np.cos(a), d * np.sin(a), 0.0, 0.0]) for d in distances for a in angles]
    return float(np.mean([system.best(state) for state in states]))


WORLD = ControlWorld(PointMass(), best=lambda: best(PointMass()), calm=PointMass(noise=0.0))
