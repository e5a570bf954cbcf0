import numpy as np
import pytest

from steelyard.core import Prompt, SteelyardError
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.task.answered import AnsweredFile
from steelyard.unlearn import Reworded
from steelyard.unlearn.audit import mean_logp
from steelyard.unlearn.material import Material, reworded_of

ROWS = [
    {"prompt": "1+1=", "answer": 2, "reworded": ["2*1=", "3-1="]},
    {"prompt": "1+2=", "answer": 3, "reworded": ["2+1="]},
    {"prompt": "1+3=", "answer": 4},
]


def placed(rows):
    return [(f"f.jsonl, line {i}", row) for i, row in enumerate(rows, start=1)]


def test_every_wording_is_asked_with_the_rows_answer():
    policy = Policy.load("steelyard/arithmetic")
    table = Reworded(max_completion_length=4).audit(policy, placed(ROWS))
    said = [("2*1=", "2"), ("3-1=", "2"), ("2+1=", "3")]
    given = [demonstration(policy, Prompt("", text), answer) for text, answer in said]
    assert table.number("reworded", "questions") == 3
    assert table.number("reworded", "probability") == pytest.approx(np.exp(mean_logp(policy, given)).mean())
    assert table.number("reworded", "truth") is None


def test_without_other_words_it_is_not_measured():
    assert Reworded().lacks(Material([])) == "prompts in other words (a column reworded, or --reworded FILE)"
    with pytest.raises(SteelyardError, match="audit: cannot be measured without prompts in other words"):
        Reworded().audit(Policy.load("steelyard/arithmetic"), placed(ROWS[2:]))


def test_other_words_stand_in_a_template_as_the_prompt_does():
    (row,) = [AnsweredFile(prompt_template="Q{prompt}A").answered(ROWS[1], "x")]
    assert [one.prompt.text for one in reworded_of([row])] == ["Q2+1=A"]


@pytest.mark.parametrize(("row", "said"), [
    ({"reworded": "2"}, "line 1: column 'reworded' is no list of prompts in other words"),
    ({"reworded": [" "]}, "line 1: there is no prompt: column 'reworded' is empty"),
    ({"part": "kept"}, "line 1: column 'part' is 'kept'; write one of forget, held-out, retain"),
])  # fmt: skip
def test_bad_rows_are_refused(row, said):
    with pytest.raises(SteelyardError, match=said):
        Reworded().audit(Policy.load("steelyard/arithmetic"), placed([ROWS[0] | row]))
