"""How far apart groups of points lie, beside how far they spread: the silhouette coefficient, by cosine distance.

    s_i = (b_i - a_i) / max(a_i, b_i),    silhouette = mean_i s_i

a_i is the mean distance of point i to the others of its group, b_i that to the nearest other group. 1 is far apart, 0
mixed. A point that is alone in its group has s = 0. N points of D numbers, K groups.
Source: Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64


def silhouette(points_ND: Float64[np.ndarray, "N D"], groups: Sequence[str]) -> float:
    """The mean coefficient of points whose groups are named; of one group it is 0.

    >>> silhouette(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), ["a", "a", "b"])
    0.6666666666666666
    """
    from scipy.spatial.distance import cdist

    names = [*dict.fromkeys(groups)]
    if len(names) < 2:
        return 0.0
    member_KN = np.array([[group == name for group in groups] for name in names])
    apart_NN = cdist(points_ND, points_ND, "cosine").round(12)  # equal points differ by rounding alone
    sum_NK = apart_NN @ member_KN.T
    size_K = member_KN.sum(1)
    own_N = np.argmax(member_KN, axis=0)
    at_N = np.arange(len(own_N))
    alone_N = size_K[own_N] == 1
    within_N = sum_NK[at_N, own_N] / np.where(alone_N, 1, size_K[own_N] - 1)
    mean_NK = sum_NK / size_K
    mean_NK[at_N, own_N] = np.inf
    other_N = mean_NK.min(1)
    scale_N = np.maximum(within_N, other_N)
    score_N = np.where(alone_N | (scale_N == 0), 0.0, (other_N - within_N) / np.where(scale_N == 0, 1.0, scale_N))
    return float(score_N.mean())
