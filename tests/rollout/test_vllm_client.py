import time

import pytest

from rollout.fake_vllm import FakeVllm, Refusal, serving, slowly
from steelyard.core import SteelyardError
from steelyard.rollout.vllm_client import ServerLostError, ServerRefusesError, VllmClient


@pytest.mark.parametrize(
    "url", ["", "vllm", "unix:", "https://127.0.0.1:1", "http://127.0.0.1:x", "http://127.0.0.1:1/a"]
)
def test_what_is_no_address(url):
    with pytest.raises(SteelyardError, match=r"--vllm\.url: '.*' is no address of a server; write http://127"):
        VllmClient(url, 1.0)


@pytest.mark.parametrize("host", ["10.0.0.1", "example.org", "0.0.0.0", "[2001:db8::1]"])
def test_only_this_machine_is_asked(host):
    with pytest.raises(SteelyardError, match=r"is not this machine; start the server on this machine"):
        VllmClient(f"http://{host}:8000", 1.0)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000/", "http://[::1]:8000", "unix:/a/b"])
def test_this_machine_has_several_names(url):
    assert VllmClient(url, 1.0).url == url


def test_nobody_is_there(tmp_path):
    for url in ("http://127.0.0.1:9", f"unix:{tmp_path / 'none'}"):
        with pytest.raises(ServerLostError, match=r"cannot be reached, or went away during /version \("):
            VllmClient(url, 1.0).get("/version")


def test_a_key_is_given_where_there_is_one(monkeypatch):
    fake = FakeVllm("m")
    fake.key = "a key"
    with serving(fake) as url:
        with pytest.raises(ServerRefusesError, match=r"says: Unauthorized \(401 at /version\)"):
            VllmClient(url, 5.0).get("/version")
        assert VllmClient(url, 5.0, "a key").get("/version") == {"version": "0.32.0"}
        monkeypatch.setenv("VLLM_API_KEY", "a key")
        assert VllmClient(url, 5.0).get("/version") == {"version": "0.32.0"}


def test_every_answer_has_a_deadline():
    fake = FakeVllm("m")
    fake.answers["/version"] = slowly(2.0, lambda body: {})
    with serving(fake) as url:
        began = time.monotonic()
        with pytest.raises(ServerLostError, match=r"said nothing to /version for 0.2 s"):
            VllmClient(url, 0.2).get("/version")
        assert time.monotonic() - began < 1.5
        assert VllmClient(url, 0.2).get("/version", deadline_s=20.0) == {}


def test_an_error_is_one_line():
    def fail(body):
        raise Refusal(503, "a\nb  " + "c" * 1000)

    fake = FakeVllm("m")
    fake.answers["/version"] = fail
    with serving(fake) as url, pytest.raises(ServerLostError) as caught:
        VllmClient(url, 5.0).get("/version")
    assert "is broken: a b ccc" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
