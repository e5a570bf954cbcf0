// The report's sections, drawn again when a run has changed. What a reader has opened, focused or scrolled to stays.
import { chart } from "./chart.js";
import { el, facts, shown } from "./dom.js";

export { heading, sectionOf };

export function drawCurves(place, values) {
  if (values.error) {
    place.replaceChildren(el("p", { class: "error text", role: "alert" }, ...shown(values.error)));
    return;
  }
  const open = new Set([...place.querySelectorAll("details[open]")].map((details) => details.dataset.key));
  const scrolled = new Map([...place.querySelectorAll(".scroll")].map((box, i) => [i, [box.scrollLeft, box.scrollTop]]));
  const focused = document.activeElement?.closest?.("#content [data-figure]")?.dataset.figure;
  const sections = values.sections.map((section) => sectionOf(section, open));
  place.replaceChildren(el("div", { class: "cards" }, heading(values), ...sections));
  for (const [i, box] of [...place.querySelectorAll(".scroll")].entries()) {
    [box.scrollLeft, box.scrollTop] = scrolled.get(i) ?? [0, 0];
  }
  if (focused) place.querySelector(`[data-figure="${CSS.escape(focused)}"] svg.plot`)?.focus({ preventScroll: true });
}

function heading({ heading: found }) {
  const change = found.change && [
    el("p", { class: "change" }, found.change.before ? `${found.change.before} → ` : "", el("span", { class: "to" }, found.change.after)),
    el("p", { class: "unit text" }, ...shown(found.change.meaning)),
  ];
  const notes = found.notes.map((note) => el("p", { class: "note text" }, ...shown(note)));
  return el("header", {}, el("h1", { class: "text" }, ...shown(found.title)), ...(change ?? []), facts(found.facts), ...notes);
}

function sectionOf(section, open) {
  const figures = section.figures.map(chart);
  const plots = figures.length && !section.half ? [el("div", { class: "plots" }, ...figures)] : figures;
  const tables = section.tables.map((table, i) => {
    const made = tableOf(table);
    if (!table.folded) return made;
    const key = `${section.id}-${i}`;
    return el("details", { "data-key": key, open: open.has(key) }, el("summary", {}, ...shown(table.folded)), made);
  });
  const samples = section.samples.length ? [el("div", { class: "pairs" }, ...section.samples.map(sampleOf))] : [];
  const commands = section.commands ? [el("pre", { class: "text" }, ...shown(section.commands))] : [];
  const note = section.note ? [el("p", { class: "soft text" }, ...shown(section.note))] : [];
  const title = `title-${section.id}`;
  return el("section", { id: section.id, class: section.half ? "half" : null, "aria-labelledby": title },
    el("h2", { id: title }, section.title), ...plots, ...tables, ...samples, ...commands, ...note);
}

function tableOf(table) {
  const head = el("tr", {}, ...table.head.map((cell) => el("th", { scope: "col" }, ...shown(cell))));
  const rows = table.rows.map((row) => el("tr", {}, ...row.map((cell, i) => (i ? el("td", {}, ...shown(cell)) : el("th", { scope: "row" }, ...shown(cell))))));
  return el("div", { class: "scroll", role: "region", "aria-label": table.caption, tabindex: "0" },
    el("table", { class: table.of === "words" ? "words" : "numbers" }, el("caption", {}, ...shown(table.caption)), el("thead", {}, head), el("tbody", {}, ...rows)));
}

function sampleOf(sample) {
  return el("article", {}, el("p", { class: "text" }, ...shown(sample.facts)), el("pre", { class: "asked text" }, ...shown(sample.prompt)), el("pre", { class: "text" }, ...shown(sample.completion)));
}
