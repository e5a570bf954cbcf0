"""The priority of a prompt's stored trajectories: what they earned, less what their age costs.

Differs: FreshPER and RL-PER draw single trajectories from all that is stored, and FreshPER weighs them by
(N P(i))^-beta; here the members of a group are drawn from one prompt, none twice and without weights, for objectives
that need none. RL-PER's advantage is that of the group in which a trajectory was sampled; here it is that among what
its prompt has stored, and is not divided by a standard deviation: that is a common factor. The exponent and the
constant e of RL-PER could not be confirmed; those of FreshPER are taken. FreshPER's code gives a new trajectory the
highest priority until its next refresh, and none less than 1e-8; not so here.

    s_i = b f_i - l a_i,    a_i = v - v_i,    P(i next) = exp(s_i) / sum over j not yet drawn of exp(s_j)

    priority         f_i                   exp(s_i)                      from
    reward           r_i                   exp(b r_i - l a_i)            TBA; the decay is FreshPER's
    abs-reward       log(|r_i| + e)        (|r_i| + e)^b exp(-l a_i)     FreshPER: b = alpha, l = alpha / tau
    abs-advantage    log(|A_i| + e)        (|A_i| + e)^b exp(-l a_i)     RL-PER's |A|; the decay is FreshPER's

N entries of one prompt. r is the reward, A_i = r_i - mean over j of r_j, b the inverse temperature (1 / reward units)
or the exponent alpha, l the age decay (1 / version), a_i the age of entry i in versions, e = 1e-6. A version is a
learner step, so a_i is FreshPER's age in gradient steps. Only differences of scores count, and within a prompt the
learner's version v cancels. With rewards of 0 and 1, abs-reward is reward with b log((1 + e) / e) in place of b.

Weigh by age, or draw by age: let gamma = exp(-l). The first member drawn has the expectation

    E[g] = sum_i gamma^a_i exp(b f_i) g_i / sum_i gamma^a_i exp(b f_i)

of any g. That is the expectation of w g under the draw without decay, where w is gamma^age over the mean of gamma^age
in that draw: to draw by age is to weigh by age, so no objective reads a weight by age. It holds for one draw. Members
drawn without replacement are more mixed in age, the more of a prompt's N are drawn, and G = N draws all whatever l is.
To drop by age (`max_staleness`) is the weight 1 up to the bound and 0 beyond it, in every draw.
Sources: FreshPER, Ma et al. 2026, arXiv:2604.16918, and its code (p_i = (|r_i| + e) exp(-age / tau), P(i) ~ p_i^alpha;
alpha .6, tau 500); RL-PER, Yoo et al. 2026, arXiv:2606.04560 (abstract alone); Bartoldson et al. 2025,
arXiv:2503.18929.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from steelyard.replay.entry import Entry

Priority = Literal["reward", "abs-reward", "abs-advantage"]

_LEAST = 1e-6
"""e: what keeps a trajectory of priority 0 drawable."""

_VALUES: Mapping[Priority, Callable[[Float[np.ndarray, "N"]], Float[np.ndarray, "N"]]] = {
    "reward": lambda reward_N: reward_N,
    "abs-reward": lambda reward_N: np.log(np.abs(reward_N) + _LEAST),
    "abs-advantage": lambda reward_N: np.log(np.abs(reward_N - reward_N.mean()) + _LEAST),
}


def scores(
    entries: Sequence[Entry], *, priority: Priority, inverse_temperature: float, age_decay: float
) -> Float[np.ndarray, "N"]:
    """s of a prompt's N entries, up to a common constant.

    >>> young, old = Entry(9, 1, "p", 9, 1.0, b"y"), Entry(4, 0, "p", 4, 2.0, b"o")
    >>> s_old, s_young = scores([old, young], priority="reward", inverse_temperature=0.5, age_decay=0.2)
    >>> round(float(s_old - s_young), 9)  # .5 (2 - 1) - .2 (9 - 4)
    -0.5
    """
    value_N = _VALUES[priority](np.array([entry.reward for entry in entries], dtype=np.float64))
    version_N = np.array([entry.version for entry in entries], dtype=np.float64)
    return inverse_temperature * (value_N - value_N.max()) + age_decay * (version_N - version_N.max())
