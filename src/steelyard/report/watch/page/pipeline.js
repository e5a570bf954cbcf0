// Pipelines: what each stage has come to; the name of a stage that has begun leads to its curves.
import { heading, sectionOf } from "./curves.js";
import { el, shown } from "./dom.js";
import { address } from "./view.js";

let drawn = "";

export function drawPipelines(place, pages) {
  const key = JSON.stringify(pages);
  if (key === drawn && place.firstChild) return;
  drawn = key;
  place.replaceChildren(el("div", { class: "cards" }, ...pages.flatMap(pageOf)));
}

function pageOf(page) {
  if (page.error) return [el("p", { class: "error text", role: "alert" }, ...shown(page.error))];
  const sections = page.sections.map((section) => sectionOf(section, new Set()));
  for (const cell of sections[0].querySelectorAll("th[scope=row]")) {
    const run = page.runs[cell.textContent];
    if (typeof run === "number") cell.replaceChildren(el("a", { href: address({ view: "curves", runs: run }) }, ...cell.childNodes));
  }
  return [heading(page), ...sections];
}
