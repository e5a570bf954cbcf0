"""The page is whole, safe, silent about what is not there, and renders in a browser."""

import json
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser

import pytest

from steelyard.core import SteelyardError
from steelyard.report import write_report

VOID = {"meta", "br"}
SECTIONS = ["accuracy", "reward", "length", "endings", "style", "staleness", "replay", "idle", "throughput", "loss",
            "objective", "faults", "evaluations", "samples", "numbers", "settings", "reproduce"]  # fmt: skip


class Page(HTMLParser):
    """A strict reader: every element closes in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.ids, self.text = [], Counter(), [], ""
        self.sections, self.attributes = [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements[tag] += 1
        named = dict(attrs)
        assert len(named) == len(attrs), f"an attribute repeats in <{tag}>"
        self.attributes += [(tag, *pair) for pair in attrs]
        self.ids += [named["id"]] if "id" in named else []
        self.sections += [named.get("id")] if tag == "section" else []
        self.open += [] if tag in VOID else [tag]

    def handle_startendtag(self, tag, attrs):
        assert "svg" in self.open, f"<{tag}/> is no HTML"
        self.handle_starttag(tag, attrs)
        self.open.remove(tag) if tag in self.open else None

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if "style" not in self.open else ""


@pytest.fixture(scope="module")
def page(whole_page):
    assert whole_page.name == "report.html"
    return Page(whole_page.read_text(encoding="utf-8"))


def test_the_page_is_whole(page):
    assert page.sections == SECTIONS
    assert page.elements["title"] == page.elements["h1"] == 1
    assert ("html", "lang", "en") in page.attributes
    assert len(page.ids) == len(set(page.ids)), "an id repeats"
    assert page.elements["svg"] == page.elements["figure"] == page.elements["figcaption"] == 21
    assert sum(tag == "svg" and name == "aria-label" and bool(value) for tag, name, value in page.attributes) == 21
    assert page.elements["table"] == page.elements["caption"] == 5


def test_the_page_tells_the_run(page):
    for text in (
        "arithmetic, seed 3",
        "7.9% → 79.4%",
        "95% interval 74.4% to 84.4% on 256 prompts",
        "25,600",
        "1 min 36 s",
        "0123456789ab",
        "objective.beta",
        "steelyard train arithmetic --seed 3",
        "12+30=",
        "objective/log_z",
    ):
        assert text in page.text, text
    assert "cut short" not in page.text and "no result.json" not in page.text


def test_the_gauges_of_the_objective_and_the_quarantine_are_drawn(page):
    for text in (
        "How many samples of the policy itself those of the batch are worth",
        "KL to the reference",
        "entropy of a token",
        "Mean of -log p over the tokens that searchers just sampled",
        "1 completions without a reward",
        "no answer within 5 s",
        "Share of what the learner drew by age",
        "In each window of",
        "Share of each window of",
    ):
        assert text in page.text, text
    labels = [value for tag, name, value in page.attributes if tag == "svg" and name == "aria-label"]
    for label in (
        "Effective sample size over",
        "KL and entropy over",
        "Sampled entropy: ",
        "Tokens per second of each",
    ):
        assert sum(value.startswith(label) for value in labels) == 1, label


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"learner/ess": 0.02, "objective/ratio": 1.2}, "Effective sample size 2.0%: "),
        ({"search/length_mean": 40.0}, " learned, 40 sampled: "),
    ],
)
def test_a_gauge_beyond_its_bound_is_a_note_that_says_what_to_change(make_run, change, told):
    directory = make_run()
    assert "To change it" not in Page(write_report(directory).read_text(encoding="utf-8")).text
    rows = [json.loads(line) | change for line in (directory / "metrics.jsonl").read_text().splitlines()]
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = Page(write_report(directory).read_text(encoding="utf-8")).text
    assert told in text and "lower --max-staleness" in text


def test_nothing_leaves_the_page_and_nothing_runs_in_it(page):
    assert not {"script", "img", "link", "iframe", "object", "embed", "base", "form"} & set(page.elements)
    for tag, name, value in page.attributes:
        assert not name.startswith("on") and name not in ("src", "srcset", "action", "xmlns")
        assert "://" not in (value or "") and not (name.endswith("href") and not value.startswith("#")), (
            tag,
            name,
            value,
        )


def test_what_a_sample_says_is_text(whole_page):
    text = whole_page.read_text(encoding="utf-8")
    assert "@import" not in text and "url(http" not in text and "<script" not in text and "<img" not in text
    attack = json.loads((whole_page.parent / "samples.jsonl").read_text().splitlines()[0])["completion"]
    assert "<script>" in attack and attack in Page(text).text
    assert "q␀?" in text, "a control character and half a character are shown, not written"


def test_settings_and_style_names_are_text(make_run):
    directory = make_run()
    config = json.loads((directory / "config.json").read_text())
    config["recipe"], config["run"]["model"] = "</title><script>x", '"><script>y'
    (directory / "config.json").write_text(json.dumps(config))
    text = write_report(directory).read_text(encoding="utf-8")
    assert "<script" not in text and "</title><script>x" in Page(text).text


@pytest.mark.parametrize("drop", ["metrics", "timing", "eval", "samples"])
def test_no_records_no_section(make_run, drop):
    directory = make_run()
    (directory / f"{drop}.jsonl").unlink()
    gone = {"metrics": {"staleness", "replay", "loss", "objective"}, "timing": {"idle", "throughput"},
            "eval": {"accuracy", "endings", "style", "evaluations"}, "samples": {"samples"}}[drop]  # fmt: skip
    page = Page(write_report(directory).read_text(encoding="utf-8"))
    assert page.sections == [name for name in SECTIONS if name not in gone]


def test_a_run_that_has_just_begun(make_run):
    directory = make_run()
    for path in [*directory.glob("*.jsonl"), directory / "result.json"]:
        path.unlink()
    page = Page(write_report(directory).read_text(encoding="utf-8"))
    assert page.sections == ["settings", "reproduce"] and "no result.json" in page.text


def test_a_torn_line_is_left_out_and_said(make_run):
    directory = make_run()
    with (directory / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "learner/lo')
    assert (
        "The last line of metrics.jsonl was cut short" in Page(write_report(directory).read_text(encoding="utf-8")).text
    )


def test_an_enumerable_run_leads_with_the_distance(make_run):
    directory = make_run()
    rows = [
        {
            "step": s,
            "version": s,
            "eval/total_variation": 0.6 / (1 + s),
            "eval/accuracy": 0.5,
            "eval/kl": 1.0 / (1 + s),
            "eval/log_z_error": 0.1,
        }
        for s in range(9)
    ]
    (directory / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = Page(write_report(directory).read_text(encoding="utf-8"))
    assert page.sections[0] == "target" and "accuracy" not in page.sections and "style" not in page.sections
    assert "0.6 → 0.06667" in page.text and "log Z error" in page.text


def test_long_samples_are_cut_and_messages_shown(make_run):
    directory = make_run()
    row = {"step": 0, "prompt": [{"role": "user", "content": "é?"}], "completion": "x" * 10_000, "reward": 0.5}
    (directory / "samples.jsonl").write_text(json.dumps(row) + "\n")
    page = Page(write_report(directory).read_text(encoding="utf-8"))
    assert "6,000 more characters" in page.text and "x" * 4001 not in page.text
    assert '"content": "é?"' in page.text and page.elements["article"] == 1


def test_what_was_read_as_the_answer_stands_beside_the_reward(make_run):
    directory = make_run()
    row = {"step": 0, "prompt": "6*12?", "completion": "#### 72 clips", "reward": 1.0, "read": "72",
           "read_from": "marker", "parts": {"brief": -13.0}}  # fmt: skip
    failed = {**row, "step": 1, "reward": None, "read": "9" * 200, "error": "math-verify: no answer within 5 s"}
    (directory / "samples.jsonl").write_text(f"{json.dumps(row)}\n{json.dumps(failed)}\n")
    page = Page(write_report(directory).read_text(encoding="utf-8"))
    assert "reward 1 · read as the answer: 72 (marker) · brief -13" in page.text
    assert "error: math-verify: no answer within 5 s" in page.text
    assert "9" * 120 + "…" in page.text and "9" * 121 not in page.text


def test_written_again_it_is_the_same_and_replaces_the_old(make_run):
    directory = make_run()
    first = write_report(directory).read_bytes()
    assert write_report(directory).read_bytes() == first
    assert not list(directory.glob("*.partial"))


def test_foreign_directories_are_refused_and_left_alone(tmp_path):
    for place in (tmp_path, tmp_path / "missing"):
        with pytest.raises(SteelyardError):
            write_report(place)
    assert list(tmp_path.iterdir()) == []


def test_a_browser_shows_every_plot(whole_page, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium on this machine")
    # The page itself runs no script; this copy measures it from inside the browser.
    probe = """<script>document.title = JSON.stringify({
      wide: document.documentElement.scrollWidth <= window.innerWidth,
      plots: [...document.querySelectorAll('svg')].filter(s => s.getBoundingClientRect().height > 100).length,
      scripts: document.scripts.length,
      hidden: [...document.querySelectorAll('section')].filter(s => s.clientHeight < 40).length
    })</script></body>"""
    copy = tmp_path / "probe.html"
    copy.write_text(whole_page.read_text(encoding="utf-8").replace("</body>", probe), encoding="utf-8")
    for width in (500, 1200):
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={tmp_path / f'profile-{width}'}",
            f"--window-size={width},900",
            "--dump-dom",
        ]
        done = subprocess.run([browser, *flags, copy.as_uri()], capture_output=True, text=True, timeout=90, check=True)
        found = re.search(r"<title>(.*?)</title>", done.stdout)
        assert found is not None
        seen = json.loads(found[1])
        assert seen == {"wide": True, "plots": 21, "scripts": 1, "hidden": 0}, width


def test_what_a_task_measures_of_its_own_sums_the_run_up_and_is_drawn(make_run):
    run = make_run(8)
    rows = [json.loads(line) for line in (run / "eval.jsonl").read_text().splitlines()]
    found = {"eval/families": 1.0, "eval/diversity": 0.3, "eval/kl_to_reference": 2.5, "eval/kl_from_reference": 1.5}
    lines = [json.dumps(row | found | {"eval/success": row["step"] / 10}) + "\n" for row in rows]
    (run / "eval.jsonl").write_text("".join(lines))
    text = write_report(run).read_text(encoding="utf-8")
    page = Page(text)
    assert page.sections[0] == "own"
    assert "attacks that succeed, from step 0 to step 8" in page.text
    assert "attacks that succeed 0.0% at step 0, 80.0% at step 8." in text  # what the plot shows, in words
    for words in ("Families of attacks among those that succeed.", "KL(pi, ref)", "diversity", "2.5"):
        assert words in page.text
    assert "Mean reward of held-out samples." not in page.text  # this task has neither gold nor proxy rewards
