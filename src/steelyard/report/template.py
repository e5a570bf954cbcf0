"""The page around the sections: one file, no scripts, no network, the reader's own fonts."""

from collections.abc import Sequence

from steelyard.report.markup import Markup, element

STYLE = """
:root { --ink: #1d242c; --soft: #56616d; --line: #dfe3e8; --paper: #ffffff; --ground: #f5f6f8; --blue: #0072b2; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif; }
main { max-width: 68rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
.cards { display: flex; flex-wrap: wrap; gap: 1rem; }
section, header { flex: 1 1 100%; background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.1rem 1.25rem; min-width: 0; }
section.half { flex: 1 1 24rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.08rem; margin: 0 0 .35rem; }
p { margin: .3rem 0 .7rem; max-width: 46rem; }
.kind, .unit, figcaption, .note, .soft { color: var(--soft); }
.kind { margin: 0 0 .1rem; font-size: .9rem; }
.change { font-size: clamp(1.9rem, 6vw, 2.9rem); line-height: 1.15; font-weight: 650; margin: .7rem 0 .1rem;
  letter-spacing: -.01em; font-variant-numeric: tabular-nums; }
.change .to { color: var(--blue); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .7rem 1.2rem;
  margin: 1.1rem 0 0; }
.facts div { border-top: 1px solid var(--line); padding-top: .35rem; min-width: 0; }
.facts dt { color: var(--soft); font-size: .85rem; }
.facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.note { border-left: 3px solid #e69f00; padding-left: .7rem; margin: .8rem 0 0; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem 1.5rem; }
figure { margin: .3rem 0 0; max-width: 36rem; }
figcaption { font-size: .88rem; margin-top: .2rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit !important; }
.scroll { overflow-x: auto; margin: .5rem 0 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; min-width: 60%; }
caption { text-align: left; color: var(--soft); font-size: .88rem; padding-bottom: .3rem; }
th, td { padding: .28rem .8rem .28rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap;
  font-weight: 400; }
thead th { color: var(--soft); vertical-align: bottom; }
th:first-child { text-align: left; }
table.words :is(th, td) { text-align: left; white-space: normal; overflow-wrap: anywhere; }
details { margin-top: .7rem; }
summary { cursor: pointer; color: var(--blue); }
.pairs { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .8rem; }
article { border: 1px solid var(--line); border-radius: 8px; padding: .6rem .8rem; min-width: 0; }
article p { margin: 0; font-size: .88rem; color: var(--soft); }
pre { margin: .4rem 0; padding: .5rem .65rem; background: var(--ground); border-radius: 6px; white-space: pre-wrap;
  overflow-wrap: anywhere; max-height: 18rem; overflow: auto;
  font: .85rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace; }
pre.asked { color: var(--soft); }
footer { color: var(--soft); font-size: .88rem; margin-top: 1.2rem; }
@media (max-width: 46rem) {
  section.half { flex-basis: 100%; }
  .pairs { grid-template-columns: minmax(0, 1fr); }
  main { padding: .75rem .6rem 3rem; }
  section, header { padding: .9rem .9rem; }
}
@media print { body { background: none; } section, header { break-inside: avoid; } }
"""


def document(title: str, header: Markup, sections: Sequence[Markup], footer: object) -> str:
    """The whole page."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("style", Markup(STYLE)),
    )
    cards = element("div", header, *sections, class_="cards")
    body = element("body", element("main", cards, element("footer", footer)))
    return "<!doctype html>\n" + element("html", head, body, lang="en") + "\n"


def section(id: str, title: str, *children: object, half: bool = False) -> Markup:
    """A titled card; half as wide on a wide screen if `half`."""
    wide = {"class_": "half"} if half else {}
    return element("section", element("h2", title), *children, id=id, **wide)


def figure(plot: Markup | None, caption: str) -> Markup | None:
    """A plot with the sentence that explains it; None where there is no plot."""
    return None if plot is None else element("figure", plot, element("figcaption", caption))
