// In place of view.js, for a page that stands alone: the view is in the address's fragment, and what was embedded answers.

const PAGE = 50;
const { runs } = JSON.parse(document.getElementById("embedded").textContent);
export { runs };

export function view() {
  return new URLSearchParams(location.hash.slice(1));
}

// No element has this name, so the page does not scroll when the view changes.
export function address(changes, from = view()) {
  const next = new URLSearchParams(from);
  next.set("part", "trajectories");
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") next.delete(key);
    else next.set(key, value);
  }
  return `#${next}`;
}

export function go(changes, { replace = false } = {}) {
  const next = address(changes);
  if (next === location.hash) dispatchEvent(new Event("viewchange"));
  else if (replace) location.replace(next);
  else location.hash = next;
}
addEventListener("hashchange", () => dispatchEvent(new Event("viewchange")));

export async function ask(path, query = {}) {
  const [, run, , seq] = path.split("/");
  return seq === undefined ? rows(runs[run], query) : one(runs[run], Number(seq));
}

function one(run, seq) {
  const found = run.episodes.find((episode) => episode.seq === seq);
  if (!found) throw new Error(`This page does not hold trajectory ${seq}: steelyard watch shows all.`);
  return found;
}

function rows(run, query) {
  const passing = run.rows.filter((row) => passes(row, query, run)).sort(order(query.order));
  const wanted = (query.text ?? "").toLowerCase();
  const found = [];
  let reached = Number(query.offset ?? 0);
  for (; reached < passing.length && found.length < PAGE; reached += 1) {
    if (!wanted || textOf(run, passing[reached]).includes(wanted)) found.push(passing[reached]);
  }
  const newest = Math.max(0, ...run.rows.map((row) => row.seq));
  return { rows: found, total: passing.length, next: reached < passing.length ? reached : null, until: newest, newest, problem: run.problem };
}

const textOf = (run, row) => one(run, row.seq).tokens.text.join("").toLowerCase();

const prompts = new WeakMap();
function promptOf(run, row) {
  if (!prompts.has(row)) {
    const { turns, tokens } = one(run, row.seq);
    const end = turns[0]?.by === "prompt" ? turns[0].end : 0;
    prompts.set(row, tokens.text.slice(0, end).join("").toLowerCase());
  }
  return prompts.get(row);
}

function passes(row, query, run) {
  const prompt = (query.prompt ?? "").toLowerCase();
  const same = query.same ? run.rows.find((other) => other.seq === Number(query.same))?.prompt_id : row.prompt_id;
  return within(row.reward, query.reward_low, query.reward_high) && within(row.version, query.version_low, query.version_high)
    && row.prompt_id === same && (!prompt || row.prompt_id.toLowerCase().includes(prompt) || promptOf(run, row).includes(prompt))
    && ((query.state ?? "all") === "all" || (query.state === "live") === (row.gone === null));
}

function within(value, low, high) {
  const bound = (text) => text !== null && text !== undefined && text !== "";
  if (!bound(low) && !bound(high)) return true;
  return value !== null && (!bound(low) || value >= Number(low)) && (!bound(high) || value <= Number(high));
}

function order(name) {
  const newest = (a, b) => b.seq - a.seq;
  const by = {
    "reward-high": (row) => -(row.reward ?? -Infinity), "reward-low": (row) => row.reward ?? Infinity,
    version: (row) => -row.version, longest: (row) => -row.length, shortest: (row) => row.length, oldest: (row) => row.seq, "most-drawn": (row) => -(row.drawn ?? 0),
  }[name];
  return (a, b) => (by ? by(a) - by(b) || newest(a, b) : newest(a, b));
}
