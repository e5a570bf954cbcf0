// One trajectory in full: its life, its turns, its tokens coloured by what is known of each.
import { el, facts, number, shown } from "./dom.js";
import { address, ask, go, view } from "./view.js";

const COLOURS = { none: "nothing", logp: "log-probability", residual: "residual", version: "weight version" };
const REMOVED = { evicted: "evicted, for the buffer was full", "over-age": "its weights were more versions behind than max_staleness allows", duplicates: "an equal answer, or nearly equal, took its place", used: "used up: a queue gives each once" };

export async function openOnes(place, run, seqs, signal) {
  const asked = JSON.stringify([run, seqs, colour()]);
  if (place.dataset.drawn === asked) return;
  const found = await Promise.all(seqs.map((seq) => readOne(run, seq, signal)));
  const held = document.activeElement?.id === "colour";
  place.replaceChildren(...(found.length ? [tools(found)] : []), ...found.map((one) => card(one, run)));
  if (held) place.querySelector("#colour")?.focus();
  place.dataset.drawn = asked;
}

async function readOne(run, seq, signal) {
  try {
    return await ask(`runs/${run}/rows/${encodeURIComponent(seq)}`, {}, signal);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    return { seq, error: error.message };
  }
}

function colour() {
  const asked = view().get("colour");
  return asked in COLOURS ? asked : "logp";
}

function tools(found) {
  const select = el("select", { id: "colour", onchange: () => go({ colour: select.value }, { replace: true }) },
    ...Object.entries(COLOURS).map(([value, text]) => el("option", { value, selected: value === colour(), disabled: !found.some((one) => one.error || values(one, value)) }, text)));
  const text = found.length > 1 ? `${found.length} side by side` : "Tick a second one to put it beside";
  return el("section", { class: "tool" }, el("div", { class: "tools pick" }, el("p", {}, text), el("label", {}, "Colour tokens by", select), el("button", { type: "button", id: "close", onclick: () => go({ open: null }) }, "Close")));
}

function card(one, run) {
  const title = `Trajectory ${one.seq}`;
  if (one.error) return el("section", { "data-seq": one.seq }, el("h2", {}, title), el("p", { class: "error text" }, ...shown(one.error)));
  const copy = el("button", { type: "button", class: "copy", onclick: () => copied(copy, one) }, "Copy as JSON");
  const others = el("a", { href: address({ same: one.seq, offset: null, until: null, order: "version" }) , onclick: (event) => { event.preventDefault(); go({ same: one.seq, offset: null, until: null, order: "version" }); } }, "All answers to this prompt");
  const earlier = el("button", { type: "button", class: "other", onclick: () => beside(earlier, one, run) }, "Another version beside it");
  const known = [["reward", number(one.reward)], ["version", number(one.version)], ["tokens", number(one.length)], ["finish", one.finish],
    ...(one.residual === undefined ? [] : [["residual", number(one.residual)], ["beta at its version", number(one.beta)]]), ...Object.entries(one.reward_parts).map(([name, value]) => [name, number(value)]),
    ...Object.entries(one.info).filter(([, value]) => value !== null && String(value).length < 200 && typeof value !== "object").map(([name, value]) => [name, String(value)])];
  const scale = scaleOf(one, colour());
  return el("section", { "data-seq": one.seq, "aria-label": title }, el("h2", {}, title), facts(known), life(one), scale && scale.legend,
    ...one.turns.map((turn) => turnOf(one, turn, scale)),
    one.tokens_left_out ? el("p", { class: "note" }, `${number(one.tokens_left_out)} more tokens are not shown.`) : null,
    el("p", { class: "tools" }, copy, earlier, others));
}

function life(one) {
  const steps = [`Sampled by weights ${one.version} (${one.digest.slice(0, 12)}), as sample ${one.sample} of its prompt, at temperature ${number(one.sampling.temperature)}.`,
    `Stored as event ${number(one.seq)}, when the learner had version ${number(one.arrived)}: ${number(one.staleness_at_arrival)} behind.`,
    ...(one.drawn === null ? [] : [one.drawn === 0 ? "Never drawn for the learner yet." : `Drawn for the learner ${number(one.drawn)} ${one.drawn === 1 ? "time" : "times"}.`]),
    one.gone === null ? "In the buffer: it can be drawn." : `Removed by event ${number(one.gone)}: ${REMOVED[one.why] ?? "its file does not say why"}.`];
  return el("ol", { class: "life", "aria-label": "Life" }, ...steps.map((step) => el("li", { class: "text" }, ...shown(step))));
}

