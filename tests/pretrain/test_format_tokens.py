"""Format tokens: which they are, and that preference tuning leaves them out of both sides and of nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from steelyard.core import Prompt
from steelyard.policy import Policy
from steelyard.pretrain.format_tokens import format_ids, without_format
from steelyard.pretrain.held_out_pairs import given_pair
from steelyard.recipes import find
from steelyard.task.preferences import Preference

PAIR = Preference(Prompt("p", "1+1="), "2", "33")


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen3"])
def test_the_end_is_read_and_not_learned(family, tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir(family)))
    ids = format_ids(policy)
    assert {*policy.eos_ids} <= ids
    whole = given_pair(policy, PAIR)
    masked = without_format(whole, ids)
    for before, after, said in zip(whole, masked, ("2", "33"), strict=True):
        assert np.array_equal(before.tokens_T, after.tokens_T)
        assert policy.decode(after.tokens_T[after.action_T]) == said
        assert before.action_T.sum() - after.action_T.sum() == 1
    same = without_format(whole, frozenset())
    assert all(np.array_equal(a.action_T, b.action_T) for a, b in zip(whole, same, strict=True))


def test_a_job_learns_from_what_is_left_and_measures_the_whole(tiny_model_dir, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(f'{{"prompt": "{n}+1=", "chosen": "{n}", "rejected": "aa"}}' for n in range(8)))
    job = replace(
        find("offline-dpo"), model=str(tiny_model_dir("llama")), path=str(path), max_completion_length=4,
        learning_rate=1e-2, batch_size=4, nll_weight=0.2,
    )  # fmt: skip
    rows = []
    for masked in (False, True):
        work = replace(job, format_masked=masked).open()
        before, _ = work.evaluate()
        first = work.step()
        rows.append((before, first["objective/chosen_nll"], work.step()["objective/margin"]))
    assert rows[0][0] == rows[1][0], "held-out pairs are measured whole"
    assert rows[0][1] != rows[1][1] and rows[0][2] != rows[1][2]
    bare = replace(job, nll_weight=0.0).open()
    assert "objective/chosen_nll" not in bare.step()
