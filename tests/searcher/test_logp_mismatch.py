"""The probe is silent where engine and learner agree, and stops a batch where they do not."""

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch

from steelyard.core import FaultError, Request, Sampling, Trajectory, Weights
from steelyard.policy import LoRA, Policy, loading
from steelyard.rollout import TransformersEngine
from steelyard.searcher import Assignment, LogpMismatch, Searcher
from steelyard.searcher.logp_mismatch import PROBED, choose, compare

BATCH = [Assignment(p, s) for p in range(2) for s in range(8)]
FAMILIES = ("llama", "qwen3", "gpt2", "gpt-neox")


class Raw(TransformersEngine):
    """Samples at the temperature asked for, but records log-probabilities of the logits as they are (TRL#4159)."""

    def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
        for t in super().generate(requests, sampling):
            with torch.no_grad():
                tokens_NT, action_NT = torch.tensor(t.tokens_T)[None].long(), torch.tensor(t.action_T)[None]
                logp_NT = self.policy.step_logp(tokens_NT, torch.ones_like(action_NT), action_NT).logp_NT
            yield t.replace(logp_behaviour_T=logp_NT[0].numpy())


class Deaf(TransformersEngine):
    """Takes the name of new weights and goes on with its own (verl#7495)."""

    def load(self, weights: Weights) -> None:
        self._staged.version, self._staged.digest = weights.version, weights.digest


class Stubborn(TransformersEngine):
    """Takes no new weights, and says so."""

    def load(self, weights: Weights) -> None:
        pass


class Apart(TransformersEngine):
    """Has a model of its own, as an engine in another process has."""

    def __init__(self, policy: Policy, seed: int) -> None:
        super().__init__(Policy(*loading.load(policy.model.name_or_path, "float32")), seed)


