"""OpenEnv's protocol, against a server that says what the real one said, and against the real one where it is here."""

import gc
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from steelyard.core import Score, SteelyardError
from steelyard.task import TextGame, openenv_client
from steelyard.task.game import Asked, Told
from steelyard.task.games import first_texts, open_game

SERVER = Path(__file__).with_name("openenv_server.py")
SCHEMA = {
    "action": {"properties": {"metadata": {"type": "object"}, "message": {"type": "string"}}},
    "observation": {"properties": {"shown": {"type": "string"}, "left": {"type": "integer"}}},
    "state": {},
}
FULL = {"message": "Server at capacity: 1/1 sessions active", "code": "CAPACITY_REACHED"}
BROKEN = {"message": "the board broke", "code": "EXECUTION_ERROR"}
spoken = pytest.mark.skipif(find_spec("websockets") is None, reason="websockets is not installed")
real = pytest.mark.skipif(find_spec("openenv") is None, reason="openenv is not installed")


def asked(url: str, deadline_s: float = 10.0, **settings: object) -> Asked:
    return Asked(f"openenv:{url}", settings, (), deadline_s)


class Recorded:
    """A server of one session at a time, which counts down from the seed; some words make it misbehave."""

    def __init__(self) -> None:
        from websockets.sync.server import serve

        self.heard: list[dict] = []
        self.sessions = threading.Semaphore(1)
        self.server = serve(self.talk, "127.0.0.1", 0, process_request=self.page)
        self.url = f"http://127.0.0.1:{self.server.socket.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, connection, request):
        return connection.respond(200, json.dumps(SCHEMA)) if request.path == "/schema" else None

    def talk(self, connection) -> None:
        if not self.sessions.acquire(blocking=False):
            connection.send(json.dumps({"type": "error", "data": FULL}))
            return
        try:
            self.answer(connection)
        finally:
            self.sessions.release()

    def answer(self, connection) -> None:
        now = 0
        for text in connection:
            heard = json.loads(text)
            self.heard.append(heard)
            said = heard["data"].get("message", "")
            if said == "die":
                connection.socket.shutdown(socket.SHUT_RDWR)
                return
            if said == "sleep":
                time.sleep(1.0)
            if said == "fail":
                connection.send(json.dumps({"type": "error", "data": BROKEN}))
                continue
            if said == "babble":
                connection.send("[]")
                continue
            now = heard["data"]["seed"] if heard["type"] == "reset" else int(said)
            seen = {"observation": {"shown": f"{now}+", "left": now}, "reward": None, "done": now == 0}
            seen |= {} if heard["type"] == "reset" else {"reward": 0.5}
            connection.send(json.dumps({"type": "observation", "data": seen}))


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    server = Recorded()
    yield server
    server.server.shutdown()


@spoken
def test_the_protocol(recorded: Recorded) -> None:
    game = open_game(asked(recorded.url, reset={"start": 3}))
    assert game.reset(7) == "7+"
    assert game.step("4") == Told("4+", 0.5, False)
    assert game.step("0") == Told("", 0.5, True)
    assert game.reset(8) == "8+"
    game.close()
    assert recorded.heard == [
        {"type": "reset", "data": {"seed": 7, "start": 3}},
        {"type": "step", "data": {"message": "4"}},
        {"type": "step", "data": {"message": "0"}},
        {"type": "reset", "data": {"seed": 8, "start": 3}},
    ]


@spoken
@pytest.mark.parametrize(
    ("word", "error", "says"),
    [
        ("die", ConnectionError, "went away during step"),
        ("sleep", TimeoutError, "said nothing to step for 0.3 s"),
        ("fail", ValueError, "says: the board broke (EXECUTION_ERROR)"),
        ("babble", ValueError, "said something that is no message of OpenEnv"),
    ],
)
def test_a_server_that_fails_in_the_middle(recorded: Recorded, word: str, error: type[Exception], says: str) -> None:
    game = open_game(asked(recorded.url, deadline_s=0.3))
    game.reset(7)
    with pytest.raises(error) as raised:
        game.step(word)
    assert says in str(raised.value)
    assert recorded.url in str(raised.value)
    game.close()


@spoken
def test_a_full_server_is_asked_again_and_then_says_so(recorded: Recorded, monkeypatch) -> None:
    monkeypatch.setattr(openenv_client, "SLOT_S", 0.3)
    first, second = open_game(asked(recorded.url)), open_game(asked(recorded.url))
    first.reset(3)
    with pytest.raises(ConnectionError, match=r"capacity.* start it with max_concurrent_envs"):
        second.reset(4)
    monkeypatch.setattr(openenv_client, "SLOT_S", 10.0)
    threading.Timer(0.2, first.close).start()
    assert second.reset(4) == "4+"
    del second
    gc.collect()
    third = open_game(asked(recorded.url))
    assert third.reset(5) == "5+", "a game that was dropped has left its session"
    third.close()


