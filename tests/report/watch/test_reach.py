"""The live page without a mouse: by keys, by Tab alone, and by the names that a screen reader says."""

import pytest
from in_chromium import count, served, until

pytestmark = pytest.mark.long
OPEN = "new URLSearchParams(location.search).get('open')"


@pytest.fixture
def watching(watched, page):
    """The page of the run, on its curves."""
    with served(watched[0]) as (url, _):
        page.goto(url)
        page.wait_for_selector("#loss svg.plot")
        yield page
        page.close()  # nothing is asked while the server ends


def tab_to(page, wanted: str, most: int = 60) -> None:
    """Press Tab until what has the focus matches a selector."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate(f"document.activeElement.matches({wanted!r})"):
            return
    raise AssertionError(f"{most} times Tab do not reach {wanted}")


def test_keys_change_the_view_step_through_the_list_and_hold_the_page_still(watching):
    page = watching
    page.keyboard.press("2")
    page.wait_for_selector("[data-figure=composition]")
    page.keyboard.press("3")
    count(page, "1 to 50 of 121")
    seqs = page.evaluate("[...document.querySelectorAll('.rows li')].map((row) => row.dataset.seq)")
    for key, place in (("j", 0), ("j", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        until(page, f"{OPEN} === '{seqs[place]}'")
    page.keyboard.press("Escape")
    until(page, f"{OPEN} === null")
    page.keyboard.press("f")
    assert page.locator("#follow").get_attribute("aria-pressed") == "false"
    assert page.locator("#follow").inner_text() == "Held still"
    page.keyboard.press("f")
    assert page.locator("#follow").get_attribute("aria-pressed") == "true"


def test_tab_alone_reaches_everything_on_the_way_to_a_token(watching):
    page = watching
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    tab_to(page, "nav a[data-view=trajectories]")
    page.keyboard.press("Enter")
    count(page, "1 to 50 of 121")
    tab_to(page, "[name=prompt]")
    page.keyboard.type("21+21")
    page.keyboard.press("Enter")
    count(page, "1 to 3 of 3")
    tab_to(page, ".rows input")
    page.keyboard.press("Space")
    page.wait_for_selector(".opened .tokens")
    tab_to(page, ".rows a")
    page.keyboard.press("Enter")
    until(page, f"{OPEN} !== null")
    tab_to(page, "#colour")
    page.keyboard.press("ArrowDown")
    until(page, "document.querySelector('.scale')?.textContent.includes('below the reference')")
    tab_to(page, ".tokens")
    tab_to(page, ".copy")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.copy').textContent === 'Copied'")
    tab_to(page, ".opened a")
    page.keyboard.press("Enter")
    until(page, "location.search.includes('same=')")


def said(page, *names: tuple[str, str]) -> None:
    """Every role with its name is there once or more."""
    missing = [(role, name) for role, name in names if page.get_by_role(role, name=name).count() == 0]
    assert not missing, (missing, page.locator("body").aria_snapshot())


def test_a_screen_reader_is_told_what_everything_is(watching):
    page = watching
    views = [("navigation", "Views"), *(("link", name) for name in ("Curves", "Buffer", "Trajectories"))]
    said(page, *views, ("status", ""), ("button", "Follow"), ("button", "Colours"), ("heading", "arithmetic, seed 3"),
         ("region", "Held-out accuracy"), ("img", "Greedy held-out accuracy"), ("img", "Effective sample size"),
         ("img", "Tokens per second of each side"), ("table", "completions without a reward"))  # fmt: skip
    assert page.get_by_role("link", name="Curves").get_attribute("aria-current") == "page"
    page.keyboard.press("2")
    page.wait_for_selector("[data-figure=composition]")
    said(page, *views, ("heading", "Buffer"), ("region", "What the buffer is made of"),
         ("img", "Shares of the buffer by the version"), ("img", "What is stored now, by reward"))  # fmt: skip
    page.keyboard.press("3")
    count(page, "1 to 50 of 121")
    page.keyboard.press("j")
    page.wait_for_selector(".opened .tokens")
    fields = [("searchbox", "Search in the text"), ("searchbox", "Prompt or its id has"), ("combobox", "Show"),
              ("combobox", "Order"), ("group", "Reward"), ("spinbutton", "Reward, from"),
              ("spinbutton", "Weight version, to"), ("button", "Filter"), ("button", "Clear")]  # fmt: skip
    said(page, *views, *fields, ("search", "Filter trajectories"), ("heading", "Trajectories"), ("button", "Next"),
         ("checkbox", "Put trajectory"), ("region", "Open trajectories"), ("combobox", "Colour tokens by"),
         ("list", "Life"), ("button", "Copy as JSON"), ("button", "Another version beside it"),
         ("link", "All answers to this prompt"))  # fmt: skip
