r"""Answers that are no mathematics, compared as text: words, letters of a choice, names.

Two texts are equal when they are so without capitals, outer punctuation, articles at their beginning, text commands of
LaTeX and surplus white space, as the field compares answers of reading tasks. The order of letters and words counts:
ACB is not ABC. A letter of a choice may stand in brackets or before its text: (B), B., B) Paris.
Source: the normalisation of SQuAD (arXiv:1606.05250), without its removal of all punctuation: C++ is not C.
"""

import re
import unicodedata

from steelyard.reward.latex import plain
from steelyard.reward.statements import PHRASE

_OUTER = " \t.,;:!?\"'“”‘’()[]{}*_$<>"
_INNER = re.compile(r"[,;!?\"“”](?!\d)")
_ARTICLE = re.compile(r"(?:the|an|a)\s+(?=\w{3})")  # in `A, B` the letters are choices
_ABBREVIATION = re.compile(r"(?<=\w)\.(?=\s|\w|$)")
_GREEK = re.compile(
    r"\\(alpha|beta|gamma|delta|epsilon|theta|lambda|mu|pi|rho|sigma|tau|phi|psi|omega|emptyset|infty)\b"
)
_RATIO = re.compile(r"(?<=\d)\s*:\s*(?=\d)")
_LETTERS = re.compile(r"\W*[a-z](?:\s*(?:,\s*and\b|,|&|\band\b)\s*[a-z])+\W*")
"""Letters of several choices: A, C and D."""
_MOST_LETTERS = 100
_LEAD = re.compile(r"(?:it is|it's|option|choice|answer|so|therefore|thus|hence)\b[:,]?\s+(?=\S)")
_CHOICE = re.compile(r"\(?([a-z])(?:\)|\.|:)\)?\s+(.+)")
_MOST_MORE = 2000
"""Characters by which an answer in words may be longer than the right one."""
_OPPOSITE = {"yes": "no", "no": "yes", "true": "false", "false": "true"}
_SAID_FIRST = re.compile(r"(\w+)(?:[,.;:!]|\s+[-–—(]|\s+(?:because|since|as|it|they|he|she|we|you|there|this|that)\b)")
_CHOICE_WITH_REASON = re.compile(r"\(?([a-z])\)?,?\s+(?:because|since|as)\b(.+)")
_CHOICE_NAMED = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?(?:(?:choice|option|answer)\s+)?\(?([a-z])\)?\s+is\s+(?:the\s+)?(?:correct|right|best)(?:\s+(?:one|answer|choice|option))?\W*"
)
_CHOSEN = re.compile(
    r"(?:(?:so|thus|therefore|hence),?\s+)?(?:i|we)(?:'d|'ll)?\s+(?:(?:would|will)\s+)?"
    r"(?:choose|chose|pick|select|go with|guess)\s+"
    r"(?:(?:choice|option|answer)\s+)?\(?([a-z])\)?\W*"
)
_NAMED_LAST = re.compile(r".*(?:\b(?:is|are|was|be)\b|[:=])\s+(.+)", re.DOTALL)
_UNSURE = re.compile(r"\b(?:not|if|whether|or|nor|never|maybe|perhaps)\b|n't|\?")
_OTHER_CHOICE = re.compile(r"\b(?:or|and)\b|(?:^|\s)\(?[a-z][).:]")


def words_of(text: str) -> str:
    """The text in the form in which two texts are compared."""
    text = unicodedata.normalize("NFC", plain(text)).casefold().replace("’", "'").replace("\\%", "%")
    text = _ABBREVIATION.sub("", text) if not re.search(r"\d\.\d", text) else text
    text = _GREEK.sub(r"\1", _RATIO.sub(":", text)).replace("π", "pi")
    if len(text) <= _MOST_LETTERS and _LETTERS.fullmatch(text):
        text = ", ".join(re.findall(r"\b[a-z]\b", text))
    text = " ".join(_INNER.sub(" ", text).strip(_OUTER).split())
    short = _ARTICLE.sub("", text, count=1) if _ARTICLE.match(text) else text
    return short or text


def same_words(given: str, right: str) -> bool:
    """True where two texts are the same answer.

    Args:
        given: what a completion answers, perhaps after "it is" or "option".
        right: the right answer.
    """
    if len(given) > len(right) + _MOST_MORE:
        return False
    wanted = words_of(right)
    for text in (given, _after_phrase(given)):
        said = words_of(text)
        if wanted in (said, words_of(_LEAD.sub("", said, count=1))):
            return bool(wanted) or not right.strip(_OUTER)
    if wanted in _OPPOSITE:
        return _decided(given) == wanted
    return len(wanted) == 1 and wanted.isalpha() and _choice(given) == wanted


def last_named(line: str) -> str:
    """What a sentence says last of a thing: "2:1" of "the ratio is 2:1."; empty where it is unsure, or says nothing."""
    shown = plain(line)
    match = _NAMED_LAST.fullmatch(shown)
    return match[1] if match and not _UNSURE.search(shown.casefold()) else ""


def _decided(text: str) -> str | None:
    """The yes or no, true or false, that a sentence begins with; None where its opposite stands there, too."""
    shown = plain(text).casefold().lstrip("*_ ")
    first = _SAID_FIRST.match(shown)
    word = first[1] if first else ""
    return word if word in _OPPOSITE and _OPPOSITE[word] not in re.findall(r"\w+", shown) else None


def _after_phrase(text: str) -> str:
    found = PHRASE.match(text) or re.match(r"the\s+", text, re.IGNORECASE)
    return text[found.end() :] if found else text


def _choice(text: str) -> str | None:
    """The letter that a text such as `B) Paris` chooses; None where it names several."""
    shown = plain(text).casefold().lstrip("*_ ")
    if said := _CHOICE_NAMED.fullmatch(shown) or _CHOSEN.fullmatch(shown):
        return said[1]
    match = _CHOICE.fullmatch(shown) or _CHOICE_WITH_REASON.fullmatch(shown)
    return match[1] if match and not _OTHER_CHOICE.search(match[2]) else None
