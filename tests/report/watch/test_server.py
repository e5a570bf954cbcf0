"""The live page's answers: right, read-only, quick to say no."""

import hashlib
import json
import socket
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from steelyard.core import SteelyardError, moved
from steelyard.report.watch import browser, prompt_texts
from steelyard.report.watch.episode import parts_of
from steelyard.report.watch.follow import FollowedRows, FollowedRun
from steelyard.report.watch.loopback import listen
from steelyard.report.watch.server import HEADERS, make_app


@pytest.fixture
def client(watched):
    return TestClient(make_app([watched[0]], "secret"), base_url="http://127.0.0.1")


def test_without_the_token_there_is_nothing(client):
    for path in ("/", "/wrong/", "/secre/", "/api/runs", "/secret2/api/runs", "/%73ecre/", "//secret/", "/é/"):
        answer = client.get(path)
        assert answer.status_code == 403, path
        assert HEADERS.items() <= dict(answer.headers).items() and "arithmetic" not in answer.text
    assert client.get("/secret/").status_code == 200
    assert client.get("/secret/", headers={"host": "evil.example"}).status_code == 400, "a name bound to this address"
    assert client.post("/secret/api/runs").status_code == 405
    for path in ("page/../server.py", "page/%2e%2e/server.py", "page//etc/passwd"):
        assert client.get(f"/secret/{path}").status_code == 404
    assert "access-control-allow-origin" not in client.get("/secret/api/runs").headers


def test_curves_are_the_reports_and_are_sent_once(client, watched, monkeypatch):
    monkeypatch.setattr("steelyard.report.watch.live_page.pause", lambda spent: 0.0)
    found = client.get("/secret/api/curves").json()
    assert found["heading"]["title"] == "arithmetic, seed 3" and found["states"] == {"run": "finished"}
    sections = {section["id"]: section for section in found["sections"]}
    accuracy = sections["accuracy"]["figures"][0]
    assert accuracy["kind"] == "lines" and accuracy["share"] and len(accuracy["series"][0]["low"]) == 9
    assert sections["staleness"]["figures"][0]["kind"] == "bars" and sections["style"]["figures"][0]["kind"] == "areas"
    assert client.get("/secret/api/curves", params={"seen": found["key"]}).json().keys() == {"key", "again_s"}
    with (watched[0] / "metrics.jsonl").open("a") as file:
        file.write('{"step": 9, "learner/loss": 0.5}\n{"step": 10, "lear')
    later = client.get("/secret/api/curves", params={"seen": found["key"]}).json()
    assert next(s for s in later["sections"] if s["id"] == "loss")["figures"][0]["series"][0]["at"][-1] == 9


def test_pages_of_trajectories(client):
    first = client.get("/secret/api/runs/0/rows").json()
    assert (first["total"], len(first["rows"]), first["next"]) == (121, 50, 50)
    assert first["rows"][0]["reward"] == 0.5 and first["rows"][0]["turns"] == 3
    query = {"offset": 100, "until": first["until"]}
    last = client.get("/secret/api/runs/0/rows", params=query).json()
    assert (len(last["rows"]), last["next"]) == (21, None)
    assert last["rows"][-1]["asked"] == "0+0=" and last["rows"][-1]["said"] == "0"
    query = {"prompt": "7+", "order": "reward-high", "version_low": 0, "reward_low": 0.5}
    found = client.get("/secret/api/runs/0/rows", params=query).json()
    assert {row["asked"] for row in found["rows"]} == {"7+7=", "17+17=", "27+27=", "37+37="}
    assert {row["reward"] for row in found["rows"]} == {1.0}
    seq, id = next((row["seq"], row["prompt_id"]) for row in found["rows"] if row["asked"] == "7+7=")
    same = client.get("/secret/api/runs/0/rows", params={"same": seq, "order": "version"}).json()
    assert {row["asked"] for row in same["rows"]} == {"7+7="}
    by_id = client.get("/secret/api/runs/0/rows", params={"prompt": id[2:14].upper()}).json()
    assert by_id["total"] == 3 and {row["prompt_id"] for row in by_id["rows"]} == {id}, "an id is a hash here"
    assert [row["version"] for row in same["rows"]] == [2, 1, 0]


