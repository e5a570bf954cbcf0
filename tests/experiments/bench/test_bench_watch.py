"""What `bench watch` builds, in which order it runs, and what it makes of the times; the page itself is not timed."""

import pytest

from steelyard.core.json import JsonObject
from steelyard.experiments.bench import watch, watch_work
from steelyard.replay.browse import Filter
from steelyard.report.watch.asked import Asked
from steelyard.report.watch.browser import Browser


def test_the_made_up_run_has_so_many_trajectories_ten_of_a_prompt(tmp_path):
    run = watch_work.make_run(tmp_path / "run", rows=30, tokens=24)
    browser = Browser(run, {"run": {"model": watch_work.MODEL}})
    found = browser.page(Asked(Filter(), "newest", prompt="0"))
    assert (found["unread"], found["problem"]) == (0, "")
    everything: JsonObject = browser.page(Asked(Filter(), "newest"))
    assert everything["total"] == 30 and {row["length"] for row in everything["rows"]} == {24}
    assert len({row["asked"] for row in everything["rows"]}) == 3
    assert all(row["said"].isdigit() and len(row["said"]) == 4 for row in everything["rows"])


def test_the_sides_of_a_pair_take_turns_to_be_first(tmp_path, monkeypatch):
    ran: list[bool] = []

    def train(recipe, steps, place, looked_at):
        ran.append(looked_at)
        return (2.0, 0.5) if looked_at else (1.0, 0.0)

    monkeypatch.setattr(watch, "train", train)
    found = watch._pairs(watch.Watch(pairs=3), tmp_path, lambda line: None)
    assert ran == [False, True, True, False, False, True]
    assert found == {watch._ALONE: [1.0] * 3, watch._LOOKED_AT: [2.0] * 3, watch._SERVING: [0.5] * 3}


def test_a_table_by_hand():
    """Of 0 to 100 ms the middle is 50 and 95 % are up to 95; runs of 10 s take 10.1 and 10.2 s beside a page, of which
    its process is at work .0505 and .102 s."""
    rows = [
        {"what": "the newest 50", "seconds": [i / 1000 for i in range(101)]},
        {"what": watch._ALONE, "seconds": [10.0, 10.0]},
        {"what": watch._LOOKED_AT, "seconds": [10.1, 10.2]},
        {"what": watch._SERVING, "seconds": [0.0505, 0.102]},
    ]
    columns, lines = watch.table(rows)
    assert columns == ["", "p50", "p95"] and lines[0] == ["the newest 50", "50.0 ms", "95.0 ms"]
    assert lines[-2][1] == "+1.5 [+1.0, +2.0]"
    assert lines[-1][1] == "0.75 [0.50, 1.00]"


def test_an_answer_that_is_none_is_told(monkeypatch):
    class Answer:
        status = 400

        def read(self):
            return b'{"error": "is no run"}'

    class Connection:
        def request(self, method, path):
            assert (method, path) == ("GET", "/token/api/runs/9/rows?prompt=1%2B")

        def getresponse(self):
            return Answer()

    client = watch_work.Client("http://127.0.0.1:1/token/", 0)
    monkeypatch.setattr(client, "_connection", Connection())
    with pytest.raises(watch_work.FaultError, match="runs/9/rows is answered by 400"):
        client.ask("runs/9/rows", prompt="1+")
