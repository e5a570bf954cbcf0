import pytest

from rollout.fake_vllm import FakeVllm, Refusal, serving, slowly
from steelyard.core import SteelyardError
from steelyard.rollout.vllm_check import check_server, check_version
from steelyard.rollout.vllm_client import VllmClient


@pytest.fixture
def fake(tmp_path):
    return FakeVllm(str(tmp_path))


def refused(fake, model):
    with serving(fake) as url, pytest.raises(SteelyardError) as caught:
        check_server(VllmClient(url, 2.0), model, 5.0)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_server_of_the_right_kind_says_how_long_its_context_is(fake, tmp_path):
    with serving(fake) as url:
        assert check_server(VllmClient(url, 2.0), str(tmp_path), 5.0) == 64
        link = tmp_path.parent / f"{tmp_path.name}-link"
        link.symlink_to(tmp_path)
        assert check_server(VllmClient(url, 2.0), str(link), 5.0) == 64, "the same directory by another name"
        fake.model = "owner/name"
        assert check_server(VllmClient(url, 2.0), "owner/name", 5.0) == 64


@pytest.mark.parametrize("version", ["0.32.0", "0.33.1.dev7+gabc", "1.0"])
def test_versions_that_are_new_enough(version):
    check_version(version)


@pytest.mark.parametrize(("version", "said"), [
    ("0.11.2", "vLLM 0.11.2 is too old; use vLLM 0.32 or newer"), ("", "it does not say its version"),
    ("dev", "vLLM dev is too old"),
])  # fmt: skip
def test_old_versions_are_refused(fake, tmp_path, version, said):
    fake.version = version
    assert said in refused(fake, str(tmp_path))


def test_another_model_is_refused(fake, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    assert "--model: http://127.0.0.1:" in refused(fake, str(other))
    assert f"serves {tmp_path}, and not {other}; start the server with the model" in refused(fake, str(other))


def test_a_server_without_development_mode_takes_no_weights(fake, tmp_path):
    del fake.answers["/get_world_size"]
    assert "is not in development mode, in which it takes weights; start it with VLLM_SERVER" in refused(
        fake, str(tmp_path)
    )


def test_several_devices_are_refused(fake, tmp_path):
    fake.answers["/get_world_size"] = lambda body: {"world_size": 2}
    assert "has 2 devices; start it with one" in refused(fake, str(tmp_path))


def test_a_server_must_take_tokens(fake, tmp_path):
    def closed(body):
        raise Refusal(403, "Scale-out endpoints are disabled.")

    fake.answers["/inference/v1/generate"] = closed
    assert (
        "Scale-out endpoints are disabled. (403 at /inference/v1/generate); start the server with --enable-scale-out"
        in (refused(fake, str(tmp_path)))
    )


def test_log_probabilities_must_be_those_of_what_is_drawn_from(fake, tmp_path):
    fake.answers["/inference/v1/generate"] = lambda body: fake.answer([3], [-0.7])
    assert "gives other log-probabilities than those of what it draws from; start it with --logprobs-mode" in (
        refused(fake, str(tmp_path))
    )


def test_somebody_else_answers(fake, tmp_path):
    fake.answers = {}
    assert "--vllm.url: " in refused(fake, str(tmp_path))
    fake.answers = {"/version": lambda body: b"<html>"}
    assert "answers /version with something that is no object" in refused(fake, str(tmp_path))


def test_all_that_is_asked_has_one_deadline(fake, tmp_path):
    for path in ("/version", "/v1/models", "/get_world_size", "/inference/v1/generate"):
        fake.answers[path] = slowly(0.5, fake.answers[path])
    with serving(fake) as url, pytest.raises(SteelyardError, match=r"said nothing to /get_world_size for 0\.[0-9]+ s"):
        check_server(VllmClient(url, 9.0), str(tmp_path), 1.2)


def test_nobody_answers(tmp_path):
    with pytest.raises(
        SteelyardError, match=r"--vllm\.url: http://127.0.0.1:9 cannot be reached.*start the server first"
    ):
        check_server(VllmClient("http://127.0.0.1:9", 1.0), str(tmp_path), 5.0)
