// Lines, stacked areas and bars as SVG, from the values of report/watch/values.py.
import { el, number, shown, svg } from "./dom.js";

const W = 480, H = 250, RIGHT = 20, TOP = 8, BOTTOM = 38;
const DASHES = { "-": "", "--": "7 4", "-.": "8 3 2 3", ":": "2 3" };
const color = (hex) => `var(--c-${hex.slice(1)}, ${hex})`;

export function chart(figure) {
  const drawn = plotOf(figure);
  const readout = el("p", { class: "readout", "aria-live": "off" });
  const picture = svg("svg", { viewBox: `0 0 ${W} ${H}`, class: "plot", role: "img", "aria-label": `${figure.alt}`, tabindex: "0" }, ...drawn.marks);
  if (drawn.read) follow(picture, drawn, readout);
  const legend = drawn.legend.length > 1 ? el("ul", { class: "legend" }, ...drawn.legend.map(key)) : null;
  return el("figure", { "data-figure": figure.name }, legend, picture, readout, el("figcaption", { class: "text" }, ...shown(figure.caption)));
}

function key({ label, hex, dash, filled }) {
  const mark = filled
    ? svg("rect", { width: 24, height: 10, fill: color(hex) })
    : svg("line", { x1: 0, x2: 24, y1: 5, y2: 5, "stroke-width": 2.4, "stroke-dasharray": DASHES[dash], stroke: color(hex) });
  return el("li", {}, svg("svg", { viewBox: "0 0 24 10", "aria-hidden": "true" }, mark), el("span", { class: "text" }, ...shown(label, 60)));
}

function plotOf(figure) {
  if (figure.kind === "lines") return lines(figure);
  return figure.kind === "areas" ? areas(figure) : bars(figure);
}

// Values that differ by rounding alone have no room for ticks between them.
const flat = (low, high) => high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high));

const known = (values) => values.filter((value) => value !== null);
function ends(values) {
  let low = Infinity, high = -Infinity;
  for (const value of values) { if (value < low) low = value; if (value > high) high = value; }
  return low > high ? [0, 1] : [low, high];
}

function lines(figure) {
  const shownValues = figure.series.flatMap((s) => known([...(s.faint ? quantiles(s.faint) : []), ...s.values, ...(s.low ?? []), ...(s.high ?? [])]));
  let [low, high] = ends(shownValues);
  if (figure.share) { low = 0; high = Math.min(1, high * 1.05 || 1); }
  if (flat(low, high)) { low -= Math.abs(low) * 0.1 || 0.5; high += Math.abs(high) * 0.1 || 0.5; }
  const room = figure.share ? 0 : (high - low) * 0.05;
  const frame = axes(figure, ends(figure.series.flatMap((s) => known(s.at))), [low - room, high + room]);
  for (const s of figure.series) {
    const tint = color(s.color);
    if (s.low) frame.clip.append(svg("path", { d: band(s, frame), "fill-opacity": 0.18, fill: tint }));
    if (s.faint) frame.clip.append(svg("path", { d: path(s.at, s.faint, frame), "stroke-opacity": 0.28, "stroke-width": 0.9, fill: "none", stroke: tint }));
    frame.clip.append(svg("path", { d: path(s.at, s.values, frame), "stroke-width": 2, "stroke-dasharray": DASHES[s.dash], "stroke-linejoin": "round", fill: "none", stroke: tint }));
    if (s.at.length <= 40) {
      s.at.forEach((x, i) => x !== null && s.values[i] !== null && frame.clip.append(svg("circle", { cx: frame.x(x), cy: frame.y(s.values[i]), r: 2.3, fill: tint })));
    }
  }
  const at = [...new Set(figure.series.flatMap((s) => known(s.at)))].sort((a, b) => a - b);
  return { ...frame, at, read: (x) => reading(figure, x), legend: figure.series.map((s) => ({ label: s.label, hex: s.color, dash: s.dash })) };
}

