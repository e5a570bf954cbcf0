"""Where a text states an answer: the box of a solution is found by its braces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.reward.statements import boxes, is_looping, last_group, last_tag, markers, open_tag, phrases


def last_box(text):
    found, cut = boxes(text)
    return None if cut or not found else f"\\boxed{{{found[-1].text}}}"


@pytest.mark.parametrize(
    ("text", "box"),
    [
        (r"so $\boxed{\frac{1}{2}}$, not $x=7$", r"\boxed{\frac{1}{2}}"),
        (r"\boxed{5} and then \boxed{12}", r"\boxed{12}"),
        (r"\fbox{3}", r"\boxed{3}"),
        (r"\boxed{1} and \fbox{2}", r"\boxed{2}"),
        (r"\boxed{}", r"\boxed{}"),
        (r"cut off: \boxed{\frac{1}{2}", None),
        (r"\boxed 7", r"\boxed{7}"),
        (r"so $\boxed72$", r"\boxed{72}"),
        ("#### 42", None),
        ("", None),
    ],
)
def test_the_last_whole_box(text, box):
    assert last_box(text) == box


@given(st.text(alphabet="{}ab\\ ", max_size=20), st.text(alphabet="ab{ ", max_size=10))
def test_what_is_found_is_balanced_and_there(before, inner):
    found = last_box(f"{before}\\boxed{{{inner}}}")
    if found is not None:
        assert found.count("{") == found.count("}")
    if "{" not in inner:
        assert found == f"\\boxed{{{inner.strip()}}}"


def test_a_box_in_a_box_is_part_of_it():
    assert boxes("\\boxed{1 \\boxed{2}}")[0][0].text == "1 \\boxed{2}"
    assert boxes("\\boxed{1} \\boxed{2")[1]


def test_markers_and_phrases():
    assert [m.text for m in markers("#### 1\n####\n2 clips\n#### 3 #### 4", "####")] == ["1", "2 clips", "3", "4"]
    assert [p.text for p in phrases("The answer is 5. Answer: 6\nThe result is 7?")] == ["5", "6", "7?"]


def test_tags():
    assert last_tag("<answer>1</answer><answer> 2 </answer> 3").text == "2"
    assert last_tag("<answer>1") is None
    assert open_tag("<answer>1") == "1"
    assert open_tag("<answer>1</answer>") is None


@pytest.mark.parametrize(
    ("between", "joined"),
    [(" ", True), (" or ", True), ("$, $", True), ("\n", True), (" no, ", False), (" wait, so ", False), ("x", False)],
)
def test_what_stands_side_by_side(between, joined):
    text = f"\\boxed{{1}}{between}\\boxed{{2}}"
    assert [s.text for s in last_group(text, boxes(text)[0])] == (["1", "2"] if joined else ["2"])


def test_loops():
    assert is_looping("5 5 5")
    assert is_looping("The answer is 5. " * 9 + "The ans")
    assert is_looping("#### 5\n" * 3)
    assert not is_looping("5\n5")
    assert not is_looping("so so so")


def test_a_thousand_statements_are_a_few():
    assert len(boxes("\\boxed{1}" * 1000)[0]) == len(markers("#### 1\n" * 1000, "####")) == 21
