"""python tests/report/watch/screenshots.py RUN DIRECTORY: pictures of a run's live page and report, to be looked at.

Each view at the width of a desktop and of a phone, in light and dark; the report likewise.
Needs chromium and playwright.
"""

import sys
from itertools import product
from pathlib import Path

from in_chromium import opened_page, served, until

from steelyard.report import write_report

SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}
OPEN = "document.querySelectorAll('.opened section[data-seq]').length > 0"
VIEWS = {
    "curves": "document.querySelectorAll('svg.plot').length > 4",
    "buffer": "document.querySelectorAll('svg.plot').length > 1",
    "trajectories": "document.querySelectorAll('.rows li').length > 0",
}


def main(run: Path, place: Path) -> None:
    """Take them all."""
    place.mkdir(parents=True, exist_ok=True)
    report = write_report(run).as_uri()
    with opened_page() as page, served(run) as (url, _):
        for (size, shape), colours in product(SIZES.items(), ("light", "dark")):
            page.set_viewport_size(shape)
            page.emulate_media(color_scheme=colours)
            for view, ready in VIEWS.items():
                page.goto(f"{url}?view={view}")
                until(page, ready)
                page.screenshot(path=place / f"{view}-{size}-{colours}.png", full_page=view == "curves")
            for number in (1, 2):
                seqs = page.evaluate("[...document.querySelectorAll('.rows li')].map((row) => row.dataset.seq)")
                page.goto(f"{url}?view=trajectories&open={','.join(seqs[:number])}")
                until(page, OPEN)
                page.screenshot(path=place / f"open-{number}-{size}-{colours}.png")
            page.goto(report)
            page.screenshot(path=place / f"report-{size}-{colours}.png", full_page=True)
        page.close()  # nothing is asked while the server ends
    print(f"pictures: {place}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
