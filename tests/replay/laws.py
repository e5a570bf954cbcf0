"""Exact laws of draws, enumerated, and the test that counts follow one."""

import itertools
from collections import Counter

import numpy as np
from scipy.stats import chisquare

PLAUSIBLE = 1e-3  # fixed seeds: a correct distribution gives the same p-value at every run


FEWEST = 5  # expected counts below this are taken together: chi-square is a law of many


def fits(counts: Counter, distribution: dict) -> bool:
    assert set(counts) <= set(distribution)
    total = counts.total()
    pooled = [[0.0, 0.0]]
    for outcome, p in sorted(distribution.items(), key=lambda item: item[1]):
        if pooled[-1][1] >= FEWEST:
            pooled.append([0.0, 0.0])
        pooled[-1][0] += counts[outcome]
        pooled[-1][1] += total * p
    if len(pooled) == 1:  # certain: chi-square has no degree of freedom left
        return True
    return chisquare(*zip(*pooled, strict=True)).pvalue > PLAUSIBLE


def softmax(score):
    weight = np.exp(score - np.max(score))
    return weight / weight.sum()


def sequential(score, number):
    """Indices of the first `number` draws of a sequential softmax without replacement -> probability."""
    weight = softmax(np.asarray(score, dtype=float))

    def probability(order):
        left = [weight[[j for j in range(len(weight)) if j not in order[:k]]].sum() for k in range(number)]
        return float(np.prod(weight[list(order)] / left))

    return {order: probability(order) for order in itertools.permutations(range(len(weight)), number)}
