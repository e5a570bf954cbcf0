"""The preference study reads its runs, judges by the frontier, and draws; its recipes are what it says."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.fabricated import fabricate
from steelyard.experiments.harness.frontier import common_levels, frontier
from steelyard.experiments.harness.run_index import label
from steelyard.experiments.studies import preference, preference_recurring
from steelyard.experiments.studies._preference.comparison import LAGS
from steelyard.experiments.studies.preference import COMPARISON, METHODS
from steelyard.recipes import load

PATH = [(0.0, 0.5), (2.0, 0.7), (6.0, 0.8), (10.0, 0.4)]


def rows(path, gain=0.0):
    return [
        {
            "step": 10 * i, "eval/gold_win_rate": win + gain * (i > 0), "eval/kl_to_reference": kl, "eval/gold": win,
            "eval/kl_from_reference": kl / 2, "eval/perplexity_reference": 2.0 + kl, "eval/proxy": i * 1.0,
        }
        for i, (kl, win) in enumerate(path)
    ]  # fmt: skip


def study(root, **gains):
    for lag in LAGS:
        for method in METHODS:
            for seed in (0, 1, 2):
                made = rows(PATH, gains.get(method.split()[-1], 0.0) + 0.001 * seed)
                fabricate(root / label(f"{method}-lag{lag}", seed), made, seed=seed, trajectories=12_800)
    return root


def test_the_frontier_by_hand():
    kl, win = zip(*PATH, strict=True)
    assert frontier(kl, win, [0.0, 1.0, 2.0, 4.0, 6.0, 20.0]) == pytest.approx([0.5, 0.6, 0.7, 0.75, 0.8, 0.8])
    assert frontier([0.0, 5.0, 1.0], [0.5, 0.9, 0.6], [1.0]) == [0.6]  # a path may come back
    assert frontier([-0.1, 1.0], [0.5, 0.6], [0.0]) == [0.5]
    assert frontier([1.0], [0.5], [0.5]) == [float("-inf")]
    assert common_levels([4.0, 8.0], 4) == [1.0, 2.0, 3.0, 4.0]


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 1)), min_size=1, max_size=6))
def test_the_frontier_never_falls_and_ends_at_the_best(path):
    kl, win = zip((0.0, 0.5), *path, strict=True)
    levels = [0.5 * i for i in range(20)]
    found = frontier(kl, win, levels)
    assert found == sorted(found)
    assert found[-1] == pytest.approx(max(win))


def test_a_section_of_equal_curves_shows_all(tmp_path):
    section = preference.section(study(tmp_path / "study"))
    assert section.shown
    assert len(section.rows) == len(LAGS) * len(METHODS)
    assert all(len(row) == len(section.columns) for row in section.rows)
    assert len({len(row) for row in section.paper}) == 1
    assert section.draw is not None
    section.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_a_baseline_above_is_said_so(tmp_path):
    section = preference.section(study(tmp_path / "study", RLOO=0.05))
    verdicts = {claim.text.split("that of ")[-1].split(" (")[0]: claim.shown for claim in section.claims[:3]}
    assert verdicts == {"online DPO": True, "RLOO": False, "Dr. GRPO": True}


def test_methods_learn_from_as_many_samples_of_one_start():
    runs = [COMPARISON.run_of(method, 15, 100) for method in METHODS]
    assert len({run.num_prompts * run.num_generations for run in runs}) == 1
    assert len({run.search_prompts * run.num_generations for run in runs}) == 1
    assert len({(run.task, run.model, run.inline, run.evaluation, run.max_completion_length) for run in runs}) == 1
    tba = load("preference")
    assert tba.replay.warmup <= tba.search_prompts * tba.num_generations  # so the first batch is learned from too
    tldr = load("tldr")
    assert tldr.num_prompts * tldr.num_generations * tldr.max_steps == 40_960


def test_where_prompts_recur_each_is_visited_several_times_and_methods_differ_in_nothing_else():
    runs = {name: preference_recurring.COMPARISON.run_of(name, 15, 100) for name in preference_recurring.METHODS}
    assert [*runs] == ["weighted TBA", *METHODS]
    assert len({(run.task, run.model, run.inline, run.evaluation) for run in runs.values()}) == 1
    tba, weighted = runs["TBA"], runs["weighted TBA"]
    assert weighted == replace(tba, objective=weighted.objective)
    prompts = len(tba.task.prompts("train"))
    assert 4 <= tba.search_prompts * tba.max_steps / prompts <= 6


def test_each_of_ours_is_compared_with_each_of_theirs(tmp_path):
    for lag in LAGS:
        for method in preference_recurring.METHODS:
            fabricate(tmp_path / label(f"{method}-lag{lag}", 0), rows(PATH), trajectories=12_800)
    section = preference_recurring.section(tmp_path)
    assert len(section.claims) == 2 * 3 + 1
    assert sum("weighted TBA's" in claim.text for claim in section.claims) == 3
    assert section.draw is not None
    section.draw(tmp_path / "picture.png")
