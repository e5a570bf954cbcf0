from dataclasses import replace

import numpy as np

from steelyard.core import Prompt
from steelyard.recipes import find
from steelyard.replay import PrioritizedReplay
from steelyard.runtime.simulated.coarse import Finder, Grain, coarse, grain_of, length_of
from steelyard.searcher import Assignment

RUN = find("arithmetic")


def test_the_grain_grows_with_the_run():
    assert grain_of(RUN, 60e3) == Grain(1, 1)
    assert grain_of(RUN, 120e3) == Grain(2, 1)
    assert grain_of(RUN, 240e3) == Grain(4, 1), "a group keeps two samples"
    assert grain_of(RUN, 480e3) == Grain(4, 2)
    assert grain_of(RUN, 1e12) == Grain(4, 16), "a step keeps two prompts"
    odd = replace(RUN, num_prompts=7, search_prompts=3)
    assert grain_of(odd, 1e12) == Grain(4, 1)


def test_a_coarse_run_keeps_its_proportions():
    replay = PrioritizedReplay(capacity_per_prompt=10, capacity=1000, warmup=256)
    run = coarse(replace(RUN, replay=replay), Grain(4, 8))
    assert (run.num_generations, run.samples_searched, run.num_prompts, run.search_prompts) == (2, 2, 4, 4)
    assert run.replay == PrioritizedReplay(capacity_per_prompt=3, capacity=32, warmup=8)
    assert run.save_steps == 0


def test_short_completions_come_first_and_all_of_them_come():
    prompts = [Prompt("a", "a"), Prompt("b", "b")]
    batch = [Assignment(i % 2, i // 2) for i in range(6)]
    parts = [*Finder(prompts, (2, 4, 8), seed=0, chunk=4).find(batch, version=3)]
    lengths = [length_of(t) for _, part in parts for t in part]
    assert lengths == sorted(lengths)
    assert np.isclose(sum(share for share, _ in parts), 1)
    assert parts[0][0] == lengths[3] / lengths[-1], "a chunk is there when its longest is"
    found = [t for _, part in parts for t in part]
    assert {(t.prompt_id, t.sample) for t in found} == {(prompts[a.prompt].id, a.sample) for a in batch}
    assert {t.version for t in found} == {3}
    assert len({t.tokens_T.tobytes() for t in found}) == 6, "a replay drops what is exactly the same"
