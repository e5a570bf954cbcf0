// Which view is shown, what it follows, and the keys.
import { drawCurves } from "./curves.js";
import { chart } from "./chart.js";
import { el, facts, number, shown } from "./dom.js";
import { drawPipelines } from "./pipeline.js";
import { drawTrajectories, openIds, runOf, step } from "./trajectories.js";
import { address, ask, go, view } from "./view.js";

const VIEWS = ["curves", "buffer", "trajectories", "pipeline"];
const content = document.getElementById("content");
const state = document.getElementById("state");
const followButton = document.getElementById("follow");
const themeButton = document.getElementById("theme");
let runs = [];
let pipelines = 0;
let seen = "";
let stated = "";
let timer = 0;
let asking = new AbortController();
let drawnView = "";

const views = () => (pipelines ? VIEWS : VIEWS.slice(0, 3));
const current = () => views().find((name) => name === view().get("view")) ?? (pipelines ? "pipeline" : "curves");
const following = () => followButton.getAttribute("aria-pressed") === "true";

async function begin() {
  theme(localStorage.getItem("steelyard-theme") ?? "auto");
  await askRuns();
  await draw();
}

// The runs, again where a pipeline may have begun another stage.
async function askRuns(signal = undefined) {
  const found = await ask("runs", {}, signal);
  const joined = found.runs.length !== runs.length;
  ({ runs, pipelines } = found);
  document.querySelector("nav [data-view=pipeline]").hidden = !pipelines;
  if (joined) drawRuns();
}

function drawRuns() {
  const place = document.getElementById("runs");
  const colors = ["0072b2", "d55e00", "009e73", "cc79a7", "e69f00", "56b4e9", "666666"];
  const boxes = runs.map((run, i) => {
    const box = el("input", { type: "checkbox", value: i, onchange: choose });
    box.style.setProperty("--swatch", `var(--c-${colors[i % colors.length]})`);
    return el("label", { title: run.directory }, box, el("span", { class: "text" }, ...shown(run.name, 80)));
  });
  place.replaceChildren(place.querySelector("legend"), ...boxes);
  choices();
}

function choices() {
  const chosen = (view().get("runs") ?? runs.map((_, i) => i).join(",")).split(",");
  for (const box of document.querySelectorAll("#runs input")) box.checked = chosen.includes(box.value);
  document.getElementById("runs").hidden = runs.length < 2 || current() !== "curves";
}

function choose() {
  const chosen = [...document.querySelectorAll("#runs input:checked")].map((box) => box.value);
  go({ runs: chosen.length === runs.length ? null : chosen.join(",") || "0" });
}

