// The browser of a buffer's trajectories: filters, pages, and what is open beside them. All of it stands in the address.
import { el, number, shown } from "./dom.js";
import { openOnes } from "./trajectory.js";
import { address, ask, go, view } from "./view.js";

const FILTERS = ["text", "prompt", "same", "state", "order", "reward_low", "reward_high", "version_low", "version_high"];
const ORDERS = { newest: "newest first", oldest: "oldest first", "reward-high": "highest reward", "reward-low": "lowest reward", version: "newest weights", longest: "longest", shortest: "shortest", "most-drawn": "most often drawn" };
const STATES = { live: "in the buffer", removed: "removed", all: "all in the file" };
const MOST_OPEN = 4;
let listed = [];
let listedFor = "";

export const openIds = () => (view().get("open") ?? "").split(",").filter(Boolean);

// Draws the view anew where it changed; `runs` are the watched runs.
export async function drawTrajectories(place, runs, signal) {
  const run = runOf(runs);
  if (run < 0) {
    place.replaceChildren(el("section", {}, el("h1", {}, "Trajectories"), el("p", {}, "None of these runs has a replay buffer.")));
    return;
  }
  if (!place.querySelector(".filters")) {
    listedFor = "";
    place.replaceChildren(frame(runs, run, place.dataset));
  }
  fill(place, run);
  place.querySelector(".browser").classList.toggle("two", openIds().length > 0);
  const rows = listRows(place, run, signal);
  const opened = openOnes(place.querySelector(".opened"), run, openIds(), signal);
  await Promise.all([rows, opened]);
}

export function runOf(runs) {
  const asked = Number(view().get("run") ?? NaN);
  return runs[asked]?.buffer ? asked : runs.findIndex((run) => run.buffer);
}

// A page that holds a part of a buffer says so in `note`, and shows all of it at first.
function frame(runs, run, { heading = "h1", note = null, state = "live" }) {
  const states = Object.entries(STATES).sort(([a], [b]) => (b === state) - (a === state));
  const form = el("form", { class: "filters", role: "search", "aria-label": "Filter trajectories", onsubmit: (event) => { event.preventDefault(); apply(form); } },
    runs.length > 1 ? labelled("Run", el("select", { name: "run" }, ...runs.map((one, i) => one.buffer && el("option", { value: i }, ...shown(one.name, 80)))), "wide") : null,
    labelled("Search in the text", el("input", { type: "search", name: "text", maxlength: 1000, placeholder: "prompt or completion" }), "wide"),
    labelled("Prompt or its id has", el("input", { type: "search", name: "prompt", maxlength: 1000 })),
    labelled("Show", el("select", { name: "state" }, ...states.map(([value, text]) => el("option", { value }, text)))),
    labelled("Order", el("select", { name: "order" }, ...Object.entries(ORDERS).map(([value, text]) => el("option", { value }, text)))),
    range("Reward", "reward", "any"), range("Weight version", "version", "1"),
    el("div", { class: "pair" }, el("button", { type: "submit", class: "main" }, "Filter"), el("button", { type: "button", id: "clear", onclick: () => clear() }, "Clear")));
  form.addEventListener("change", (event) => event.target.tagName === "SELECT" && apply(form));
  return el("div", { class: "browser" },
    el("section", { "aria-labelledby": "list-title" }, el(heading, { id: "list-title" }, "Trajectories"), note && el("p", { class: "note text" }, ...shown(note)), form,
      el("p", { class: "note text", id: "same", hidden: true }), el("p", { class: "error text", id: "problem", role: "alert", hidden: true }),
      el("div", { class: "tools" }, el("p", { id: "count", role: "status" }),
        el("button", { type: "button", id: "newer", hidden: true, onclick: () => { listedFor = ""; go({ until: null, offset: null, back: null }); } }, "Show newer"),
        el("button", { type: "button", id: "previous", onclick: () => back() }, "Previous"),
        el("button", { type: "button", id: "next" }, "Next")),
      el("ol", { class: "rows" })),
    el("div", { class: "opened", "aria-label": "Open trajectories", role: "region" }));
}

function labelled(text, control, kind) {
  return el("label", { class: kind }, text, control);
}

function range(text, name, step) {
  const input = (end, word) => el("input", { type: "number", name: `${name}_${end}`, step, "aria-label": `${text}, ${word}`, placeholder: word });
  return el("fieldset", {}, el("legend", {}, text), el("div", { class: "pair" }, input("low", "from"), input("high", "to")));
}

function apply(form) {
  const changes = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
  const other = changes.run !== undefined && changes.run !== String(view().get("run") ?? 0);
  go({ ...changes, offset: null, until: null, back: null, ...(other ? { open: null, same: null } : {}) });
}

function clear() {
  go(Object.fromEntries([...FILTERS, "offset", "until", "back"].map((name) => [name, null])));
}

