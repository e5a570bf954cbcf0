"""The live page in a real browser: every control is used, an update arrives, hostile text is text, a wrong token gets
nothing, and it fits a phone."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from steelyard.core.lock import Lock
from steelyard.report import write_report
from steelyard.report.watch import embed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.long
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


@pytest.fixture
def page() -> Iterator[object]:
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


def test_a_wrong_token_gets_nothing_and_ctrl_c_ends_the_page(watched):
    import http.client

    with served(watched[0]) as (url, process):
        place, _, token = url.removeprefix("http://").rstrip("/").partition("/")
        connection = http.client.HTTPConnection(place, timeout=30)
        for path in ("/", f"/{token[:-1]}x/", f"/{token}x/api/curves", "/api/runs"):
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 403 and b"arithmetic" not in answer.read()
        connection.request("GET", f"/{token}/api/runs")
        assert connection.getresponse().status == 200
        connection.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0


def test_every_control_a_live_update_and_hostile_text(watched, page, say, evil, tmp_path):
    run, buffer = watched
    other = shutil.copytree(run, tmp_path / "other")
    long = "x" * 2**20
    with (run / "samples.jsonl").open("a") as file:
        file.write(json.dumps({"step": 9, "prompt": evil, "completion": f"{evil}{long}", "reward": 1.0}) + "\n")
    (run / "faults.jsonl").write_text(json.dumps({"step": 1, "who": evil, "why": long}) + "\n")
    (run / "result.json").unlink()
    lock = Lock(run / ".lock", run)
    seen: dict[str, str] = {}

    def look() -> None:
        seen.update(dict(page.evaluate(NAMES)))
        assert page.title() != "owned" and page.locator("img").count() == 0
        assert page.locator("script").count() == 1

    with served(run, other) as (url, _):
        page.goto(url)
        page.wait_for_selector("#accuracy svg.plot")
        assert page.locator("#state").inner_text() == "1 running, 1 finished"
        look()
        page.locator("#runs input").nth(1).click()
        until(page, "document.querySelector('h1').textContent === 'arithmetic, seed 3'")
        page.wait_for_selector("#faults table")
        assert "<script>" in page.locator("#faults").inner_text() and "U+202E" in page.locator("#faults").inner_text()
        assert len(page.locator("#samples").inner_text()) < 100_000
        look()
        chart = page.locator("#loss svg.plot").first
        chart.focus()
        page.keyboard.press("End")
        assert "learner step 8: loss" in page.locator("#loss .readout").first.inner_text()
        page.locator("#settings summary").click()
        page.locator("#numbers summary").click()

        row = {
            "step": 9,
            "eval/accuracy": 0.987,
            "eval/accuracy_low": 0.9,
            "eval/accuracy_high": 0.99,
            "eval/prompts": 99,
        }
        with (run / "eval.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")
        until(page, "document.querySelector('.to').textContent === '98.7%'")
        assert page.locator("#settings details").get_attribute("open") is not None, "what was opened stays open"

        page.locator("#follow").click()
        assert page.locator("#follow").get_attribute("aria-pressed") == "false"
        page.locator("#follow").click()
        grounds = {page.evaluate("getComputedStyle(document.body).backgroundColor")}
        for _ in range(3):
            page.locator("#theme").click()
            grounds.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2
        page.get_by_role("link", name="Buffer").click()
        page.wait_for_selector("[data-figure=composition]")
        look()
        page.locator("#content select").select_option("1")
        page.wait_for_selector("[data-figure=composition]")
        page.locator("#content select").select_option("0")
        page.get_by_role("link", name="Curves").click()
        page.get_by_role("link", name="Trajectories").click()
        browse(page, look, buffer, say, evil)
        phone(page, url)
        page.get_by_role("link", name="Skip to the content").focus()
        page.keyboard.press("Enter")
        look()
        unnamed = [control for control, name in seen.items() if not name]
        assert not unnamed, unnamed
        unused = set(seen) - set(page.evaluate("[...used]"))
        assert not unused, unused
        page.close()  # nothing is asked while the server ends
    lock.release()


def browse(page, look, buffer, say, evil) -> None:
    """Everything of the trajectory browser."""

    def count(text: str) -> None:
        until(page, f"document.querySelector('#count')?.textContent === {json.dumps(text)}")

    count("1 to 50 of 121")
    look()
    page.locator("#next").click()
    count("51 to 100 of 121")
    page.locator("#previous").click()
    count("1 to 50 of 121")
    page.locator(".rows a").first.click()
    page.wait_for_selector(".opened .turn.environment")
    look()
    shown = page.locator(".opened").inner_text()
    assert f"{evil.partition(chr(0x202E))[0]}" in shown and "U+202E" in shown and "héé 漢" in shown
    for colour in ("residual", "version", "none", "logp"):
        page.locator("#colour").select_option(colour)
        until(page, f"location.search.includes('colour={colour}')")
    until(page, "document.querySelector('.scale')?.textContent.startsWith('less likely')")
    page.locator(".opened .copy").click()
    until(page, "document.querySelector('.copy').textContent === 'Copied'")
    copied = json.loads(page.evaluate("navigator.clipboard.readText()"))
    assert copied["info"] == {"read": evil} and len(copied["turns"]) == 4
    page.locator(".rows input").nth(1).click()
    until(page, "document.querySelectorAll('.opened [data-seq]').length === 2")
    address = page.url
    page.goto(address)
    until(page, "document.querySelectorAll('.opened [data-seq]').length === 2")
    page.locator("#close").click()
    until(page, "document.querySelectorAll('.opened [data-seq]').length === 0")

    page.locator("[name=text]").fill("21+21=")
    page.locator("[name=prompt]").fill("21+21")
    page.locator("[name=reward_low]").fill("0")
    page.locator("[name=reward_high]").fill("1")
    page.locator("[name=version_low]").fill("0")
    page.locator("[name=version_high]").fill("9")
    page.get_by_role("button", name="Filter").click()
    count("3 found in 3 of 3")
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.wait_for_selector(".opened .other")
    page.locator(".other").click()
    until(page, "document.querySelectorAll('.opened [data-seq]').length === 2")
    sampled = page.locator(".opened .life li:first-child").all_inner_texts()
    assert ["by weights 2" in sampled[0], "by weights 1" in sampled[1]] == [True, True], "the newest other version's"
    page.locator("#clear").click()
    count("1 to 50 of 121")
    page.get_by_role("link", name="All answers to this prompt").first.click()
    count("1 to 3 of 3")
    look()
    page.get_by_role("link", name="Show all prompts").click()
    count("1 to 50 of 121")
    page.locator("[name=order]").select_option("oldest")
    until(page, "document.querySelector('.rows .said').textContent === '0'")
    page.locator("[name=state]").select_option("removed")
    count("No trajectory passes the filter")
    page.locator("[name=run]").select_option("1")
    page.locator("[name=run]").select_option("0")
    page.locator("#clear").click()
    count("1 to 50 of 121")

    buffer.add([say("1+1=", [f"{evil * 400} late"], version=3, sample=9, reward=1.0)], version=3)
    page.wait_for_selector("#newer:visible")
    look()
    page.locator("#newer").click()
    count("1 to 50 of 122")
    page.locator(".rows a").first.click()
    page.get_by_text("more tokens are not shown").wait_for()
    page.keyboard.press("1")
    page.wait_for_selector("#loss svg.plot")
    page.keyboard.press("/")
    until(page, "document.activeElement.name === 'text'")


def phone(page, url: str) -> None:
    """Nothing is wider than a phone."""
    page.set_viewport_size({"width": 390, "height": 844})
    for view, ready in (
        ("curves", "#loss svg.plot"),
        ("buffer", "[data-figure=composition]"),
        ("trajectories", ".rows li"),
    ):
        page.goto(f"{url}?view={view}")
        page.wait_for_selector(ready)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, view


def test_a_trajectory_opened_again_is_asked_for_again(watched, page, say):
    run, buffer = watched
    before = buffer.state()
    buffer.add([say("late", ["former"], version=3)], version=3)
    opened = "document.querySelector('.opened')?.textContent ?? ''"
    with served(run) as (url, _):
        page.goto(f"{url}?view=trajectories")
        page.locator(".rows a").first.click()
        until(page, f"({opened}).includes('former')")
        page.locator("#close").click()
        until(page, "document.querySelectorAll('.opened [data-seq]').length === 0")
        buffer.restore(before, keep_later=False)
        buffer.add([say("late", ["latter"], version=3)], version=3)
        page.locator(".rows a").first.click()
        until(page, f"({opened}).includes('latter')")
        page.close()


def test_the_report_as_one_file_browses_what_it_holds(watched, page, evil, monkeypatch):
    """From the file itself: nothing is asked for, and hostile text is text."""
    monkeypatch.setattr(embed, "MOST", 90)
    address = write_report(watched[0]).as_uri()

    def count(text: str) -> None:
        until(page, f"document.querySelector('#count')?.textContent === {json.dumps(text)}")

    page.goto(address)
    count("1 to 50 of 90")
    assert "The newest 90 of 121" in page.locator("#trajectories .note").first.inner_text()
    page.locator("#next").click()
    count("51 to 90 of 90")
    page.locator("#previous").click()
    count("1 to 50 of 90")
    page.locator(".rows a").first.click()
    page.wait_for_selector(".opened .turn.environment")
    opened = page.locator(".opened").inner_text()
    assert "Drawn for the learner 1 time." in opened or "Never drawn for the learner yet." in opened
    assert f"{evil.partition(chr(0x202E))[0]}" in opened and "U+202E" in opened and "héé 漢" in opened
    until(page, "document.querySelector('.scale')?.textContent.startsWith('less likely')")
    page.locator("#colour").select_option("residual")
    until(page, "document.querySelector('.scale')?.textContent.includes('the reference')")
    page.reload()  # the view is in the address
    page.wait_for_selector(".opened .turn.environment")
    page.locator("#close").click()
    until(page, "document.querySelectorAll('.opened [data-seq]').length === 0")
    for name, value, told in (("text", "21+21=", "2 found in 90 of 90"), ("prompt", "31+", "0 found in 2 of 2")):
        page.locator(f"[name={name}]").fill(value)
        page.get_by_role("button", name="Filter").click()
        count(told)
    page.locator("#clear").click()
    count("1 to 50 of 90")
    page.locator("[name=reward_low]").fill("0.25")
    page.get_by_role("button", name="Filter").click()
    count("1 to 10 of 10")
    page.locator("[name=order]").select_option("reward-high")
    until(page, "document.querySelector('.rows .badge').textContent === '1'")
    page.locator("[name=state]").select_option("removed")
    count("No trajectory passes the filter")
    assert page.title() != "owned" and page.locator("img").count() == 0
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_a_stage_of_a_pipeline_joins_when_it_begins(pipeline, begin, page):
    begin("1-sft")
    with served(pipeline) as (url, _):
        page.goto(url)
        page.wait_for_selector("#stages table")
        until(page, "document.querySelector('#state').textContent === 'finished'")
        page.get_by_role("link", name="sft", exact=True).click()
        page.wait_for_selector("#loss svg.plot")
        begin("2-dpo")
        page.wait_for_selector("#runs:visible")
        assert page.locator("#runs label").all_inner_texts() == ["1-sft", "2-dpo"]
        page.keyboard.press("4")
        until(page, "document.querySelectorAll('#stages a').length === 2")
        page.close()
