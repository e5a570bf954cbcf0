"""What is a formula, and which formulas stand in a prompt."""

import pytest

from steelyard.reward.formula import final_expression, is_formula, lists_several, same_formula, stands_in


@pytest.mark.parametrize(
    "text", ["x+1", "2x", "\\sqrt{2}", "-x", "x^2", "sin(x)", "3 + 4i", "2ab", "(0, 1]", "\\pi", "y = 2x"]
)
def test_formulas(text):
    assert is_formula(text)


@pytest.mark.parametrize(
    "text", ["ACB", "no", "x", "well-known", "1st", "H2O", "3-2", "B12", "C++", "\\text{odd}", "日本"]
)
def test_words(text):
    assert not is_formula(text)


PROMPT = "Expand $(x+2)(x+3)$, then simplify x^2 - 1 + 0 for all x."


@pytest.mark.parametrize(
    ("formula", "stands"),
    [
        ("(x+2)(x+3)", True),
        ("(x + 2) \\cdot (x + 3)", True),
        ("(x+3)(x+2)", True),
        ("((x+2)(x+3))", True),
        ("(x+2)(x+3)+0", True),
        ("1*(x+2)(x+3)=", True),
        ("\\left(x+2\\right)\\left(x+3\\right)", True),
        ("x^2-1", True),
        ("x+2", True),
        ("x^2+5x+6", False),
        ("x", False),
        ("2", False),
        ("x+22", False),
        ("Expand", False),
    ],
)
def test_an_expression_of_the_prompt(formula, stands):
    assert stands_in(formula, PROMPT) is stands


@pytest.mark.parametrize(
    ("line", "expression"),
    [
        ("it is $\\sqrt{12}$.", "\\sqrt{12}"),
        ("so we get x+1.", "x+1"),
        ("Therefore: x^2 - 1", "x^2 - 1"),
        ("f = sin(x)", "f = sin(x)"),
        ("\\(a\\) and \\[b\\]", "b"),
        ("nothing here", ""),
    ],
)
def test_the_expression_that_a_line_ends_with(line, expression):
    assert final_expression(line) == expression


def test_same_formula():
    assert same_formula("2 \\sqrt{3}", "$2\\sqrt{3}$")
    assert not same_formula("\\sqrt{12}", "2\\sqrt{3}")


def test_several_side_by_side():
    assert [lists_several(t) for t in ("2x or 3x", "x, y", "\\pm x", "x \\text{ and } y")] == [True] * 4
    assert [lists_several(t) for t in ("f(x, y)", "(x, y)", "1,000x", "x+1")] == [False] * 4