// A few wild steps must not flatten a curve: of faint values, the outermost hundredth may leave the picture.
function quantiles(values) {
  const sorted = known(values).sort((a, b) => a - b);
  return sorted.length ? [sorted[Math.floor(sorted.length * 0.01)], sorted[Math.ceil(sorted.length * 0.99) - 1]] : [];
}

function reading(figure, x) {
  const write = (value) => (figure.share ? `${(100 * value).toFixed(1)}%` : number(value));
  const found = figure.series.map((s) => {
    const i = nearest(s.at, x);
    return i < 0 || s.values[i] === null ? null : `${s.label} ${write(s.values[i])}${s.low && s.low[i] !== null ? ` [${write(s.low[i])}, ${write(s.high[i])}]` : ""}`;
  });
  return `${figure.x} ${number(x)}: ${found.filter((text) => text !== null).join(" · ")}`;
}

function nearest(values, x) {
  let best = -1;
  values.forEach((value, i) => { if (value !== null && (best < 0 || Math.abs(value - x) <= Math.abs(values[best] - x))) best = i; });
  return best;
}

function areas(figure) {
  const frame = axes(figure, ends(known(figure.at)), [0, 1]);
  let below = figure.at.map(() => 0);
  figure.stacks.forEach((stack, k) => {
    const above = below.map((value, i) => value + stack[i]);
    const up = figure.at.map((x, i) => `${frame.x(x)},${frame.y(above[i])}`);
    const down = figure.at.map((x, i) => `${frame.x(x)},${frame.y(below[i])}`).reverse();
    frame.clip.append(svg("path", { d: `M${[...up, ...down].join("L")}Z`, fill: color(figure.colors[k]), stroke: "var(--paper)", "stroke-width": 0.7 }));
    below = above;
  });
  const read = (x) => {
    const i = nearest(figure.at, x);
    return `${figure.x} ${number(figure.at[i])}: ${figure.labels.map((label, k) => `${label} ${(100 * figure.stacks[k][i]).toFixed(1)}%`).join(" · ")}`;
  };
  return { ...frame, at: figure.at, read, legend: figure.labels.map((label, k) => ({ label, hex: figure.colors[k], filled: true })) };
}

function bars(figure) {
  const right = figure.lefts.map((left) => left + figure.width);
  const frame = axes(figure, [ends(figure.lefts)[0], ends(right)[1]], [0, ends(figure.heights)[1] * 1.05 || 1]);
  figure.lefts.forEach((left, i) => {
    const x = frame.x(left), y = frame.y(figure.heights[i]);
    frame.clip.append(svg("rect", { x, y, width: Math.max(0.5, frame.x(right[i]) - x - 1), height: Math.max(0, frame.y(0) - y), fill: color("#d55e00") }));
  });
  const middles = figure.lefts.map((left) => left + figure.width / 2);
  const read = (x) => {
    const i = nearest(middles, x);
    const whole = figure.width >= 1 && Number.isInteger(figure.lefts[i] + 0.5);
    const name = whole ? (figure.width === 1 ? number(middles[i]) : `${number(figure.lefts[i] + 0.5)} to ${number(right[i] - 0.5)}`) : number(middles[i]);
    return `${figure.x} ${name}: ${number(figure.heights[i])} ${figure.y}`;
  };
  return { ...frame, at: middles, read, legend: [] };
}