function fill(place, run) {
  const now = view();
  for (const control of place.querySelector(".filters").elements) {
    if (!control.name || control === document.activeElement) continue;
    const usual = control.name === "run" ? String(run) : control.tagName === "SELECT" ? control.options[0].value : "";
    control.value = now.get(control.name) ?? usual;
  }
  const same = place.querySelector("#same");
  same.hidden = !now.get("same");
  same.replaceChildren(`Only answers to the prompt of trajectory ${now.get("same")}. `, el("a", { href: address({ same: null, offset: null }) }, "Show all prompts"));
}

async function listRows(place, run, signal) {
  const now = view();
  const query = Object.fromEntries([...FILTERS, "offset", "until"].map((name) => [name, now.get(name)]));
  const asked = JSON.stringify([run, query]);
  if (asked === listedFor) { mark(place); return; }
  const problem = place.querySelector("#problem");
  const count = place.querySelector("#count");
  try {
    let found = await ask(`runs/${run}/rows`, query, signal);
    while (found.unread) {
      count.textContent = `${number(found.unread)} prompts are yet to be read …`;
      found = await ask(`runs/${run}/rows`, query, signal);
    }
    const rows = found.rows;
    while (query.text && rows.length < 50 && found.next !== null) {
      count.textContent = `Searched ${number(found.next)} of ${number(found.total)} …`;
      found = await ask(`runs/${run}/rows`, { ...query, until: found.until, offset: found.next }, signal);
      rows.push(...found.rows);
    }
    show(place, rows, found, query);
    listedFor = asked;
    problem.hidden = !found.problem;
    problem.replaceChildren(...shown(found.problem ? `Token ids are shown: ${found.problem}` : ""));
  } catch (error) {
    if (error.name === "AbortError") throw error;
    problem.hidden = false;
    problem.replaceChildren(...shown(error.message));
  }
}

function show(place, rows, found, query) {
  listed = rows.map((row) => String(row.seq));
  const from = Number(query.offset ?? 0);
  const searched = query.text ? `${number(rows.length)} found in ${number((found.next ?? found.total) - from)} of ${number(found.total)}` : null;
  const counted = rows.length ? `${number(from + 1)} to ${number(from + rows.length)} of ${number(found.total)}` : "No trajectory passes the filter";
  place.querySelector("#count").textContent = searched ?? counted;
  const next = place.querySelector("#next");
  next.disabled = found.next === null;
  next.onclick = () => go({ offset: found.next, until: found.until, back: [...backs(), from].join(",") });
  const previous = place.querySelector("#previous");
  previous.disabled = from === 0;
  const newer = place.querySelector("#newer");
  newer.hidden = !(found.newest > found.until);
  newer.dataset.newest = found.until;
  place.querySelector(".rows").replaceChildren(...rows.map(rowOf));
  mark(place);
}

const backs = () => (view().get("back") ?? "").split(",").filter(Boolean);

function back() {
  const before = backs();
  const offset = before.pop();
  go({ offset: offset === "0" ? null : offset, back: before.join(",") });
}

function rowOf(row) {
  const seq = String(row.seq);
  const name = `trajectory ${seq}`;
  const reward = row.reward === null ? "none" : number(row.reward);
  const line = [`version ${number(row.version)}`, `arrived at ${number(row.arrived)}`, `${number(row.length)} tokens`, row.finish, row.turns > 1 ? `${row.turns} turns` : null, row.drawn === null ? null : `drawn ${number(row.drawn)}×`, row.gone === null ? null : "removed"];
  const link = el("a", { href: address({ open: seq }), "data-seq": seq, onclick: (event) => { event.preventDefault(); go({ open: seq }); } },
    el("span", { class: "facts-line" }, el("span", { class: "badge", title: "reward" }, reward), ` ${line.filter(Boolean).join(" · ")}`),
    el("span", { class: "asked text" }, ...shown(row.asked)), el("span", { class: "said text" }, ...shown(row.said)));
  const box = el("input", { type: "checkbox", "data-seq": seq, "aria-label": `Put ${name} beside the open ones`, onchange: () => toggle(seq) });
  return el("li", { "data-seq": seq }, box, link);
}

export function toggle(seq) {
  const now = openIds();
  go({ open: (now.includes(seq) ? now.filter((one) => one !== seq) : [...now, seq].slice(-MOST_OPEN)).join(",") });
}

export function mark(place) {
  const open = openIds();
  for (const item of place.querySelectorAll(".rows li")) {
    item.classList.toggle("open", open.includes(item.dataset.seq));
    item.querySelector("input").checked = open.includes(item.dataset.seq);
  }
}

// The next or the previous one of the list becomes the open one.
export function step(by) {
  const now = openIds();
  const at = listed.indexOf(now[now.length - 1]);
  const next = listed[at < 0 ? 0 : at + by];
  if (next !== undefined) go({ open: next });
}
