"""The trajectories in a report: a bounded part, as text, behind a policy that allows one script."""

import base64
import hashlib
import json
import re
import shutil

from steelyard.report import write_comparison, write_report
from steelyard.report.records import read_run
from steelyard.report.watch import embed


def parts_of(page):
    """The JSON, the script and the policy of a page."""
    text = page.read_text("utf-8")
    (data,) = re.findall(r'<script type="application/json" id="embedded">(.*?)</script>', text, re.DOTALL)
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    (policy,) = re.findall(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', text)
    return json.loads(data), script, policy.replace("&#39;", "'")


def test_the_page_holds_the_newest_in_full_and_says_that_it_is_a_part(watched, monkeypatch):
    directory, _ = watched
    monkeypatch.setattr(embed, "MOST", 40)
    page = write_report(directory)
    (run,) = parts_of(page)[0]["runs"]
    assert [len(run["rows"]), len(run["episodes"])] == [40, 40]
    assert run["rows"][0]["seq"] > run["rows"][1]["seq"]
    newest = run["episodes"][0]
    assert (newest["version"], newest["reward"], len(newest["turns"])) == (3, 0.5, 4)
    assert len(newest["tokens"]["text"]) == len(newest["tokens"]["logp"]) == newest["length"]
    note = "The newest 40 of 122 trajectories in the file; steelyard watch shows all."
    assert f'data-note="{note}"' in page.read_text("utf-8")


def test_a_whole_buffer_needs_no_note_and_tokens_have_a_bound(watched):
    directory, _ = watched
    assert embed.embedded(["run"], [read_run(directory)]).note == ""
    found = embed.Browser(directory, {}).newest(200, 30)
    assert len(found["rows"]) == 1 and found["rows"][0]["length"] > 30  # the newest is there anyhow
    more = embed.Browser(directory, {}).newest(200, found["rows"][0]["length"] + 17)
    assert len(more["rows"]) == 3 and more["total"] == 122


def test_what_a_model_wrote_cannot_end_the_data_and_only_one_script_may_run(watched, evil):
    directory, _ = watched
    data, script, policy = parts_of(write_report(directory))
    assert data["runs"][0]["episodes"][0]["info"] == {"read": evil}
    text = (directory / "report.html").read_text("utf-8")
    assert "<script>document.title" not in text and text.count("</script>") == 2
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and policy.startswith("default-src 'none';")


def test_several_runs_and_one_without_a_buffer_or_with_a_damaged_one(watched, tmp_path):
    directory, _ = watched
    others = [shutil.copytree(directory, tmp_path / name) for name in ("bare", "damaged")]
    for other in others:
        for file in other.glob("replay.sqlite*"):
            file.unlink()
    (others[1] / "replay.sqlite").write_bytes(b"no database at all, whatever stands here" * 200)
    page = write_comparison([directory, *others], tmp_path / "all.html")
    runs = parts_of(page)[0]["runs"]
    assert [run["buffer"] for run in runs] == [True, False, True]
    assert "its buffer cannot be read (" in page.read_text("utf-8")
    assert "<script" not in write_report(others[0]).read_text("utf-8")


def test_the_page_tells_how_often_what_is_stored_was_drawn(watched):
    directory, buffer = watched
    drawn = [t for group in buffer.sample(4, 3, version=3, draw=0) for t in group]
    page = write_report(directory)
    (run,) = parts_of(page)[0]["runs"]
    assert sum(row["drawn"] for row in run["rows"]) == len(drawn) == 12
    text = page.read_text("utf-8")
    assert '<section id="buffer">' in text and "What is stored now, by times drawn for the learner: 0 to 1" in text
