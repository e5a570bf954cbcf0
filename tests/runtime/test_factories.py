"""How settings become live parts, where that depends on what they say to each other."""

import pytest

from steelyard.core import Weights
from steelyard.objective import GRPO
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.runtime.factories import make_policy, make_searcher, make_task
from steelyard.runtime.inline.delayed_store import DelayedWeightStore
from steelyard.task import Arithmetic


@pytest.mark.parametrize(("reward", "chunk"), [(None, 64), ("spurious:format", 64), ("spurious:majority", 96)])
def test_what_compares_samples_sees_a_whole_batch(reward, chunk):
    run = Run(
        task=Arithmetic(problems=64, held_out=16),
        objective=GRPO(),
        model="steelyard/arithmetic",
        replay=SingleUse(),
        search_prompts=12,
        reward=reward,
    )
    policy = make_policy(run)
    store = DelayedWeightStore(Weights.of(policy.weights(), 0))
    searcher = make_searcher(run, policy, run.task.prompts("train"), make_task(run).score, store, store)
    assert searcher.chunk == chunk