let clips = 0;
function axes(figure, [x0, x1], [y0, y1]) {
  if (flat(x0, x1)) { x0 -= 0.5; x1 += 0.5; }
  const write = (tick) => (figure.share ? `${Number((100 * tick).toPrecision(3))}%` : number(tick));
  const rises = ticks(y0, y1, 4);
  const left = 34 + 9 * Math.max(...rises.map((tick) => write(tick).length));
  const x = (value) => left + ((value - x0) / (x1 - x0)) * (W - left - RIGHT);
  const y = (value) => H - BOTTOM - ((value - y0) / (y1 - y0)) * (H - TOP - BOTTOM);
  const marks = [];
  for (const tick of rises) {
    marks.push(svg("line", { x1: left, x2: W - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }));
    marks.push(svg("text", { x: left - 6, y: y(tick) + 4, "text-anchor": "end" }, write(tick)));
  }
  for (const tick of ticks(x0, x1, 6, figure.x === "learner step")) {
    marks.push(svg("line", { x1: x(tick), x2: x(tick), y1: TOP, y2: H - BOTTOM, class: "grid" }));
    marks.push(svg("text", { x: x(tick), y: H - BOTTOM + 15, "text-anchor": "middle" }, number(tick)));
  }
  marks.push(svg("line", { x1: left, x2: W - RIGHT, y1: H - BOTTOM, y2: H - BOTTOM, class: "axis" }));
  marks.push(svg("text", { x: (left + W - RIGHT) / 2, y: H - 5, "text-anchor": "middle" }, figure.x));
  marks.push(svg("text", { x: 12, y: (H - BOTTOM + TOP) / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${(H - BOTTOM + TOP) / 2})` }, figure.y));
  const id = `clip-${(clips += 1)}`;
  const clip = svg("g", { "clip-path": `url(#${id})` });
  marks.push(svg("clipPath", { id }, svg("rect", { x: left, y: TOP - 3, width: W - left - RIGHT + 3, height: H - TOP - BOTTOM + 6 })), clip);
  return { x, y, marks, clip, left, range: [x0, x1] };
}

export function ticks(low, high, wanted, whole = false) {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 5, 10].map((m) => m * power).find((size) => size >= rough * 0.999);
  if (whole) step = Math.max(1, step);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-6; k += 1) found.push(Number((k * step).toPrecision(12)));
  return found;
}

// A cursor that the pointer or the arrow keys move, and the values there in words.
function follow(picture, drawn, readout) {
  const line = svg("line", { y1: TOP, y2: H - BOTTOM, class: "cursor", visibility: "hidden" });
  picture.append(line);
  let place = -1;
  const put = (index) => {
    place = Math.min(drawn.at.length - 1, Math.max(0, index));
    line.setAttribute("x1", drawn.x(drawn.at[place]));
    line.setAttribute("x2", drawn.x(drawn.at[place]));
    line.setAttribute("visibility", "visible");
    readout.replaceChildren(...shown(drawn.read(drawn.at[place]), 400));
  };
  const away = () => { line.setAttribute("visibility", "hidden"); readout.replaceChildren(); readout.setAttribute("aria-live", "off"); place = -1; };
  picture.addEventListener("pointermove", (event) => {
    const box = picture.getBoundingClientRect();
    const [x0, x1] = drawn.range;
    const share = (((event.clientX - box.left) / box.width) * W - drawn.left) / (W - drawn.left - RIGHT);
    put(nearest(drawn.at, x0 + share * (x1 - x0)));
  });
  picture.addEventListener("pointerleave", away);
  picture.addEventListener("blur", away);
  picture.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (!(event.key in moves)) return;
    event.preventDefault();
    readout.setAttribute("aria-live", "polite");
    put(place < 0 ? drawn.at.length - 1 : place + moves[event.key]);
  });
}

function path(xs, ys, frame) {
  let text = "", pen = false;
  xs.forEach((x, i) => {
    if (x === null || ys[i] === null) { pen = false; return; }
    text += `${pen ? "L" : "M"}${frame.x(x).toFixed(1)},${frame.y(ys[i]).toFixed(1)}`;
    pen = true;
  });
  return text;
}

function band(s, frame) {
  const whole = s.at.map((x, i) => [x, s.low[i], s.high[i]]).filter((point) => !point.includes(null));
  const up = whole.map(([x, , high]) => `${frame.x(x).toFixed(1)},${frame.y(high).toFixed(1)}`);
  const down = whole.map(([x, low]) => `${frame.x(x).toFixed(1)},${frame.y(low).toFixed(1)}`).reverse();
  return whole.length ? `M${[...up, ...down].join("L")}Z` : "";
}
