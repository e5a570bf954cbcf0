"""The live page and the report in a real browser: what the tests of it share."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 60_000
OWN = ("http://127.0.0.1:", "file:///")
RECORD = """window.key = (e) => {
  const fold = e.tagName === 'SUMMARY' ? 'fold' : '';
  const name = fold || e.id || e.name || e.className || (e.dataset.seq ? 'row' : e.textContent);
  return `${name.trim()} ${e.tagName}`;
};
window.used = new Set(JSON.parse(sessionStorage.used || '[]'));
for (const kind of ['click', 'change']) addEventListener(kind, (event) => {
  const control = event.target.closest('button, a[href], input, select, summary');
  if (control) used.add(key(control));
  sessionStorage.used = JSON.stringify([...used]);
}, true);"""
"""Keeps the names of the controls that were used, also over a reload."""
NAMES = """[...document.querySelectorAll('button, a[href], input, select, summary')].filter((e) => e.offsetParent)
  .map((e) => [key(e), (e.getAttribute('aria-label') || e.labels?.[0]?.textContent || e.textContent || '').trim()])"""
"""The controls that can be seen, with their names for a screen reader."""


def until(page, expression: str) -> None:
    """Wait until it holds in the page; its security policy forbids Playwright's own way of waiting."""
    end = time.monotonic() + SECONDS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < end, expression
        time.sleep(0.05)


def count(page, text: str) -> None:
    """Wait until the list of trajectories says how many there are."""
    until(page, f"document.querySelector('#count')?.textContent === {json.dumps(text)}")


@contextmanager
def served(*runs: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The page of some runs, as the command serves it, and its process."""
    command = [sys.executable, "-m", "steelyard", "watch", *map(str, runs)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield line.removeprefix("watch: ").strip(), process
    finally:
        process.kill()
        process.wait(timeout=30)
        process.stdout.close()


@contextmanager
def opened_page() -> Iterator[object]:
    """A page of a browser; at its end nothing may have gone wrong in it, and nobody else been asked."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        opened = context.new_page()
        opened.set_default_timeout(SECONDS)
        opened.add_init_script(RECORD)
        problems: list[str] = []
        opened.on("pageerror", lambda error: problems.append(str(error)))
        opened.on("console", lambda said: problems.append(said.text) if said.type == "error" else None)
        opened.on("request", lambda asked: problems.append(asked.url) if not asked.url.startswith(OWN) else None)
        yield opened
        browser.close()
        assert problems == []
