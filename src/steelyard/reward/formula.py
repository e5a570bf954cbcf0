r"""Which right answers are formulas, whether two formulas are written alike, and whether a prompt holds one.

A formula is compared by value, in a worker. Words are not: `ACB` is no product of three variables.
"""

import re
from functools import lru_cache

from steelyard.reward.latex import as_written, plain

_FUNCTIONS = frozenset(
    re.findall(
        r"\w+",
        """sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln lg exp sqrt pi max min gcd lcm mod det
        dim lim infinity""",
    )
)
_COMMAND = re.compile(r"\\(?!text|math|mbox|operatorname|boxed|[$%&#_{}\s])[A-Za-z]+")
_OPERATOR = re.compile(r"[+*/^=<>_|!√π∞≤≥≠×÷·²³±∪∩∈]|(?<=[\w)])\s*-\s*(?=[\w(])|^-")
_COMMAND_OR_OPERATOR = re.compile(rf"{_COMMAND.pattern}|{_OPERATOR.pattern}")
_INFINITE = re.compile(r"[+-]?\s*(?:infinity|∞)", re.IGNORECASE)
_NEGATIVE = re.compile(r"\b(?:negative|minus)\s+(?=infinity\b)", re.IGNORECASE)
_COEFFICIENT = re.compile(r"\d+[a-z]{1,3}(?![\w])|\d+\(")
_ORDINAL = re.compile(r"\d(?:st|nd|rd|th|s)\b", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z]{1,2}[-+#*]{1,2}|\d+\s*-\s*\d+|(?=.*[A-Z])[A-Z\d]+")
_IDLE = re.compile(r"^(?:0\+|1\*|1(?=[(A-Za-z\\])|\+)|(?:[+-]0|[*/]1|(?<=\))1|=\??)$")
_INTERVAL = re.compile(r"[(\[]\s*[^()\[\],;]+[,;][^()\[\],;]+[)\]]")
_LONGEST = 2000
"""Characters of a line that are looked at, from its end."""
_BRACKETED = re.compile(r"[(\[][^()\[\]]*[)\]]")
_SEPARATOR = re.compile(r"[,;±]|\b(?:or|and|maybe)\b|\\(?:pm|lor|vee|land|wedge)\b")
_MATH = re.compile(r"\$\$?(.+?)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)


def is_formula(text: str) -> bool:
    """True for a text that mathematics reads by value: 2x + 1, \\sqrt{2}, (0, \\infty); False for words and names."""
    if _COMMAND.search(text) or _INFINITE.fullmatch(plain(text)):
        return True
    shown = plain(text)
    if _NAME.fullmatch(shown) or _ORDINAL.search(shown):
        return False
    words = [run for run in re.findall(r"[^\W\d_]{2,}", shown) if run.lower() not in _FUNCTIONS]
    if _COEFFICIENT.search(shown):
        return all(re.search(rf"\d{re.escape(word)}\b", shown) for word in words)
    if words:
        return False
    if re.search(r"[a-z]\s*\(", shown) and re.search(r"[A-Za-z]{2,}", shown):
        return True  # a function of something
    has_symbol = bool(re.search(r"[\w)]", shown))
    return has_symbol and bool(_OPERATOR.search(shown) or (_INTERVAL.fullmatch(shown) and re.search(r"\d", shown)))


def lists_several(text: str) -> bool:
    """True for several formulas side by side: 2x or 3x, x = 1, y = 2; a pair in brackets is one."""
    shown = _BRACKETED.sub("", re.sub(r"(?<=\d),(?=\d{3})", "", plain(text)))
    return _SEPARATOR.search(shown) is not None


def same_formula(given: str, right: str) -> bool:
    """True where both are written alike, but for spaces and dress."""
    return as_written(given) == as_written(right)


def final_expression(line: str) -> str:
    """The expression that a line ends with: its last part in math marks, else what follows its last word."""
    line = _NEGATIVE.sub("-", line[-_LONGEST:])
    marked = [next(filter(None, match.groups())) for match in _MATH.finditer(line)]
    if marked:
        return marked[-1]
    tokens = line.rstrip(" .").split()
    start = len(tokens)
    while start and not _is_word(tokens[start - 1]):
        start -= 1
    return " ".join(tokens[start:]).lstrip("=:≈ ")


def _is_word(token: str) -> bool:
    if "\\" in token or "$" in token:
        return False
    runs = [run for run in re.findall(r"[A-Za-z]{2,}", token) if run.lower() not in _FUNCTIONS]
    return (bool(runs) and _OPERATOR.search(token.strip("-!=*_")) is None) or token in ("a", "I") or token.endswith(":")


def stands_in(formula: str, prompt: str) -> bool:
    """True for an expression, no single number or name, that the prompt holds, perhaps in another order or with + 0.

    So an echo of the question is no answer to it, although it has the value that was asked for.
    """
    if _COMMAND_OR_OPERATOR.search(plain(formula)) is None:
        return False
    said = _bare(as_written(formula))
    if len(said) < 3:
        return False
    asked = _expressions(prompt[-2 * _LONGEST :])
    same_letters = sorted(said)
    return any(_holds(one, said) or (len(said) > 4 and sorted(one) == same_letters) for one in asked)


def _holds(expression: str, said: str) -> bool:
    at = expression.find(said)
    while at >= 0:
        if not expression[:at][-1:].isalnum() and not expression[at + len(said) :][:1].isalnum():
            return True
        at = expression.find(said, at + 1)
    return False


@lru_cache(maxsize=1024)
def _expressions(prompt: str) -> tuple[str, ...]:
    """The prompt's expressions, each in one way of writing."""
    marked = [next(filter(None, match.groups())) for match in _MATH.finditer(prompt)]
    runs = [run for line in prompt.split("\n") for run in _runs(line)]
    return tuple(_bare(as_written(one)) for one in marked + runs)


def _runs(line: str) -> list[str]:
    runs = [""]
    for token in line.split():
        if _is_word(token):
            runs.append("")
        else:
            runs[-1] += token
    return [run.rstrip("?.,:;") for run in runs if run]


def _bare(text: str) -> str:
    """Without what changes nothing: 0 +, 1 *, a closing =, brackets around all of it."""
    while True:
        less = _IDLE.sub("", text)
        if less.startswith("(") and less.endswith(")") and _closes_last(less):
            less = less[1:-1]
        if less == text:
            return text
        text = less


def _closes_last(text: str) -> bool:
    depth = 0
    for at, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return at == len(text) - 1
    return False
