// The view is in the address: what is seen can be sent, kept as a bookmark, and gone back to.

export function view() {
  return new URLSearchParams(location.search);
}

export function address(changes, from = view()) {
  const next = new URLSearchParams(from);
  for (const [key, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") next.delete(key);
    else next.set(key, value);
  }
  return `?${next}`;
}

export function go(changes, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address(changes));
  dispatchEvent(new Event("viewchange"));
}

export async function ask(path, query = {}, signal = undefined) {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  const answer = await fetch(`api/${path}?${given}`, { signal, cache: "no-store" });
  const found = answer.headers.get("content-type")?.startsWith("application/json") ? await answer.json() : { error: await answer.text() };
  if (!answer.ok) throw new Error(found.error || `the server answered ${answer.status}`);
  return found;
}