async function draw() {
  clearTimeout(timer);
  asking.abort();
  asking = new AbortController();
  const name = current();
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · Steelyard watch`;
  for (const link of document.querySelectorAll("nav a")) {
    link.href = address({ view: link.dataset.view });
    link.toggleAttribute("aria-current", link.dataset.view === name);
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
  }
  choices();
  if (drawnView !== name) { content.replaceChildren(); seen = ""; drawnView = name; }
  await refresh(true);
}

// Draws what is new; a page that nobody looks at asks for nothing.
async function refresh(first = false) {
  clearTimeout(timer);
  let wait = 2;
  if (first || (following() && !document.hidden)) {
    try {
      wait = await once(first);
    } catch (error) {
      if (error.name === "AbortError") return;
      told("lost", `No answer: ${error.message}`);
      wait = 3;
    }
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, 1000 * wait);
}

async function once(first) {
  const signal = asking.signal;
  const name = current();
  if (pipelines) await askRuns(signal);
  if (name === "pipeline") drawPipelines(content, (await ask("pipelines", {}, signal)).pages);
  if (!runs.length) { told("ended", "no stage has begun"); return 2; }
  if (name === "trajectories" && first) await drawTrajectories(content, runs, signal);
  const values = await ask("curves", { runs: view().get("runs"), seen: name === "curves" ? seen : stated }, signal);
  const busy = !first && content.querySelector("figure:hover");
  if (name === "curves" && values.key !== seen && !busy) {
    drawCurves(content, values);
    seen = values.key;
  }
  if (values.states) states(values.states);
  stated = values.key;
  const live = state.classList.contains("running");
  if (name === "trajectories" && live && !first) await newer(signal);
  const buffer = name === "buffer" && (first || live) && !busy ? await drawBuffer(signal) : 0;
  return Math.max(values.again_s, buffer, name === "curves" ? 1 : name === "pipeline" ? 2 : 5);
}

function states(found) {
  const all = Object.values(found);
  const count = (word) => all.filter((one) => one === word).length;
  const text = all.length === 1 ? all[0] : ["running", "finished", "stopped"].filter(count).map((word) => `${count(word)} ${word}`).join(", ");
  told(count("running") ? "running" : "ended", text);
}

function told(kind, text) {
  state.className = `state ${kind}`;
  if (state.textContent !== text) state.textContent = text;
}

async function newer(signal) {
  const { newest } = await ask(`runs/${runOf(runs)}/rows`, { until: 0 }, signal);
  const button = document.getElementById("newer");
  if (button?.dataset.newest) button.hidden = newest <= Number(button.dataset.newest);
}

async function drawBuffer(signal) {
  const run = runOf(runs);
  if (run < 0) {
    content.replaceChildren(el("section", {}, el("h1", {}, "Buffer"), el("p", {}, "None of these runs has a replay buffer.")));
    return 0;
  }
  const found = await ask(`runs/${run}/buffer`, {}, signal);
  const select = el("select", { onchange: () => go({ run: select.value }) }, ...runs.map((one, i) => one.buffer && el("option", { value: i, selected: i === run }, ...shown(one.name, 80))));
  const pairs = Object.entries(found.facts).map(([name, value]) => [name, number(value)]);
  content.replaceChildren(el("div", { class: "cards" },
    el("header", {}, el("h1", {}, "Buffer"), runs.length > 1 ? el("p", { class: "pick" }, el("label", {}, "Run", select)) : null, facts(pairs)),
    el("section", { "aria-label": "What the buffer is made of" }, el("div", { class: "plots" }, ...found.figures.map(chart)))));
  return found.again_s;
}

const THEMES = { auto: "Auto", light: "Light", dark: "Dark" };
const dark = matchMedia("(prefers-color-scheme: dark)");
function theme(name) {
  const chosen = name in THEMES ? name : "auto";
  localStorage.setItem("steelyard-theme", chosen);
  themeButton.textContent = THEMES[chosen];
  themeButton.setAttribute("aria-label", `Colours: ${chosen === "auto" ? "as the system has them" : chosen}`);
  themeButton.dataset.chosen = chosen;
  document.documentElement.dataset.theme = chosen === "auto" ? (dark.matches ? "dark" : "light") : chosen;
}
dark.addEventListener("change", () => theme(themeButton.dataset.chosen));
themeButton.addEventListener("click", () => {
  const names = Object.keys(THEMES);
  theme(names[(names.indexOf(themeButton.dataset.chosen) + 1) % names.length]);
});

followButton.addEventListener("click", () => {
  followButton.setAttribute("aria-pressed", String(!following()));
  followButton.textContent = following() ? "Follow" : "Held still";
  if (following()) refresh();
});
document.querySelector("nav").addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  go({ view: link.dataset.view });
});
document.addEventListener("visibilitychange", () => !document.hidden && refresh());
addEventListener("popstate", draw);
addEventListener("viewchange", draw);
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches?.("input:not([type=checkbox]), select, textarea");
  if (event.key === "Escape") { if (typing) event.target.blur(); else if (openIds().length) go({ open: null }); return; }
  if (typing) return;
  if (views()[event.key - 1]) go({ view: views()[event.key - 1] });
  else if (event.key === "f") followButton.click();
  else if (event.key === "/") { event.preventDefault(); searchBox(); }
  else if ((event.key === "j" || event.key === "k") && current() === "trajectories") step(event.key === "j" ? 1 : -1);
});

async function searchBox() {
  if (current() !== "trajectories") { go({ view: "trajectories" }); }
  for (let tries = 0; tries < 40 && !content.querySelector("[name=text]"); tries += 1) await new Promise((done) => setTimeout(done, 50));
  content.querySelector("[name=text]")?.focus();
}

begin().catch((error) => told("lost", `No answer: ${error.message}`));
