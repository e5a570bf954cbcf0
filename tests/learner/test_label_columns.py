import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Sampling, SteelyardError, Trajectory, label
from steelyard.learner import collate

label("test_prompt_number", axes="P", kind=int, help="A number of the prompt.")
label("test_sample_share", axes="PG", kind=float, help="A share of the sample.")
label("test_step_flag", axes="PGT", kind=bool, default=False, help="A flag of the step.")


def trajectory(prompt: str, length: int, **labels: object) -> Trajectory:
    action_T = np.arange(length) > 0
    nothing_T = np.zeros(length, np.float32)
    return Trajectory(
        prompt, np.arange(length, dtype=np.int32), action_T, nothing_T, 0, "", Sampling(), "stop", reward=1.0,
        logp_ref_T=nothing_T, labels=labels,
    )  # fmt: skip


def test_collate_labels_by_hand():
    groups = [
        [trajectory("a", 3, retain=True, passes=False), trajectory("a", 2, retain=True)],
        [trajectory("b", 2, retain=False, test_step_flag=(True, False))],
    ]
    batch = collate(groups, ("retain", "passes", "domain", "test_step_flag"))
    assert batch.label("retain").tolist() == [True, False]
    assert batch.label("passes").tolist() == [[False, True], [True, True]]
    assert batch.label("domain").tolist() == [0, 0]
    assert batch.label("test_step_flag")[1, 0].tolist() == [True, False, False]
    assert not batch.label("test_step_flag")[0].any()
    assert batch.prompts(slice(1, 2)).label("retain").tolist() == [False]


@pytest.mark.parametrize(
    ("groups", "names", "message"),
    [
        ([[trajectory("a", 2)]], ("retain",), "prompt 'a', sample 0: has no label 'retain'"),
        ([[trajectory("a", 2, retain=True), trajectory("a", 2, retain=False)]], ("retain",), "disagree"),
        ([[trajectory("a", 2, domain=1.5)]], ("domain",), "its label 'domain' is 1.5"),
        ([[trajectory("a", 2, test_step_flag=(True,))]], ("test_step_flag",), "1 values for 2 tokens"),
        ([[trajectory("a", 2)]], ("no_such",), "unknown label"),
    ],
)
def test_what_cannot_be_collated_is_refused(groups, names, message):
    with pytest.raises(SteelyardError, match=message):
        collate(groups, names)


ROWS = st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(2, 5)), min_size=1, max_size=4)
NUMBERS = st.lists(st.tuples(st.integers(-9, 9), ROWS), min_size=1, max_size=5)


@given(NUMBERS, st.data())
def test_random_labels_come_out_where_they_were_put(drawn, data):
    groups = [
        [trajectory(f"p{p}", length, test_prompt_number=number, test_sample_share=share,
                    test_step_flag=tuple(t % 2 == p % 2 for t in range(length))) for share, length in rows]
        for p, (number, rows) in enumerate(drawn)
    ]  # fmt: skip
    names = ("test_prompt_number", "test_sample_share", "test_step_flag")
    batch = collate(groups, names)
    assert batch.label("test_prompt_number").tolist() == [number for number, _ in drawn]
    for p, (_, rows) in enumerate(drawn):
        for g, (share, length) in enumerate(rows):
            assert batch.label("test_sample_share")[p, g].item() == share
            assert batch.label("test_step_flag")[p, g, :length].tolist() == list(groups[p][g].labels["test_step_flag"])
    cut = data.draw(st.integers(0, len(groups) - 1))
    part = collate(groups[cut:], names)
    width = part.logp_PGT.shape[2]
    size = part.logp_PGT.shape[1]
    whole = batch.prompts(slice(cut, None))
    assert torch.equal(part.label("test_prompt_number"), whole.label("test_prompt_number"))
    assert torch.equal(part.label("test_step_flag"), whole.label("test_step_flag")[:, :size, :width])
