import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.curriculum.skill_graph import graph_of, learn_edges

ALONE = {0: [0.1, 0.9, 1.0], 1: [0.9, 0.5, 1.0], 2: [1.0, 1.0, 0.8]}
"""Skill that a run was on -> the losses after it."""
BOTH = {(0, 1): [0.2, 0.3, 1.0], (0, 2): [0.2, 1.0, 0.75], (1, 2): [1.0, 0.6, 0.4]}


def after(places):
    """The losses after runs that nobody makes."""
    if not places:
        return np.ones(3)
    return np.array(ALONE[places[0]] if len(places) == 1 else BOTH[tuple(places)])


def test_a_graph_by_hand():
    graph_DD = graph_of(("0:10", "10:20:0.25", "20:0:2"), [0, 10, 20], 0.5)
    assert graph_DD.tolist() == [[1, 0.5, 0], [0, 1, 0.25], [2, 0, 1]]
    assert graph_of((), [3, 7], 0.5).tolist() == [[1, 0], [0, 1]]
    assert graph_of(("-1:2",), [-1, 2], 0.5)[0, 1] == 0.5


def test_edges_by_hand():
    """Skill 1 is at .5 alone and at .3 with 0; skill 2 at .8 alone, with 0 at .75, which is not a tenth less."""
    assert learn_edges(after, [0, 10, 20]) == ("0:10", "10:20")
    assert learn_edges(after, [0, 10, 20], least=0.0) == ("0:10", "0:20", "10:20")
    assert learn_edges(after, [0, 10, 20], least=0.5) == ()


def test_edges_from_runs_on_single_skills_compare_with_the_model_as_it_was():
    assert learn_edges(after, [0, 1, 2], way="singles", least=0.05) == ("0:1", "1:0")
    asked = []
    learn_edges(lambda places: asked.append(tuple(places)) or np.ones(4), range(4), way="singles")
    assert sorted(asked) == [(), (0,), (1,), (2,), (3,)]
    asked.clear()
    learn_edges(lambda places: asked.append(tuple(places)) or np.ones(4), range(4))
    assert len(asked) == len({*asked}) == 4 + 6


def test_equal_losses_and_a_single_skill_have_no_edges():
    assert learn_edges(lambda places: np.ones(3), [0, 1, 2]) == ()
    assert learn_edges(lambda places: np.ones(1), [5]) == ()


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        (("0:1",), "skill-it.edges: 0:1: no prompt has domain 1; name some of 0, 10"),
        (("5:0",), "no prompt has domain 5"),
        (("0:0",), "0:0: a skill helps itself with weight 1; leave it out"),
        (("0:10", "0:10:0.2"), "0:10:0.2: stands twice"),
    ],
)
def test_wrong_edges_are_refused(edges, said):
    with pytest.raises(SteelyardError, match=said):
        graph_of(edges, [0, 10], 0.5)
