"""What may stand after a number without changing it: a unit, a currency, a few plain words.

    72 clips     25 cm^2     5.00 dollars     90 degrees     18 a day

Words that change the number or take it back may not: `5 or 6`, `5 squared`, `72 is wrong`, `3 pm`, `5 May`.
"""

import re

CURRENCIES = "$€£¥₹¢"
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
"""Words that multiply the number before them."""
PERCENT = re.compile(r"(?:%|percent\b|per\s+cent\b)", re.IGNORECASE)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_GLUED = _words(
    """cm mm km kg mg ml mL dm nm ft yd lb lbs oz hr hrs min mins sec secs ms kb gb mb tb hz khz mhz mph kph kw kwh
    usd eur gbp cents deg rad px pt pts km/h m/s cm^2 m^2 km^2 cm^3 m^3 cm² m² km² cm³ m³"""
)
"""Units that may touch their number: in `5x` and `2a` the letter is a factor."""
_MEASURES = _words(
    """个 個 只 隻 本 元 块 人 名 支 条 張 张 次 天 年 岁 米 厘米 千米 公里 克 千克 公斤 升 分钟 小时 秒 度
    枚 颗 棵 辆 件 页 间 双 台 头
    匹 円 人 개 명 원 平方米 平方厘米 立方米 美元 欧元"""
)
"""Measure words that touch their number in Chinese, Japanese and Korean."""
_LETTERS = _words("m g s h L l N J W V A K C F B b")
"""Units of one letter, after a space."""
_CHANGING = _words(
    """or and not no nor but is are was isn't wrong incorrect false plus minus times over divided multiplied mod modulo
    then so wait hmm if squared cubed factorial point half halves third thirds quarter quarters hundred
    more less fewer than maybe perhaps possibly either versus vs to through until equals equal
    raised power root log am pm a.m p.m o'clock
    zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty
    january february march april may june july august september october november december
    jan feb mar apr jun jul aug sep sept oct nov dec bc ad bce ce st nd rd th"""
)
_WORD = re.compile(r"[^\W\d_][\w²³'’.-]*(?:/[^\W\d_]+)?(?:\s?\^\s?\{?[23]\}?)?|/|\$|€|£|¥")
_EXPONENT = re.compile(r"\s*\^\s*\{?([23])\}?")
_IN_WORDS = re.compile(r"\s*\((?!or\b|not\b|maybe\b|perhaps\b)[A-Za-z -]+\)(?=[\s.]*$)")
"""The number once more, in words: 5 (five)."""
_MOST_WORDS = 8
_NAMES = {"dollars": "$", "dollar": "$", "usd": "$", "euros": "€", "euro": "€", "eur": "€", "gbp": "£", "°": "degrees"}


def unit_of(rest: str) -> str | None:
    """The unit that the text after a number is, in one way of writing; "" for none, None where it is no unit.

    Args:
        rest: everything after the number, its white space included.
    """
    text = _EXPONENT.sub(r"^\1", _IN_WORDS.sub("", rest).strip().rstrip(".。").strip())
    if not text:
        return ""
    glued = not rest[0].isspace() and text[0] not in CURRENCIES
    words = text.split()
    if len(words) > _MOST_WORDS or (glued and words[0].lower() not in _GLUED and words[0] not in _MEASURES):
        return None
    if not all(_is_unit(word.strip(",;()")) for word in words):
        return None
    return same_unit(text)


def _is_unit(word: str) -> bool:
    if word.lower() in _CHANGING or _WORD.fullmatch(word) is None:
        return False
    return len(word) > 1 or word in _MEASURES or word in _LETTERS or word in "a/" or word in CURRENCIES


def same_unit(text: str) -> str:
    """A unit's text in one way of writing: dollars, USD and $ are one, and so are clip and clips."""
    words = [_NAMES.get(word, word) for word in re.sub(r"[{}\s]+", " ", text.lower()).split()]
    return " ".join(word.removesuffix("s") if len(word) > 3 else word for word in words)
