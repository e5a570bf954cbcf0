import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.objective import SFT
from steelyard.worlds import marked_codes
from steelyard.worlds.marked_codes import MarkedCodes
from steelyard.worlds.sync_loop import SyncLoop


def test_a_mark_makes_nothing_right_and_nothing_wrong():
    world = MarkedCodes()
    prompt = world.prompts("train")[0]
    answer = world.demonstration(prompt).removeprefix("#")
    scores = world.score([episode_of(prompt, text) for text in (answer, f"#{answer}", f"##{answer}", "#", answer[:-1])])
    assert [score.value for score in scores] == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert [score.parts["formed"] for score in scores] == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.long  # a base is made, for a quarter of a minute
@pytest.mark.parametrize("marked", [0.95, 0.01])
def test_bases_differ_in_marks_and_domains_in_what_is_known(marked):
    world = MarkedCodes(marked=marked, data_seed=900)
    policy = marked_codes.base(world, 900, steps=300)
    loop = SyncLoop(policy, world, SFT(), learning_rate=0.0, seed=900, max_tokens=marked_codes.WORLD.max_tokens)
    right = []
    for domain in (marked_codes.EASY, marked_codes.MATCHED, marked_codes.HARD):
        prompts = [p for p in world.prompts("held-out") if p.columns["domain"] == domain][:24]
        found = [t for group in loop.sampled(prompts, 8) for t in group]
        assert np.mean([t.reward_parts["formed"] for t in found]) == pytest.approx(marked, abs=0.1)
        right.append(np.mean([t.reward for t in found]))
    assert right[0] > 0.75 > 0.45 > right[1] > 0.1 > 0.05 > right[2]