def test_a_search_goes_on_where_its_time_ended(client, monkeypatch):
    monkeypatch.setattr(browser, "BUDGET", 0.0)
    monkeypatch.setattr(browser, "_CHUNK", 100)
    query = {"text": "21+21="}
    first = client.get("/secret/api/runs/0/rows", params=query).json()
    assert (first["total"], first["next"]) == (121, 100)
    second = client.get("/secret/api/runs/0/rows", params={**query, "offset": 100, "until": first["until"]}).json()
    assert second["next"] is None
    assert len(first["rows"]) + len(second["rows"]) == 3


def test_prompts_are_read_in_steps_once_and_the_text_of_answers_is_not_theirs(client, monkeypatch):
    monkeypatch.setattr(browser, "BUDGET", 0.0)
    monkeypatch.setattr(prompt_texts, "_CHUNK", 15)
    read = []
    monkeypatch.setattr(prompt_texts, "parts_of", lambda t: read.append(t.prompt_id) or parts_of(t))
    steps = [client.get("/secret/api/runs/0/rows", params={"prompt": "21+21="}).json() for _ in range(4)]
    assert [step["unread"] for step in steps] == [26, 11, 0, 0] and len(read) == len(set(read)) == 41
    assert [len(step["rows"]) for step in steps] == [0, 0, 3, 3]
    assert (
        client.get("/secret/api/runs/0/rows", params={"prompt": "look"}).json()["total"] == 0
    )  # an environment's word


def test_a_trajectory_in_full(client, evil):
    seq = client.get("/secret/api/runs/0/rows").json()["rows"][0]["seq"]
    one = client.get(f"/secret/api/runs/0/rows/{seq}").json()
    assert [turn["by"] for turn in one["turns"]] == ["prompt", "policy", "environment", "policy"]
    texts = ["".join(one["tokens"]["text"][turn["begin"] : turn["end"]]) for turn in one["turns"]]
    assert texts == [f"{evil}1", f"{evil} héé 漢", "look ", "done"]
    drawn = sum(turn["end"] - turn["begin"] for turn in one["turns"] if turn["by"] == "policy")
    assert one["residual"] == pytest.approx(0.05 * 0.5 * drawn - 0.5), "beta (log pi - log pi_ref) - r"
    assert (one["version"], one["arrived"], one["staleness_at_arrival"], one["gone"]) == (3, 3, 0, None)
    assert client.get("/secret/api/runs/0/rows/999999").json()["error"].startswith("trajectory 999999: is no longer")


def test_a_line_of_a_megabyte_is_listed_found_and_opened_in_part(client, watched, say):
    watched[1].add([say("long=", [f"{'x' * 2**20}needle"], version=3, reward=1.0)], version=3)
    listed = client.get("/secret/api/runs/0/rows")
    (row,) = [row for row in listed.json()["rows"] if row["asked"] == "long="]
    assert row["length"] == 2**20 + 11 and len(row["said"]) == 240 and len(listed.content) < 100_000
    found = client.get("/secret/api/runs/0/rows", params={"text": "xneedle", "prompt": "long="}).json()
    assert [one["seq"] for one in found["rows"]] == [row["seq"]]
    opened = client.get(f"/secret/api/runs/0/rows/{row['seq']}")
    assert opened.json()["tokens_left_out"] == 2**20 + 11 - 20_000 and len(opened.content) < 3_000_000


def test_a_removed_trajectory_says_why(client):
    found = client.get("/secret/api/runs/0/rows", params={"state": "removed"}).json()
    (row,) = found["rows"]
    one = client.get(f"/secret/api/runs/0/rows/{row['seq']}").json()
    assert one["why"] == "duplicates" and one["gone"] == row["seq"] + 2, "the equal one came, then it was removed"


def test_a_search_in_a_file_that_went_back_finds_what_it_holds_now(client, watched, say):
    def found(text: str) -> list[int]:
        answer = client.get("/secret/api/runs/0/rows", params={"text": text, "prompt": "late"}).json()
        return [row["seq"] for row in answer["rows"]]

    buffer = watched[1]
    before = buffer.state()
    buffer.add([say(prompt, ["former"], version=3) for prompt in ("late", "later")], version=3)
    (newest, seq) = found("former")
    buffer.restore(before, keep_later=False)
    buffer.add([say("late", ["latter"], version=3)], version=3)
    assert newest > seq and found("latter") == [seq] and found("former") == []


