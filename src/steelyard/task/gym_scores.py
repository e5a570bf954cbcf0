"""Scores of reasoning-gym, with the verifiers corrected that pay for nonsense or break on it.

Checked over all data sets of version 0.1.25 with texts of a random policy and with damaged right answers; what each
correction is for stands in docs/lab-notes.md. `gym_worker.py` loads this file by its path.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

Entry = dict[str, Any]

WITHOUT_ANSWER = frozenset({"boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"})
"""Data sets whose items have no right answer of their own: the verifier alone decides."""
UNREADABLE: dict[str, tuple[type[Exception], ...]] = {
    "boxnet": (TypeError, AttributeError, KeyError, ValueError, ZeroDivisionError),
    "game_of_life": (KeyError, TypeError),
    "prime_factorization": (ValueError, OverflowError),
}
"""Errors that a verifier raises on an answer that it cannot read: such an answer is wrong, not unchecked."""


def named(dataset: str, entry: Entry) -> str:
    """The data set that made an item: of a composite one, the part."""
    return str(entry["metadata"]["source_dataset"]) if dataset == "composite" else dataset


def score(dataset: str, made: Any, answer: str, entry: Entry) -> float:
    """The data set's score of an answer, from 0 to 1."""
    if dataset == "composite":
        dataset = named(dataset, entry)
        made = made.datasets[dataset]
    try:
        value = _CORRECTED[dataset](made, answer, entry) if dataset in _CORRECTED else made.score_answer(answer, entry)
    except UNREADABLE.get(dataset, ()):
        return 0.0
    return float(value)


def _halting(made: object, answer: str, entry: Entry) -> float:
    """The package compares bool(answer), which is true for every text: "False" and "banana" both scored 1."""
    return float(answer.strip().rstrip(".").lower() == str(entry["answer"]).lower())


def _coin_flip(made: object, answer: str, entry: Entry) -> float:
    """The package pays for the share of the shorter text that agrees: "0" scored 1 where 0.3125 is right."""
    try:
        said = float(Fraction(answer.strip().replace(",", "")))
    except (ValueError, ZeroDivisionError, OverflowError):
        return 0.0
    right = float(Fraction(entry["answer"].replace(",", "")))
    if abs(said - right) <= 1e-4:
        return 1.0
    texts = (f"{said:.10g}", f"{right:.10g}")
    alike = next((n for n, (a, b) in enumerate(zip(*texts, strict=False)) if a != b), min(map(len, texts)))
    return alike / max(map(len, texts))


def _complex(made: Any, answer: str, entry: Entry) -> float:
    """The package takes min(1, exp(-nan)) for 1: "nan" was right everywhere."""
    said = made.parse_string_to_complex(answer)
    if said is None or not (math.isfinite(said.real) and math.isfinite(said.imag)):
        return 0.0
    return made.score_answer(answer, entry)


def _conclusion(made: Any, answer: str, entry: Entry) -> float:
    """The package pays .25 for a text without a variable, as for a trivial conclusion."""
    return made.score_answer(answer, entry) if re.search("[A-Z]", answer) else 0.0


def _signed(made: object, answer: str, entry: Entry) -> float:
    """The package takes the first number behind a word boundary: -288 was read as 288, and "1 or 2 or 3" as 1."""
    found = {float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]*\w)", answer)}
    if len(found) != 1:
        return 0.0
    return 1.0 if found == {float(entry["answer"])} else 0.01


_CORRECTED: dict[str, Callable[[Any, str, Entry], float]] = {
    "coin_flip": _coin_flip,
    "complex_arithmetic": _complex,
    "game_of_life_halting": _halting,
    "gsm_symbolic": _signed,
    "propositional_logic": _conclusion,
}
