"""Text from elsewhere (prompts, completions, names in files) as a terminal can safely show it.

A terminal obeys what it is sent: control characters move the cursor, rename the window, overwrite lines that were said
before, or turn the direction of writing. Here they are only shown: the first 32 by Unicode's pictures of them, the
others by their numbers.
"""

import unicodedata

JOINERS = "\u200c\u200d"
"""Format characters that words and emoji are written with; all others are invisible or turn the direction."""


def plain(text: str) -> str:
    """The text on one line, without anything that a terminal obeys."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    code = ord(character)
    category = unicodedata.category(character)
    if code < 32 or code == 127:
        return chr(0x2400 + min(code, 0x21))
    if category in ("Cc", "Cs", "Zl", "Zp") or (category == "Cf" and character not in JOINERS):
        return f"\\u{code:04x}"
    return character
