"""Pages from Jinja2 templates: one file, no network, and every value escaped.

Autoescaping is on, so text from a run cannot become HTML. The only markup that is passed in are our own plots, and
the script and data of the browser of trajectories (`watch.embed`).
"""

import functools

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

# Control characters are invisible or illegal in HTML: their Unicode pictures stand for them. Newline and tab stay.
PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}


def visible(value: object) -> object:
    """`value` as text that a page can show; `Markup` stays as it is."""
    if isinstance(value, Markup):
        return value
    whole = str(value).encode("utf-8", "replace").decode()  # half a surrogate pair cannot be written to a file
    return whole.translate(PICTURES)


def render(name: str, **values: object) -> str:
    """The template `name` with these values."""
    return _environment().get_template(name).render(values)


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("steelyard.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
