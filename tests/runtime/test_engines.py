"""Which engine a run's searchers get, and servers that are of the wrong kind: one line, exit code 2, soon."""

import json
import time
from dataclasses import replace

import pytest

from rollout.drawn import requests_for, run
from rollout.fake_vllm import FakeVllm, serving
from steelyard.cli import main
from steelyard.core import Sampling, SteelyardError
from steelyard.objective import GRPO
from steelyard.rollout import NativeEngine
from steelyard.rollout.vllm_client import ServerLostError
from steelyard.rollout.vllm_http import VllmEngine
from steelyard.runtime import Run
from steelyard.runtime.engines import check_engine, searching_engine
from steelyard.runtime.factories import make_policy
from steelyard.runtime.run_parts import VllmPart
from steelyard.task import Arithmetic


@pytest.fixture
def arithmetic(tiny_model_dir):
    return Run(task=Arithmetic(problems=64, held_out=16), objective=GRPO(), model=str(tiny_model_dir("llama")))


def with_server(run_: Run, url: str) -> Run:
    return replace(run_, engine="vllm", vllm=VllmPart(url=url, deadline=5.0))


def test_an_own_engine_unless_another_is_named(arithmetic):
    check_engine(arithmetic)
    assert isinstance(searching_engine(arithmetic, make_policy(arithmetic)), NativeEngine)


def test_a_server_that_is_given(arithmetic):
    fake = FakeVllm(arithmetic.model, make_policy(arithmetic))
    with serving(fake) as url:
        given = with_server(arithmetic, url)
        check_engine(given)
        engine = searching_engine(given, make_policy(given))
        assert isinstance(engine, VllmEngine)
        assert len(run(engine, requests_for(2), Sampling(max_tokens=3))) == 6
        assert {t.version for t in engine.generate(requests_for(1), Sampling(max_tokens=3))} == {0}


def test_a_server_that_is_gone_by_now_is_nobodys_mistake(arithmetic):
    with serving(FakeVllm(arithmetic.model)) as url:
        given = with_server(arithmetic, url)
        check_engine(given)
    with pytest.raises(ServerLostError):
        searching_engine(given, make_policy(given))
    with pytest.raises(SteelyardError, match="start the server first"):
        check_engine(given)


def wrong_version(fake):
    fake.version = "0.11.2"


def wrong_model(fake):
    fake.model = "/models/another"


def no_development(fake):
    del fake.answers["/get_world_size"]


def silent(fake):
    fake.answers["/version"] = lambda body: time.sleep(30)


@pytest.mark.parametrize(("harm", "said"), [
    (wrong_version, "--engine vllm: vLLM 0.11.2 is too old; use vLLM 0.32 or newer"),
    (wrong_model, "serves /models/another, and not "),
    (no_development, "is not in development mode, in which it takes weights"),
    (silent, "said nothing to /version for 8 s"),
])  # fmt: skip
def test_a_wrong_server_is_one_line_within_ten_seconds(arithmetic, tmp_path, capfd, harm, said):
    fake = FakeVllm(arithmetic.model)
    harm(fake)
    with serving(fake) as url:
        flags = f"--engine vllm --vllm.url {url} --output-dir {tmp_path / 'new'}"
        began = time.process_time()  # other tests take their share of the clock
        assert main(f"train arithmetic --model {arithmetic.model} {flags}".split()) == 2
        assert time.process_time() - began < 10
    out, err = capfd.readouterr()
    assert out == ""
    assert said in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "new").exists()