@spoken
@pytest.mark.parametrize(
    ("url", "settings", "says"),
    [
        ("http://10.0.0.1:8000", {}, "--game: 10.0.0.1 is not this machine; start the server on this machine"),
        ("http://example.org", {}, "--game: example.org is not this machine"),
        ("http://127.0.0.1.example.org", {}, "is not this machine"),
        ("http://0.0.0.0:8000", {}, "--game: 0.0.0.0 is not this machine"),
        ("127.0.0.1:8000", {}, "is no address; write openenv:http://127.0.0.1:8000"),
        ("http://127.0.0.1:99999", {}, "is no address"),
        ("http://[127", {}, "is no address"),
        ("http://127.0.0.1:9", {}, "--game: no server answers at http://127.0.0.1:9 (ConnectionRefusedError"),
        ("SERVER/nowhere", {}, "is no OpenEnv server"),
        ("SERVER", {"field": "x"}, "--settings: an OpenEnv server is not told 'field'"),
        ("SERVER", {"action": 3}, "--settings: 'action' is the name of a field"),
        ("SERVER", {"reset": 3}, "--settings: 'reset' is an object"),
        ("SERVER", {"observation": "left"}, "--settings: its observation has the texts shown, and not 'left'"),
    ],
)
def test_what_is_refused(recorded: Recorded, url: str, settings: dict, says: str) -> None:
    with pytest.raises(SteelyardError) as refused:
        first_texts(asked(url.replace("SERVER", recorded.url), **settings), range(2))
    assert says in str(refused.value)


@pytest.mark.skipif(find_spec("websockets") is not None, reason="websockets is installed")
def test_where_it_is_not_installed_its_extra_is_named() -> None:
    with pytest.raises(SteelyardError, match=r"websockets is not installed; pip install 'steelyard\[openenv\]'"):
        open_game(asked("http://127.0.0.1:8000"))


def started(sessions: int) -> tuple[subprocess.Popen, str]:
    """The real server, in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SERVER), str(port), str(sessions)])
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        with socket.socket() as look:
            if look.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"http://127.0.0.1:{port}"
        time.sleep(0.2)
    process.kill()
    raise TimeoutError("the server did not begin")


@pytest.fixture(scope="module")
def openenv() -> Iterator[str]:
    process, url = started(sessions=8)
    yield url
    process.terminate()
    process.wait(20)


@real
def test_the_real_server(openenv: str) -> None:
    task = TextGame(
        game=f"openenv:{openenv}", settings='{"reset": {"start": 30}}', games=20, answer_template="\n{prompt}"
    )
    prompt = next(prompt for prompt in task.prompts("train") if int(str(prompt.text)[:-1]) > 3)
    one, other = task.environment(prompt, 0), task.environment(prompt, 1)
    assert one.reset(prompt) == prompt.text == other.reset(prompt)
    assert one.step("3") == "\n3+"
    assert other.step("2") == "\n2+", "each episode has an environment of its own"
    assert one.step("3") == Score(1.0)
    assert other.step("1") == "\n1+"
    with pytest.raises(ValueError, match="the board broke"):
        other.step("fail")
    assert other.truncate("") == Score(2.0)


@real
def test_the_real_server_dies_in_the_middle() -> None:
    process, url = started(sessions=2)
    game = open_game(asked(url))
    game.reset(1)
    process.kill()
    process.wait(20)
    with pytest.raises(ConnectionError, match="went away during step"):
        game.step("1")
    with pytest.raises(SteelyardError, match="no server answers"):
        open_game(asked(url))


@real
def test_a_run_on_the_real_server(openenv: str, tmp_path: Path, tiny_model_dir) -> None:
    words = f"train text-game --model {tiny_model_dir('llama')} --game openenv:{openenv} --games 12 --max-turns 3"
    words += " --runtime inline --max-steps 2 --num-prompts 2 --num-generations 4 --search-prompts 2"
    words += " --max-completion-length 2 --answer-template #{prompt} --evaluation.prompts 1"
    words += f" --evaluation.sampled-prompts 1 --evaluation.samples 2 --output-dir {tmp_path / 'run'}"
    done = subprocess.run(
        [sys.executable, "-m", "steelyard", *words.split()], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    assert sum(row["search/errors"] for row in rows) == 0
