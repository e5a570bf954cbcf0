"""The live page in a real browser: every control is used, an update arrives, hostile text is text, a wrong token gets
nothing, and it fits a phone."""

import json
import shutil
import signal

import pytest
from in_chromium import NAMES, count, served, until

from steelyard.core.lock import Lock

pytestmark = pytest.mark.long


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

    count(page, "1 to 50 of 121")
    look()
    page.locator("#next").click()
    count(page, "51 to 100 of 121")
    page.locator("#previous").click()
    count(page, "1 to 50 of 121")
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
    count(page, "3 found in 3 of 3")
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("j")
    page.wait_for_selector(".opened .other")
    page.locator(".other").click()
    until(page, "document.querySelectorAll('.opened [data-seq]').length === 2")
    sampled = page.locator(".opened .life li:first-child").all_inner_texts()
    assert ["by weights 2" in sampled[0], "by weights 1" in sampled[1]] == [True, True], "the newest other version's"
    page.locator("#clear").click()
    count(page, "1 to 50 of 121")
    page.get_by_role("link", name="All answers to this prompt").first.click()
    count(page, "1 to 3 of 3")
    look()
    page.get_by_role("link", name="Show all prompts").click()
    count(page, "1 to 50 of 121")
    page.locator("[name=order]").select_option("oldest")
    until(page, "document.querySelector('.rows .said').textContent === '0'")
    page.locator("[name=state]").select_option("removed")
    count(page, "1 to 1 of 1")
    page.locator(".rows a").click()
    page.get_by_text("an equal answer, or nearly equal, took its place").wait_for()
    page.locator("[name=run]").select_option("1")
    page.locator("[name=run]").select_option("0")
    page.locator("#clear").click()
    count(page, "1 to 50 of 121")

    buffer.add([say("1+1=", [f"{evil * 400} late"], version=3, sample=9, reward=1.0)], version=3)
    page.wait_for_selector("#newer:visible")
    look()
    page.locator("#newer").click()
    count(page, "1 to 50 of 122")
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
    shown = page.evaluate("[...document.querySelectorAll('.rows li')].map((row) => row.dataset.seq)")
    for opened in (shown[:1], shown[:2]):
        page.goto(f"{url}?view=trajectories&open={','.join(opened)}")
        until(page, f"document.querySelectorAll('.opened section[data-seq] .tokens').length >= {2 * len(opened)}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{len(opened)} open"


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