def test_a_run_with_a_server_from_beginning_to_end(arithmetic, tmp_path):
    """Its tokens are drawn anyhow, and its log-probabilities are right: engine and learner agree in every batch."""
    fake = FakeVllm(arithmetic.model, make_policy(arithmetic))
    flags = (
        f"--model {arithmetic.model} --max-steps 3 --num-prompts 2 --search-prompts 2 --num-generations 4 "
        "--max-completion-length 6 --problems 64 --held-out 16 --replay.warmup 0 --save-steps 0 "
        "--evaluation.prompts 2 --evaluation.sampled-prompts 1 --evaluation.samples 1 --max-logp-mismatch 0.0001"
    )
    with serving(fake) as url:
        words = f"train arithmetic {flags} --engine vllm --vllm.url {url} --output-dir {tmp_path / 'run'} --json"
        assert main(words.split()) == 0
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["steps"] == 3
    assert (tmp_path / "run/model").is_dir()
    labels = [label for label in fake.labels if not label.startswith("steelyard")]
    assert [label.split()[0] for label in labels[:2]] == ["-1", "0"], "a trial comes first"
    assert len(labels) == len(set(labels))


def test_a_run_whose_adapters_go_alone(arithmetic, tmp_path):
    """By default: each version is an adapter, and engine and learner agree in every batch."""
    flags = (
        f"--model {arithmetic.model} --max-steps 3 --num-prompts 2 --search-prompts 2 --num-generations 4 "
        "--max-completion-length 6 --problems 64 --held-out 16 --replay.warmup 0 --save-steps 0 --lora-rank 2 "
        "--evaluation.prompts 2 --evaluation.sampled-prompts 1 --evaluation.samples 1 --max-logp-mismatch 0.0001"
    )
    fake = FakeVllm(arithmetic.model, make_policy(replace(arithmetic, lora_rank=2)))
    with serving(fake) as url:
        words = f"train arithmetic {flags} --engine vllm --vllm.url {url} --output-dir {tmp_path / 'run'} --json"
        assert main(words.split()) == 0
    assert json.loads((tmp_path / "run/result.json").read_text())["steps"] == 3
    assert fake.asked.count("/collective_rpc") == 1
    assert fake.asked.count("/v1/load_lora_adapter") > 3
    assert len(fake.adapters) == 1


def test_a_server_that_takes_no_adapters_is_one_line_before_the_run(arithmetic, tmp_path, capfd):
    fake = FakeVllm(arithmetic.model)
    fake.largest_rank = None
    with serving(fake) as url:
        flags = f"--lora-rank 2 --engine vllm --vllm.url {url} --output-dir {tmp_path / 'new'}"
        assert main(f"train arithmetic --model {arithmetic.model} {flags}".split()) == 2
    err = capfd.readouterr().err
    assert len(err.splitlines()) == 1
    assert "LoRA is not enabled" in err
    assert err.rstrip().endswith("VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, or add --vllm.lora merged")
    assert not (tmp_path / "new").exists()


def test_a_server_that_takes_no_adapters_is_not_asked_for_any_where_weights_go_merged(arithmetic, tmp_path):
    fake = FakeVllm(arithmetic.model)
    fake.largest_rank = None
    with serving(fake) as url:
        check_engine(replace(arithmetic, lora_rank=2, engine="vllm", vllm=VllmPart(url=url, lora="merged")))
    assert "/v1/load_lora_adapter" not in fake.asked


OWN = """
class Mine:
    def __init__(self, policy, seed):
        self.made_with = policy, seed

    def load(self, weights): ...

    def generate(self, requests, sampling):
        yield from ()


class Half:
    def __init__(self, policy, seed): ...

    def load(self, weights): ...


class Other:
    def __init__(self, policy): ...
"""


def test_an_engine_of_ones_own_is_made_with_the_policy_and_the_seed(arithmetic, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    named = {
        name: replace(arithmetic, seed=5, engine=f"{tmp_path}/mine.py:{name}") for name in ("Mine", "Half", "Other")
    }
    policy = make_policy(arithmetic)
    check_engine(named["Mine"])
    engine = searching_engine(named["Mine"], policy)
    assert (type(engine).__name__, engine.made_with) == ("Mine", (policy, 5))
    with pytest.raises(SteelyardError, match=r"mine.py:Half is no engine; give it load and generate"):
        searching_engine(named["Half"], policy)
    with pytest.raises(SteelyardError, match=r"mine.py:Other is not made with a policy and a seed"):
        check_engine(named["Other"])
