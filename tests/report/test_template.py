"""Values are escaped wherever they stand in a template; only plots are markup."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from steelyard.report.blocks import Figure, Section, Table
from steelyard.report.plots import Bars, histogram
from steelyard.report.template import render, visible


class Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text = [], {}, ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data):
        self.text += data


def page(*sections: Section, title: str = "t") -> str:
    return render("page.html.jinja", title=title, change=None, facts=[], notes=[], sections=sections, embedded=None)


def plot(alt: str) -> Bars:
    made = histogram("p", alt, {1: 2}, x=alt, y=alt)
    assert made is not None
    return made


def table(**fields) -> Section:
    return Section("s", "t", tables=[Table(**{"head": ["h"], "rows": [["r"]], "caption": "c"} | fields)])


@given(st.text(st.characters(exclude_categories=["Cc"])), st.text(st.characters(exclude_categories=["Cc"])))
def test_any_text_comes_back_as_text(inside, attribute):
    reader = Reader()
    reader.feed(page(table(rows=[[f"[{inside}]"]], caption=attribute)))
    reader.close()
    assert set(reader.tags) == set(PLAIN.tags)
    shown = [text.encode("utf-8", "replace").decode() for text in (inside, attribute)]
    assert f"[{shown[0]}]" in reader.text
    assert reader.attributes["aria-label"] == shown[1]


@pytest.mark.parametrize("place", ["title", "head", "rows", "caption", "of", "folded", "commands", "note", "figure"])
def test_no_place_of_a_page_takes_markup_from_text(place):
    hostile = '"><script>alert(1)</script>'
    section = {
        "title": Section("s", hostile),
        "head": table(head=[hostile]),
        "rows": table(rows=[[hostile, hostile]]),
        "caption": table(caption=hostile),
        "of": table(of=hostile),
        "folded": table(folded=hostile),
        "commands": Section("s", "t", commands=hostile),
        "note": Section("s", "t", note=hostile),
        "figure": Section("s", "t", [Figure(plot(hostile), hostile)]),
    }[place]
    text = page(section, title=hostile)
    assert "<script" not in text
    reader = Reader()
    reader.feed(text)
    assert hostile in reader.text


def test_plots_are_left_alone():
    text = page(Section("s", "t", [Figure(plot("a & b"), "<b>")]))
    assert '<figure><svg viewBox="0 0 ' in text and 'aria-label="a &amp; b"' in text
    assert "</svg>\n<figcaption>&lt;b&gt;</figcaption></figure>" in text


def test_control_characters_are_shown():
    assert visible("a\x00\x1b[2J\n\tb\x7f") == "a␀␛[2J\n\tb␡"
    assert visible("\ud800") == "?"
    assert "a␀b" in page(Section("s", "a\x00b"))


def test_a_table_names_its_rows_and_itself():
    text = page(table(head=["step", "x"], rows=[[1, "<i>"]], caption="why"))
    assert '<th scope="row">1</th><td>&lt;i&gt;</td>' in text and "<caption>why</caption>" in text


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError):
        render("page.html.jinja", title="t")


PLAIN = Reader()
PLAIN.feed(page(table()))
