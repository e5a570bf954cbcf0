"""HTML that is safe by construction: text is escaped unless it is `Markup`, and only `element` and plots make that."""

import html
from collections.abc import Sequence

VOID = frozenset({"meta", "br"})
# Control characters would be invisible, or illegal: show them by their Unicode pictures. Newline and tab stay.
PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(value: object) -> Markup:
    """`value` as HTML text; what is `Markup` already stays as it is."""
    if isinstance(value, Markup):
        return value
    whole = str(value).encode("utf-8", "replace").decode()  # half a surrogate pair cannot be written to a file
    return Markup(html.escape(whole.translate(PICTURES)))


def element(name: str, /, *children: object, **attributes: str) -> Markup:
    """`<name attributes>children</name>`; `class_` gives the attribute class, `aria_label` aria-label."""
    named = "".join(f' {key.strip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items())
    inner = "".join(escape(child) for child in children)
    return Markup(f"<{name}{named}>" if name in VOID else f"<{name}{named}>{inner}</{name}>")


def table(head: Sequence[object], rows: Sequence[Sequence[object]], *, caption: str, of: str = "numbers") -> Markup:
    """A table that scrolls sideways on a narrow screen; the first cell of each row names it.

    `of` is the table's class: "numbers" are aligned right and never wrap, "words" left and do.
    """
    top = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = [_row(row) for row in rows]
    inner = element("table", element("caption", caption), element("thead", top), element("tbody", *body), class_=of)
    return element("div", inner, class_="scroll", role="region", aria_label=caption, tabindex="0")


def _row(cells: Sequence[object]) -> Markup:
    return element("tr", element("th", cells[0], scope="row"), *(element("td", cell) for cell in cells[1:]))


def details(summary: str, *children: object) -> Markup:
    """A part that opens on a click."""
    return element("details", element("summary", summary), *children)
