"""How settings become live parts, where that depends on what they say to each other."""

import pytest

from steelyard.core import Episode, Score, Weights
from steelyard.objective import CRPG, GRPO
from steelyard.replay import SingleUse
from steelyard.runtime import Run
from steelyard.runtime.factories import constrained, make_policy, make_searcher, make_task
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


def test_judges_know_how_many_steps_there_are(tmp_path):
    path = tmp_path / "judges.py"
    path.write_text(
        "def kept(prompts, completions, trainer_state, **columns):\n    return [trainer_state.max_steps / 7]\n"
    )
    given = {"model": "steelyard/arithmetic", "max_steps": 7, "constraint": f"{path}:kept"}
    run = Run(task=Arithmetic(problems=8, held_out=4), objective=CRPG(), **given)
    reward = constrained(run, lambda episodes: [Score(1.0) for _ in episodes])
    (score,) = reward([Episode.written(run.task.prompts("train")[0], "")])
    reward.close()
    assert (score.value, score.parts, score.error) == (1.0, {"constraint/kept": 1.0}, None)
