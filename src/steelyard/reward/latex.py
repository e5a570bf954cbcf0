r"""Text without the dress of LaTeX and Markdown: `**$-3\,\text{ cm}$**` becomes `-3 cm`.

Nothing is worked out and no digit is changed. Digits of other scripts stay as they are: nobody reads them as numbers.
"""

import re

_SPACES = re.compile(r"\\(?:[,;:! ]|quad\b|qquad\b|displaystyle\b|left\b|right\b|limits\b)|~|[\u00a0\u2009\u202f]")
_THOUSANDS = re.compile(r"(?<=\d)(?:\{,\}|\\,|,\\!|~|[\u00a0\u2009\u202f])(?=\d{3}(?!\d))", re.ASCII)
_TEXT = re.compile(r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:rm|bf|it|sf|tt)|mbox|operatorname|emph)\s*\{([^{}]*)\}")
_MATH = re.compile(r"\\[()\[\]]|(?<!\\)\$\$")
_DEGREES = re.compile(r"\^\s*(?:\{\s*\\circ\s*\}|\\circ\b)|\\degree\b|°")
_SYMBOLS = {
    "\\$": "$",
    "\\%": "%",
    "\\pounds": "£",
    "\\euro": "€",
    "\\dfrac": "\\frac",
    "\\tfrac": "\\frac",
    "\\cfrac": "\\frac",
    "\u2212": "-",
    "\u2044": "/",
    "½": "\\frac{1}{2}",
    "¼": "\\frac{1}{4}",
    "¾": "\\frac{3}{4}",
    "⅓": "\\frac{1}{3}",
    "⅔": "\\frac{2}{3}",
}
_INFINITE = re.compile(r"∞|\binfinity\b", re.IGNORECASE)
_EXPONENT = re.compile(r"\s+\^\s*")
_FRACTION = re.compile(r"\\frac\{([^{}]*)\}\{([^{}]*)\}")
_IDLE_SIGN = re.compile(r"(?<!\d)\*|\*(?!\d)|(?<=[A-Za-z])_")
_ALIGNED = re.compile(r"\\begin\{((?:align|aligned|equation|gather|split|multline)\*?)\}(.*?)\\end\{\1\}", re.DOTALL)
_NEGATIVE = re.compile(r"(?:\bnegative|(?:^|(?<=is )|(?<=[=:] ))minus)\s+(?=\d|infinity|\\infty|∞)", re.IGNORECASE)
_MARKS = re.compile(r"(?<![\w)])(?:\*\*|__)|(?:\*\*|__)(?![\w(])|`")
"""Emphasis and code; in 10**8 the stars are a power."""
_DOLLARS = re.compile(r"\$(?=[^$]*\$)([^$]*)\$")


def plain(text: str) -> str:
    """The text without math marks, text commands, emphasis and thin spaces; white space is folded."""
    text = _THOUSANDS.sub(",", text.replace("\x00", " "))
    for written, meant in _SYMBOLS.items():
        if written in text:
            text = text.replace(written, meant if written != "\\$" else "\x00")
    if "\\begin" in text:
        text = _ALIGNED.sub(_aligned, text)
    text = _NEGATIVE.sub("-", text)
    text = _undressed(_MARKS.sub(" ", text))
    text = _DEGREES.sub(" degrees ", text)
    text = _MATH.sub(" ", text)
    text = _DOLLARS.sub(r" \1 ", text).replace("\x00", "$")
    return _EXPONENT.sub("^", " ".join(_SPACES.sub(" ", text).split()))


def _aligned(found: re.Match[str]) -> str:
    return re.sub(r"&|\\\\", " ", found[2])


def _undressed(text: str) -> str:
    # from the inside out, and no further than anybody nests
    for _ in range(4):
        text, count = _TEXT.subn(r" \1 ", text)
        if not count:
            break
    return text


def as_written(text: str) -> str:
    r"""A formula in one way of writing: no spaces, no dress, `a/b` for `\frac{a}{b}`, no sign of multiplication."""
    text = plain(text).replace("**", "^").replace("\\cdot", "*").replace("\\times", "*").replace("·", "*")
    text = _INFINITE.sub(r"\\infty ", text)
    text = re.sub(r"\s+", "", text).rstrip(".").removeprefix("+")
    for _ in range(4):
        text, count = _FRACTION.subn(lambda found: f"{_grouped(found[1])}/{_grouped(found[2])}", text)
        if not count:
            break
    text = _IDLE_SIGN.sub("", text)
    return re.sub(r"\{(\w)\}", r"\1", text)


def _grouped(text: str) -> str:
    return text if len(text) == 1 else f"({text})"
