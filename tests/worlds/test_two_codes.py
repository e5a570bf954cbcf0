import re

import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.objective import SFT
from steelyard.worlds import two_codes
from steelyard.worlds.sync_loop import SyncLoop


def test_a_broken_answer_has_not_the_format_and_is_wrong():
    task = two_codes.task(900)
    prompt = task.prompts("train")[0]
    answer = task.demonstration(prompt)
    assert re.fullmatch(two_codes.FORMAT, answer)
    assert not re.fullmatch(two_codes.FORMAT, answer[:-1])
    assert [s.value for s in task.score([episode_of(prompt, answer), episode_of(prompt, answer[:-1])])] == [1.0, 0.0]


@pytest.mark.long  # a base is made, for a quarter of a minute
def test_the_base_is_aligned_with_one_task_and_not_with_the_other():
    task = two_codes.task(900)
    policy = two_codes.base(task, 900)
    loop = SyncLoop(policy, task, SFT(), learning_rate=0.0, seed=900, max_tokens=two_codes.WORLD.max_tokens)
    rates = {}
    for domain in (two_codes.KNOWN, two_codes.UNKNOWN):
        prompts = [p for p in task.prompts("held-out") if p.columns["domain"] == domain]
        groups = loop.sampled(prompts[:32], 16)
        rates[domain] = np.mean([t.reward for group in groups for t in group])
        rates[domain, "pass"] = np.mean([any(t.reward for t in group) for group in groups])
    assert rates[two_codes.KNOWN] == pytest.approx(0.36, abs=0.15)
    assert rates[two_codes.KNOWN, "pass"] > 0.9
    assert rates[two_codes.UNKNOWN, "pass"] < 0.4