function turnOf(one, turn, scale) {
  const tokens = one.tokens.text.slice(turn.begin, turn.end);
  const pieces = tokens.map((piece, i) => {
    const at = turn.begin + i;
    if (piece === "") return null;
    if (turn.by !== "policy") return el("span", {}, ...shown(piece));
    const made = el("span", { title: told(one, at) }, ...shown(piece));
    if (scale) made.style.backgroundColor = scale.tint(at);
    return made;
  });
  return el("div", { class: `turn ${turn.by}` }, el("h3", {}, turn.by), el("pre", { class: "tokens text", tabindex: "0", "aria-label": `Text of the ${turn.by}` }, ...pieces.filter(Boolean)));
}

function told(one, at) {
  const { id, logp, logp_ref: ref, version } = one.tokens;
  const parts = [`token ${id[at]}`, `log p ${number(logp[at])} (p ${number(Math.exp(logp[at]))})`];
  if (ref) parts.push(`log p of the reference ${number(ref[at])}`);
  const residual = values(one, "residual");
  if (residual) parts.push(`beta times log ratio ${number(residual[at])}`);
  parts.push(`version ${version ? version[at] : one.version}`);
  return parts.join("\n");
}

// What tokens are coloured by; null where it is not known.
function values(one, kind) {
  const { logp, logp_ref: ref, version, id } = one.tokens;
  if (kind === "logp") return logp;
  if (kind === "residual") return ref && one.beta !== undefined ? logp.map((value, i) => one.beta * (value - ref[i])) : null;
  if (kind === "version") return version ?? id.map(() => one.version);
  return kind === "none" ? [] : null;
}

function scaleOf(one, kind) {
  const found = kind === "none" ? null : values(one, kind);
  if (!found) return null;
  const acted = one.turns.filter((turn) => turn.by === "policy").flatMap((turn) => found.slice(turn.begin, turn.end));
  if (kind === "logp") return made("less likely", "certain", (share) => mix("--c-d55e00", 0.75 * (1 - share)), (at) => Math.exp(found[at]));
  if (kind === "residual") {
    const most = Math.max(...acted.map(Math.abs), 1e-9);
    const tint = (share) => (share < 0.5 ? mix("--c-d55e00", 1.5 * (0.5 - share)) : mix("--c-0072b2", 1.5 * (share - 0.5)));
    return made(`${number(-most)} below the reference`, `${number(most)} above it`, tint, (at) => 0.5 + found[at] / (2 * most));
  }
  const low = Math.min(...acted), high = Math.max(...acted);
  return made(`version ${low}`, `version ${high}`, (share) => mix("--c-009e73", 0.15 + 0.6 * share), (at) => (high > low ? (found[at] - low) / (high - low) : 0));
}

function made(low, high, tint, share) {
  const bar = el("i", {});
  bar.style.background = `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(tint).join(", ")})`;
  return { tint: (at) => tint(share(at)), legend: el("p", { class: "scale" }, low, bar, high) };
}

const mix = (name, amount) => `color-mix(in srgb, var(${name}) ${Math.round(100 * Math.min(1, Math.max(0, amount)))}%, transparent)`;

async function copied(button, one) {
  const text = JSON.stringify(one, null, 1);
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const area = el("textarea", { "aria-label": "JSON to copy", rows: 6 }, text);
    button.replaceWith(area);
    area.select();
  }
}

// The newest answer of another version to the same prompt is put beside this one.
async function beside(button, one, run) {
  const newest = async (bound) => (await ask(`runs/${run}/rows`, { same: one.seq, order: "version", state: "all", ...bound })).rows[0];
  try {
    const other = (await newest({ version_low: one.version + 1 })) ?? (one.version > 0 ? await newest({ version_high: one.version - 1 }) : undefined);
    if (other) go({ open: `${one.seq},${other.seq}` });
    else button.replaceChildren("No other version answered it");
  } catch (error) {
    button.replaceChildren(...shown(error.message));
  }
}