def publish_other(searcher: Searcher, seed: int = 0) -> None:
    data = searcher.policy.weights()
    noise = np.random.default_rng(seed).normal(0, 0.1, data.nbytes // 4).astype(np.float32)
    data.view(np.float32)[:] += noise
    searcher.weights.publish(Weights.of(data, 1))


def search(searcher: Searcher) -> list[Trajectory]:
    return [t for part in searcher.search(BATCH) for t in part]


def caught(searcher: Searcher) -> str:
    """The complaint; nothing of the batch has been yielded before it."""
    with pytest.raises(FaultError, match="engine and learner disagree") as error:
        next(searcher.search(BATCH))
    assert error.value.exit_code == 1
    return str(error.value)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("engine", [TransformersEngine, Apart])
@pytest.mark.parametrize("heat", [1.0, 0.7, math.inf])
def test_engine_and_learner_agree(
    make: Callable[..., Searcher], family: str, engine: type[TransformersEngine], heat: float
) -> None:
    searcher = make(family=family, engine=engine, search=heat)
    assert searcher.logp_mismatch is None
    search(searcher)
    first = searcher.logp_mismatch
    publish_other(searcher)
    search(searcher)
    for gauge in (first, searcher.logp_mismatch):
        assert gauge is not None
        assert 0 <= gauge.mean <= gauge.max < 1e-4
        assert gauge.tokens >= PROBED


@pytest.mark.parametrize("family", FAMILIES)
def test_bfloat16_is_within_the_bound(make: Callable[..., Searcher], family: str) -> None:
    searcher = make(family=family, dtype="bfloat16", search=Sampling(1.0, 24))
    search(searcher)
    assert searcher.logp_mismatch is not None
    assert searcher.logp_mismatch.mean < 0.05


def test_the_numbers_by_hand(make: Callable[..., Searcher]) -> None:
    """Two trajectories whose log-probabilities are moved by 0.5 in one action and by -0.25 in another."""
    searcher = make()
    found = search(searcher)[:2]
    moved = []
    for t, shift in zip(found, (0.5, -0.25), strict=True):
        logp_T = t.logp_behaviour_T.copy()
        logp_T[np.flatnonzero(t.action_T)[-1]] += shift
        moved.append(t.replace(logp_behaviour_T=logp_T))
    tokens = sum(int(t.action_T.sum()) for t in found)
    gauge = compare(searcher.policy, searcher.refresh(), moved)
    assert gauge.tokens == tokens
    assert gauge.max == pytest.approx(0.5, abs=1e-5)
    assert gauge.mean == pytest.approx(0.75 / tokens, abs=1e-5)


def test_a_wrong_temperature_is_caught(make: Callable[..., Searcher]) -> None:
    searcher = make(engine=Raw, search=0.5)
    said = caught(searcher)
    assert "of version 0" in said
    assert "the bound on the mean is 0.05" in said
    assert "temperature" in said
    assert searcher.logp_mismatch is None
    search(make(engine=Raw, search=1.0))  # at 1 there is nothing to forget


@pytest.mark.parametrize("lora", [None, LoRA(rank=2)])
def test_weights_that_never_reach_the_engine_are_caught(make: Callable[..., Searcher], lora: LoRA | None) -> None:
    searcher = make(engine=Deaf, lora=lora)
    search(searcher)  # the first weights are its own
    publish_other(searcher)
    assert "of version 1" in caught(searcher)


def test_an_engine_that_names_other_weights_is_caught(make: Callable[..., Searcher]) -> None:
    searcher = make(engine=Stubborn)
    search(searcher)
    publish_other(searcher)
    assert "the engine samples version 0" in caught(searcher)


def test_what_is_not_a_number_is_caught(make: Callable[..., Searcher]) -> None:
    class Nan(TransformersEngine):
        def generate(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[Trajectory]:
            for t in super().generate(requests, sampling):
                yield t.replace(logp_behaviour_T=np.where(t.action_T, np.nan, 0.0).astype(np.float32))

    assert "mean nan" in caught(make(engine=Nan))


def test_the_bound_is_a_setting(make: Callable[..., Searcher]) -> None:
    searcher = make(engine=Raw, search=0.5, max_logp_mismatch=100.0)
    assert len(search(searcher)) == len(BATCH)
    assert searcher.logp_mismatch is not None
    assert searcher.logp_mismatch.mean > 0.05


@pytest.mark.parametrize("cut", [Sampling(0.0, 6), Sampling(1.0, 6, top_p=0.5), Sampling(1.0, 6, top_k=2)])
def test_greedy_and_cut_sampling_are_left_out(make: Callable[..., Searcher], cut: Sampling) -> None:
    searcher = make(search=cut)
    assert len(search(searcher)) == len(BATCH)
    assert searcher.logp_mismatch is None


def test_it_changes_nothing(make: Callable[..., Searcher], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it swaps weights while the engine still decodes the rest of the batch."""
    with_probe, without = make(chunk=3), make(chunk=3)
    for searcher in (with_probe, without):
        publish_other(searcher)
    found = search(with_probe)
    assert with_probe.policy.weights().tobytes() == with_probe.weights.read().data.tobytes()
    monkeypatch.setattr("steelyard.searcher.searcher.probe", lambda *_: None)
    for a, b in zip(found, search(without), strict=True):
        assert a.tokens_T.tolist() == b.tokens_T.tolist()
        assert a.logp_behaviour_T.tolist() == b.logp_behaviour_T.tolist()


def test_the_choice_depends_on_the_address_alone(make: Callable[..., Searcher]) -> None:
    found = search(make())
    names = [(t.prompt_id, t.sample) for t in choose(found)]
    assert len(names) == PROBED
    assert [(t.prompt_id, t.sample) for t in choose(found[::-1])] == names
    later = [(t.prompt_id, t.sample) for t in choose([t.replace(version=5) for t in found])]
    assert later != names
    assert len(choose(found[:2])) == 2


def test_only_the_first_chunk_is_compared(make: Callable[..., Searcher], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr("steelyard.searcher.searcher.probe", lambda _, __, found, *___: seen.append(len(found)))
    search(make(chunk=5))
    assert seen == [5]


def test_the_gauge_is_the_latest(make: Callable[..., Searcher]) -> None:
    searcher = make()
    searcher.logp_mismatch = LogpMismatch(9.0, 9.0, 1)
    search(searcher)
    assert searcher.logp_mismatch != LogpMismatch(9.0, 9.0, 1)
