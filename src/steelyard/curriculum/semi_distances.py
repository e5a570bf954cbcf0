"""Upper confidence bounds in closed form: max{q : d(p, q) <= delta}, for distances d that are at most kl.

    sq   d = 2 (p - q)^2                                q = p + sqrt(delta / 2)
    bq   d = 2 (p - q)^2 + 4/9 (p - q)^4                q = p + sqrt(-9/4 + sqrt(81/16 + 9 delta / 4))
    h    d = 2 - 2 sqrt(p q) - 2 sqrt((1 - p)(1 - q))   q = ((1 - delta/2) sqrt p + sqrt((1-p)(delta - delta^2/4)))^2
    lb   d = p log p + (1 - p) log((1 - p)/(1 - q))     q = 1 - (1 - p) exp((p log p - delta) / (1 - p))
    t    d = the tangent of kl(p, .) at (1 + p) / 2     q = (p+1)/2 (delta - p log(p/(p+1)) - log(2 / (e (p+1))))
    step d = kl(p, q_k) where q > q_k, else 0           q = the first q_k with kl(p, q_k) > delta, or 1
    kl   d = p log(p/q) + (1-p) log((1-p)/(1-q))        no closed form: bisection

p is an observed mean in [0, 1], delta >= 0 the allowed distance (nats); q is at most 1. For h, q is 1 if
delta >= 2 - 2 sqrt p. For step, eta = eps / (1 + eps) and q_k = 1 - (1 - eta)^k; k runs from the first q_k >= p to the
first q_k >= exp(-eps / p). Since each d is at most kl, each q is at least the q of kl.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64

Array = Float64[np.ndarray, "..."]
Bound = Callable[[Array, Array], Array]
_BISECTIONS = 24


def sq(p: Array, delta: Array) -> Array:
    """The bound of the squared distance (Pinsker's inequality): UCB1's, with the smallest valid constant."""
    return np.minimum(1.0, p + np.sqrt(delta / 2))


def bq(p: Array, delta: Array) -> Array:
    """The bound of the biquadratic distance."""
    return np.minimum(1.0, p + np.sqrt(np.maximum(0.0, np.sqrt(81 / 16 + 9 / 4 * delta) - 9 / 4)))


def h(p: Array, delta: Array) -> Array:
    """The bound of the Hellinger distance."""
    root = (1 - delta / 2) * np.sqrt(p) + np.sqrt((1 - p) * np.maximum(0.0, delta - np.square(delta) / 4))
    return np.where(delta < 2 - 2 * np.sqrt(p), np.minimum(1.0, np.square(root)), 1.0)


def lb(p: Array, delta: Array) -> Array:
    """The bound of a lower bound of kl that is exact at p = 0."""
    rest = np.maximum(1 - p, 1e-12)  # at p = 1 the factor before it is 0
    return 1 - (1 - p) * np.exp((_xlogx(p) - delta) / rest)


def t(p: Array, delta: Array) -> Array:
    """The bound of a tangent of kl."""
    reach = delta - _xlogx(p) + p * np.log1p(p) - np.log(2 / (np.e * (p + 1)))
    return np.minimum(1.0, (p + 1) / 2 * reach)


def kl(p: Array, delta: Array) -> Array:
    """The bound of kl itself, as in kl-UCB: at most 1e-7 too high."""
    p, delta = np.broadcast_arrays(p, delta)
    low = p
    high = sq(p, delta)
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        inside = divergence(p, middle) <= delta
        low = np.where(inside, middle, low)
        high = np.where(inside, high, middle)
    return high


def step(p: Array, delta: Array, eps: float) -> Array:
    """The best bound of the step distances of precision eps: a binary search with O(log(1/eps)) evaluations of kl."""
    per_step = -np.log1p(eps)  # log(1 - eta)
    with np.errstate(divide="ignore"):
        first = np.ceil(np.log1p(-np.minimum(p, 1 - 1e-15)) / per_step)
        last = np.ceil(np.log(-np.expm1(-eps / np.maximum(p, 1e-15))) / per_step)
    low = first
    high = np.maximum(first, last) + 1  # the result is between them; `high` means none
    none = high
    while (low < high).any():
        middle = np.floor((low + high) / 2)
        beyond = divergence(p, -np.expm1(middle * per_step)) > delta
        low = np.where(beyond | (low >= high), low, middle + 1)
        high = np.where(beyond, middle, high)
    return np.where(low < none, -np.expm1(low * per_step), 1.0)


def divergence(p: Array, q: Array) -> Array:
    """kl(p, q) of two Bernoulli distributions (nats)."""
    tiny = np.finfo(np.float64).tiny
    return _xlogx(p) - p * np.log(np.maximum(q, tiny)) + _xlogx(1 - p) - (1 - p) * np.log(np.maximum(1 - q, tiny))


def _xlogx(x: Array) -> Array:
    return x * np.log(np.maximum(x, np.finfo(np.float64).tiny))


BOUNDS: Mapping[str, Bound] = MappingProxyType({"sq": sq, "bq": bq, "h": h, "lb": lb, "t": t, "kl": kl})
"""The distances without a parameter, by name."""
