"""The report as one file, in a real browser."""

import shutil

import pytest
from in_chromium import count, until

from steelyard.report import write_comparison, write_report
from steelyard.report.watch import embed

pytestmark = pytest.mark.long
GROUNDS = """['body', 'section', '.filters input'].map((name) => getComputedStyle(document.querySelector(name))
  .backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number))"""
"""Red, green and blue of the page, of a card, and of a field."""


def test_the_report_as_one_file_browses_what_it_holds(watched, page, evil, monkeypatch):
    """From the file itself: nothing is asked for, and hostile text is text."""
    monkeypatch.setattr(embed, "MOST", 90)
    address = write_report(watched[0]).as_uri()

    page.goto(address)
    count(page, "1 to 50 of 90")
    assert "The newest 90 of 122" in page.locator("#trajectories .note").first.inner_text()
    page.locator("#next").click()
    count(page, "51 to 90 of 90")
    page.locator("#previous").click()
    count(page, "1 to 50 of 90")
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
    for name, value, told in (("text", "21+21=", "2 found in 90 of 90"), ("prompt", "31+", "0 found in 3 of 3")):
        page.locator(f"[name={name}]").fill(value)
        page.get_by_role("button", name="Filter").click()
        count(page, told)
    page.locator("#clear").click()
    count(page, "1 to 50 of 90")
    page.locator("[name=reward_low]").fill("0.25")
    page.get_by_role("button", name="Filter").click()
    count(page, "1 to 10 of 10")
    page.locator("[name=order]").select_option("reward-high")
    until(page, "document.querySelector('.rows .badge').textContent === '1'")
    page.locator("[name=state]").select_option("removed")
    count(page, "No trajectory passes the filter")
    assert page.title() != "owned" and page.locator("img").count() == 0
    light = page.evaluate(GROUNDS)
    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(GROUNDS)
    assert all(sum(ground) > 600 for ground in light) and all(sum(ground) < 150 for ground in dark), (light, dark)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_a_report_of_two_runs_copies_compares_and_changes_the_run(watched, page, tmp_path):
    run, _ = watched
    other = shutil.copytree(run, tmp_path / "other")
    page.goto(write_comparison([run, other], tmp_path / "both.html").as_uri())
    count(page, "1 to 50 of 122")
    page.locator("[name=run]").select_option("1")
    until(page, "location.hash.includes('run=1')")
    page.locator("[name=prompt]").fill("21+21")
    page.get_by_role("button", name="Filter").click()
    count(page, "1 to 3 of 3")
    page.locator(".rows a").first.click()
    page.locator(".opened .copy").click()
    copied = "document.querySelector('.copy')?.textContent === 'Copied'"
    until(page, f"{copied} || document.querySelector('.opened textarea')?.value.includes('logp_ref')")
    page.locator(".opened .other").click()
    until(page, "document.querySelectorAll('.opened section[data-seq]').length === 2")
    sampled = page.locator(".opened .life li:first-child").all_inner_texts()
    assert ["by weights 2" in sampled[0], "by weights 1" in sampled[1]] == [True, True]
    page.locator("#clear").click()
    count(page, "1 to 50 of 122")
    page.get_by_role("link", name="All answers to this prompt").first.click()
    count(page, "1 to 3 of 3")
    page.locator("[name=state]").select_option("removed")
    count(page, "No trajectory passes the filter")
    page.get_by_role("link", name="Show all prompts").click()
    count(page, "1 to 1 of 1")
    page.locator(".rows a").click()
    page.get_by_text("an equal answer, or nearly equal, took its place").wait_for()
    page.locator("[name=run]").select_option("0")
    until(page, "document.querySelectorAll('.opened section[data-seq]').length === 0")
    page.close()
