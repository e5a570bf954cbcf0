import numpy as np
import pytest

from steelyard.core.silhouette import silhouette


def test_by_hand():
    """Of two rays at a right angle, one with a third point between them.

    To the point at 45 degrees the others of its group have the distance 0 and 1 - cos 45, the other group 1 - cos 45.
    """
    points = np.array([[1.0, 0.0], [3.0, 0.0], [1.0, 1.0], [0.0, 2.0], [0.0, 1.0]])
    near = 1 - np.sqrt(0.5)
    ray = (1 - near / 2) / 1
    middle = (near - near) / near
    assert silhouette(points, ["a", "a", "a", "b", "b"]) == pytest.approx((2 * ray + middle + 1 + 1) / 5)


def test_one_group_and_points_alone_say_nothing():
    points = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert silhouette(points, ["a", "a"]) == 0.0
    assert silhouette(points, ["a", "b"]) == 0.0
    assert silhouette(np.ones((4, 2)), ["a", "a", "b", "b"]) == 0.0


def test_mixed_groups_are_about_nothing_and_the_names_do_not_matter():
    points = np.random.default_rng(0).normal(size=(60, 5))
    names = [f"g{i % 3}" for i in range(60)]
    found = silhouette(points, names)
    assert abs(found) < 0.1
    assert silhouette(points * 7, [name[::-1] for name in names]) == pytest.approx(found)
