r"""Numbers as people write them, read exactly; nothing that still has to be worked out is a number.

    72    -1,234.50    .5    1{,}234    0.\overline{3}    1e-7    3 \times 10^5    1/2    \frac12    2\frac{1}{2}
    50%   \$5.00       -3 \text{ cm}    90^\circ          5 million

No number: 85+23, 6/3 (a quotient that comes out even), 2^{10}, 5!, \sqrt{4}, 1 or 2, 12,34, 1.2.3, ٤٢, forty-two.
Digits and exponents are bounded, so that reading and comparing cost microseconds.
"""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from steelyard.reward.latex import plain
from steelyard.reward.units import CURRENCIES, PERCENT, SCALES, unit_of

Units = Literal["strip", "strict"]
Form = Literal["plain", "fraction", "mixed", "power", "percent", "scale"]

MOST_DIGITS = 1000
"""A longer number is not read: it is compared as text."""
LARGEST_EXPONENT = 1000

_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!,?\d)|\d+)"
_DECIMAL = rf"(?:{_DIGITS}(?:\.\d*)?|\.\d+)(?:\\overline\s*\{{\d+\}})?"
_FRAC = (
    r"\\frac\s*(?:\{\s*(?P<top_in>[+-]?\d+)\s*\}|(?P<top_one>\d))"
    r"\s*(?:\{\s*(?P<bottom_in>[+-]?\d+)\s*\}|(?P<bottom_one>\d))"
)
_POWER = r"10\s*(?:\^|\*\*)\s*(?:\{\s*([+-]?\d+)\s*\}|([+-]?\d+))"
BODY = re.compile(
    rf"(?:(?P<whole>\d+)\s*)?{_FRAC}"
    rf"|(?P<mixed>\d+)\s+(?P<mixed_top>\d+)/(?P<mixed_bottom>\d+)"
    rf"|(?P<top>\d+)\s*/\s*(?P<bottom>\d+)"
    rf"|(?:(?P<factor>{_DECIMAL})\s*(?:\\times|\\cdot|×|·|\*|x)\s*)?(?P<power>{_POWER})"
    rf"|(?P<decimal>{_DECIMAL})(?:[eE](?P<exponent>[+-]?\d+))?",
    re.ASCII,
)
_HEAD = re.compile(
    rf"(?P<sign>[+\-–]?)\s*(?P<money>US\$|[{re.escape(CURRENCIES)}]|(?:USD|EUR|GBP)\s)?\s*(?P<late_sign>[+\-–]?)\s*"
)
_WRAPS = (("{", "}"), ('"', '"'), ("'", "'"), ("“", "”"), ("*", "*"))
_SCALE = re.compile(rf"\s*\b({'|'.join(SCALES)})\b", re.IGNORECASE)
_SHORT_SCALE = re.compile(r"(k|K|M|B|bn)(?![\w^])")
_SHORT = {"k": 10**3, "K": 10**3, "M": 10**6, "B": 10**9, "bn": 10**9}
"""As in $5k; without a currency 5B may be anything."""
_SPACED = re.compile(r"[+-]?[1-9]\d{0,2}(?: \d{3})+(?:\.\d+)?", re.ASCII)
_CONTINUES = re.compile(r"\s*(?:[\^!*+×÷]|[-–/:]\s*\d|\\(?:times|cdot|div|pm|over|choose)\b)|[\w.,]\d|[(_]")


@dataclass(frozen=True)
class Numeral:
    """A number that was read, and how it was written."""

    value: Fraction
    form: Form = "plain"
    written: tuple[int, ...] = ()
    """The whole numbers that it was written with, where it is a fraction."""
    unit: str = ""
    """Its unit or currency in one way of writing; empty where it has none."""
    text: str = ""
    """The number alone, as it was written."""

    @property
    def key(self) -> tuple[str, Fraction, tuple[int, ...]]:
        """What two numbers share that are written alike: 1/2 and 2/4 do not, 1,000 and 1000.0 do."""
        return self.form, self.value, self.written


