import json

import numpy as np
import pytest

from steelyard.core import SteelyardError
from steelyard.task.draws import DrawColumns, DrawFile, Example, Process, observed


def write(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)))
    return str(path)


def test_rows_are_grouped_by_their_task(tmp_path):
    rows = [
        {"task": "die", "description": "A die.", "output": 3},
        {"task": "names", "input": "Norway", "output": "Kari"},
        {"task": "die", "description": "Throws of a die.", "output": "1"},
        {"task": "die", "description": "A die.", "output": 3},
    ]
    die, names = DrawFile().read(write(tmp_path / "d.jsonl", rows), "--draws")
    assert die == Process("die", ("A die.", "Throws of a die."), (Example("3"), Example("1"), Example("3")))
    assert die.description == "A die."
    assert names == Process("names", (), (Example("Kari", "Norway"),))
    assert names.description == ""


def test_columns_may_have_other_names(tmp_path):
    path = write(tmp_path / "d.jsonl", [{"of": 1, "drawn": "a", "task": None}, {"of": 1, "drawn": "b"}])
    [one] = DrawFile(DrawColumns(task="of", output="drawn")).read(path, "--draws")
    assert (one.name, [e.output for e in one.examples]) == ("1", ["a", "b"])


def test_targets_are_of_tasks_that_were_drawn_from(tmp_path):
    draws = [Process("die", (), (Example("3"),))]
    path = write(tmp_path / "t.jsonl", [{"task": "die", "outputs": [1, 2], "probabilities": [0.25, 0.75]}])
    [target] = DrawFile().targets(path, draws)
    assert (target.process, target.input, target.outputs) == ("die", "", ("1", "2"))
    assert target.probability_K.tolist() == [0.25, 0.75]


def test_draws_are_a_distribution_where_there_are_enough():
    examples = [Example(output, asked) for asked, outputs in (("x", "aab"), ("y", "ab")) for output in outputs]
    process = Process("p", (), tuple(examples))
    [target] = observed(process, least=3, most=2)
    assert (target.input, target.outputs) == ("x", ("a", "b"))
    assert target.probability_K == pytest.approx(np.array([2 / 3, 1 / 3]))
    assert observed(process, least=2, most=1) == []
    assert len(observed(process, least=2, most=2)) == 2


@pytest.mark.parametrize(("rows", "said"), [
    ([{"output": "a"}], "line 1: there is no column 'task'"),
    ([{"task": "a"}], "line 1: there is no column 'output'"),
    ([{"task": "a", "output": 0.5}], "line 1: column 'output' is 0.5; write a text or a whole number"),
    ([{"task": "a", "output": " "}], "line 1: column 'output' is ' '"),
    ([{"task": "a", "output": "b", "description": ["c"]}], "line 1: column 'description' is"),
    ([{"task": "a", "output": "b"}, {"task": "a", "output": "b", "input": "x"}],
     "line 2: the first row of task 'a' has no input, and this one differs; write 'input' in all rows"),
])  # fmt: skip
def test_draws_that_cannot_be_read_are_refused(rows, said, tmp_path):
    with pytest.raises(SteelyardError, match=said):
        DrawFile().read(write(tmp_path / "d.jsonl", rows), "--draws")


@pytest.mark.parametrize(("changes", "said"), [
    ({"task": "other"}, "there are no draws of task 'other'"),
    ({"input": "x"}, "task 'a' has no input in its draws"),
    ({"outputs": ["b"]}, "column 'outputs' lists none, one, or one twice"),
    ({"outputs": ["1", 1]}, "column 'outputs' lists none, one, or one twice"),
    ({"outputs": None}, "column 'outputs' lists none"),
    ({"probabilities": [0.5, 0.6]}, "column 'probabilities' is no distribution"),
    ({"probabilities": [1.0]}, "column 'probabilities' is no distribution"),
    ({"probabilities": [1.5, -0.5]}, "column 'probabilities' is no distribution"),
    ({"probabilities": "even"}, "column 'probabilities' is no distribution"),
])  # fmt: skip
def test_targets_that_are_no_distributions_are_refused(changes, said, tmp_path):
    row = {"task": "a", "outputs": ["b", "c"], "probabilities": [0.5, 0.5]} | changes
    with pytest.raises(SteelyardError, match=f"line 1: {said}"):
        DrawFile().targets(write(tmp_path / "t.jsonl", [row]), [Process("a", (), (Example("b"),))])