def test_two_tabs_make_the_buffers_view_once(client, monkeypatch):
    made = []
    monkeypatch.setattr(browser, "buffer_figures", lambda index: made.append(index) or [])
    monkeypatch.setattr(browser, "pause", lambda spent: 60.0)
    one, two = (client.get("/secret/api/runs/0/buffer").json() for _ in range(2))
    assert len(made) == 1 and one["facts"] == two["facts"] and 50 < two["again_s"] <= one["again_s"] <= 60


def test_the_buffer_over_time(client):
    found = client.get("/secret/api/runs/0/buffer").json()
    assert found["facts"]["trajectories"] == 121 and found["facts"]["admitted, so far"] == 122
    made = found["figures"][0]
    assert made["name"] == "composition" and made["at"][-1] == 3
    assert [sum(shares) for shares in zip(*made["stacks"], strict=True)] == pytest.approx([1.0] * len(made["at"]))
    assert made["stacks"][0][0] == 1.0 and made["stacks"][0][-1] == pytest.approx(40 / 121)


def test_wrong_questions_are_refused_in_one_line(client):
    long = f"text={'x' * 1001}"
    numbers = ("offset=-1", "offset=x", "until=1e9", f"offset={'9' * 30}", "reward_low=nan", "reward_low=cheap")
    for query in (*numbers, "order=reward;drop", "state=gone", long):
        answer = client.get(f"/secret/api/runs/0/rows?{query}")
        assert answer.status_code == 400 and "\n" not in answer.json()["error"], query
    assert (
        client.get("/secret/api/runs/1/rows").status_code == client.get("/secret/api/curves?runs=7").status_code == 400
    )
    for path in ("0/rows/9223372036854775808", "0/rows/-1", "0/rows/x", "x/rows", f"{'9' * 5000}/buffer", "1/rows/5"):
        answer = client.get(f"/secret/api/runs/{path}")
        assert answer.status_code == 400 and "\n" not in answer.json()["error"], path


def test_nothing_of_the_run_changes(client, watched):
    def contents() -> dict[str, str]:
        return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in watched[0].rglob("*") if p.is_file()}

    watched[1].close()
    before = contents()
    for path in ("", "api/curves", "api/runs/0/rows?text=1", "api/runs/0/buffer", "api/runs/0/rows/5"):
        assert client.get(f"/secret/{path}").status_code == 200
    assert contents() == before


def test_a_file_that_was_cut_and_written_on_is_read_again(tmp_path):
    path = tmp_path / "metrics.jsonl"
    rows = FollowedRows(path)
    assert not rows.look()
    lines = [json.dumps({"step": s, "way": "a" * 90}) for s in range(6)]
    path.write_text("\n".join(lines) + "\n")
    assert rows.look() and len(rows.rows) == 6 and not rows.look()
    path.write_text("\n".join([*lines[:2], *(line.replace("a", "b") for line in lines[:6])]) + "\n")
    assert rows.look() and [row["step"] for row in rows.rows] == [0, 1, 0, 1, 2, 3, 4, 5]
    path.write_text("nonsense\n")
    with pytest.raises(SteelyardError, match="line 1 is not a JSON object"):
        rows.look()


def test_a_followed_run_has_todays_names_and_the_settings_it_was_resumed_with(make_run):
    directory = make_run(steps=8)
    old, new = next(iter(moved.METRICS.items()))
    with (directory / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 9, old: 0.25}) + "\n")
    run = FollowedRun(directory)
    assert run.look().records.metrics[-1] == {"step": 9, new: 0.25}
    config = json.loads((directory / "config.json").read_text()) | {"version": "resumed"}
    (directory / "config.json").write_text(json.dumps(config))
    count = run.look().count
    assert run.look().records.config == config and run.look().count == count == 2


def test_a_port_that_is_taken():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SteelyardError, match=f"--port: {port} cannot be used"):
            listen(port)


def test_the_page_asks_nobody_else():
    page = Path(browser.__file__).parent / "page"
    for file in page.iterdir():
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "://" not in text and "innerHTML" not in text and "eval(" not in text, file.name
    assert "<script>" not in (page / "index.html").read_text() and "style=" not in (page / "index.html").read_text()