@lru_cache(maxsize=4096)
def read_numeral(text: str, units: Units = "strip") -> Numeral | None:
    """The number that the whole text is, or None.

    Args:
        text: a number with its dress, unit or currency.
        units: "strip" passes over units and currency; "strict" keeps them in `unit`, to be compared.
    """
    dressed = plain(text[: 4 * MOST_DIGITS])
    if len(text) > 4 * MOST_DIGITS:
        return None
    dressed = unwrapped(dressed)
    found = leading_numeral(dressed.replace(" ", ",") if _SPACED.fullmatch(dressed) else dressed)
    if found is None:
        return None
    numeral, rest = found
    unit = unit_of(rest)
    if unit is None or (unit and numeral.unit and unit != numeral.unit):
        return None
    said = numeral.unit or unit
    return numeral if units == "strip" else Numeral(numeral.value, numeral.form, numeral.written, said, numeral.text)


def unwrapped(text: str) -> str:
    """The text without braces, or quotes, around all of it."""
    while len(text) > 1 and (text[0], text[-1]) in _WRAPS:
        text = text[1:-1].strip()
    return text


def leading_numeral(text: str) -> tuple[Numeral, str] | None:
    """The number that a plain text begins with, and the text after it; None where none stands there whole."""
    head = _HEAD.match(text)
    assert head is not None  # every part of it may be empty
    body = BODY.match(text, head.end())
    if body is None or (head["sign"] and head["late_sign"]):
        return None
    numeral = _numeral(body)
    rest = text[body.end() :]
    if numeral is None or _CONTINUES.match(rest) or rest[:1].isdigit():
        return None
    value = -numeral.value if (head["sign"] or head["late_sign"]) in ("-", "–") and head.end() else numeral.value
    form = numeral.form
    if percent := PERCENT.match(rest.lstrip()):
        value, form, rest = value / 100, "percent", rest.lstrip()[percent.end() :]
    elif scale := _SCALE.match(rest):
        value, form, rest = value * SCALES[scale[1].lower()], "scale", rest[scale.end() :]
    elif (short := _SHORT_SCALE.match(rest)) and (head["money"] or short[1] in "kKM"):
        value, form, rest = value * _SHORT[short[1]], "scale", rest[short.end() :]
    money = (head["money"] or "").strip().upper().replace("US$", "$").replace("USD", "$")
    written = text[: len(text) - len(rest)].strip().rstrip(".")
    return Numeral(value, form, numeral.written, money.replace("EUR", "€").replace("GBP", "£"), written), rest


def _numeral(body: re.Match[str]) -> Numeral | None:
    """The value of a body without sign; None where it is out of bounds or a fraction of nothing."""
    if body.end() - body.start() > MOST_DIGITS:
        return None
    over = body["top_in"] or body["top_one"]
    if over:
        return _fraction(int(over), int(body["bottom_in"] or body["bottom_one"]), body["whole"])
    if body["mixed"]:
        return _fraction(int(body["mixed_top"]), int(body["mixed_bottom"]), body["mixed"])
    if body["top"]:
        return _fraction(int(body["top"]), int(body["bottom"]), None)
    if body["power"]:
        exponent = int(re.split(r"\^|\*\*", body["power"])[1].strip(" {}"))
        return _scaled(_decimal(body["factor"] or "1"), exponent)
    value = _decimal(body["decimal"])
    return Numeral(value) if body["exponent"] is None else _scaled(value, int(body["exponent"]))


def _fraction(top: int, bottom: int, whole: str | None) -> Numeral | None:
    if bottom == 0:
        return None
    if whole is None:
        return Numeral(Fraction(top, bottom), "fraction", (top, bottom))
    # 2 1/2 is two and a half; 2 7/3 is nothing that anybody writes
    proper = 0 < top < bottom
    return Numeral(int(whole) + Fraction(top, bottom), "mixed", (int(whole), top, bottom)) if proper else None


def _scaled(value: Fraction, exponent: int) -> Numeral | None:
    if abs(exponent) > LARGEST_EXPONENT:
        return None
    return Numeral(value * Fraction(10) ** exponent, "power", (exponent,))


def _decimal(text: str) -> Fraction:
    digits, _, repeated = text.replace(",", "").partition("\\overline")
    value = Fraction(digits if digits.strip(".") else "0")
    if not repeated:
        return value
    period = repeated.strip(" {}")
    places = len(digits.partition(".")[2])
    return value + Fraction(int(period), (10 ** len(period) - 1) * 10**places)


def is_quotient(numeral: Numeral) -> bool:
    """True for a fraction that comes out even, such as 84/7: somebody still has to divide."""
    return numeral.form == "fraction" and numeral.value.denominator == 1
