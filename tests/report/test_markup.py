"""What is not Markup is escaped, wherever it stands."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from steelyard.report.markup import Markup, element, escape, table


class Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text = [], {}, ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data):
        self.text += data


@given(st.text(st.characters(exclude_categories=["Cc"])), st.text(st.characters(exclude_categories=["Cc"])))
def test_any_text_comes_back_as_text(inside, attribute):
    reader = Reader()
    reader.feed(element("p", inside, title=attribute))
    reader.close()
    assert reader.tags == ["p"]
    shown = [text.encode("utf-8", "replace").decode() for text in (inside, attribute)]
    assert [reader.text, reader.attributes["title"]] == shown


def test_markup_is_left_alone_and_void_elements_do_not_close():
    assert element("p", Markup("<b>x</b>"), "<b>") == "<p><b>x</b>&lt;b&gt;</p>"
    assert element("meta", name="a", content="b") == '<meta name="a" content="b">'
    assert element("p", class_="k", aria_label="l") == '<p class="k" aria-label="l"></p>'


def test_control_characters_are_shown():
    assert escape("a\x00\x1b[2J\n\tb\x7f") == "a␀␛[2J\n\tb␡"
    assert escape("\ud800") == "?"


def test_a_table_names_its_rows_and_itself():
    text = table(["step", "x"], [[1, "<i>"]], caption="why")
    assert '<th scope="row">1</th><td>&lt;i&gt;</td>' in text and "<caption>why</caption>" in text
