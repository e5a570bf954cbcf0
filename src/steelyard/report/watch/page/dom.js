// Elements from values. Text from a run only ever becomes text: nothing here takes markup.

export function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "stroke" || key === "fill") made.style[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// Characters that are invisible, illegal, or turn the direction of writing.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]|[\u{e0000}-\u{e007f}]/gu;

// Text that may be hostile, as nodes: hidden characters are shown by their numbers.
export function shown(text, most = Infinity) {
  const whole = String(text);
  const cut = whole.length > most ? whole.slice(0, most) : whole;
  const nodes = [];
  let from = 0;
  for (const found of cut.matchAll(HIDDEN)) {
    if (found.index > from) nodes.push(cut.slice(from, found.index));
    const code = found[0].codePointAt(0);
    nodes.push(code < 32 ? String.fromCharCode(0x2400 + code) : el("span", { class: "code" }, `U+${code.toString(16).toUpperCase().padStart(4, "0")}`));
    from = found.index + found[0].length;
  }
  nodes.push(cut.slice(from));
  if (whole.length > most) nodes.push(`… (${(whole.length - most).toLocaleString("en")} more characters)`);
  return nodes;
}

export function number(value) {
  if (typeof value !== "number" || !isFinite(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size < 1e-3) return value.toExponential(1).replace(".0e", "e");
  return size >= 1e4 ? Math.round(value).toLocaleString("en") : String(Number(value.toPrecision(4)));
}

export function facts(pairs) {
  return el("dl", { class: "facts" }, ...pairs.map(([name, value]) => el("div", {}, el("dt", {}, ...shown(name)), el("dd", { class: "text" }, ...shown(value)))));
}
