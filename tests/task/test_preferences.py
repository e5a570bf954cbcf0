import json

import pytest

from steelyard.core import SteelyardError
from steelyard.task.preferences import AGAIN, ALONE, EQUAL, PreferenceColumns, PreferenceFile


@pytest.fixture
def written(tmp_path):
    def write(*rows):
        path = tmp_path / "pairs.jsonl"
        path.write_text("\n".join(map(json.dumps, rows)))
        return str(path)

    return write


def row(prompt="1+1=", chosen="2", rejected="3", **more):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


def test_repeated_pairs_count_again_and_those_without_a_difference_are_left_out(written):
    """Two people may have compared the same completions."""
    path = written(row(), row(ches=0.1), row(chosen="3", rejected="2"), row(rejected="2"))
    pairs, notes = PreferenceFile().read(path, "--path")
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [("2", "3"), ("2", "3"), ("3", "2")]
    assert notes == {EQUAL: 1, AGAIN: 1}
    assert pairs[0].prompt.place.endswith("line 1")


def test_columns_templates_and_chats(written):
    path = written({"question": "1+1=", "good": "2", "bad": "3"})
    columns = PreferenceColumns(chosen="good", rejected="bad")
    pairs, notes = PreferenceFile(prompt_template="Q: {prompt}", columns=columns).read(path, "--path")
    assert (pairs[0].prompt.text, pairs[0].chosen, pairs[0].rejected) == ("Q: 1+1=", "2", "3")
    assert not notes
    messages = [{"role": "user", "content": "1+1="}]
    for file, said in ((PreferenceFile(), messages), (PreferenceFile(chat=True), "1+1=")):
        assert file.read(written(row(said)), "--path")[0][0].prompt.text == messages


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "1", "chosen": "2"}], "line 1: there is no column 'rejected'"),
        ([row(), row(chosen=["2"])], r"line 2: column 'chosen' is \['2'\]; write a text"),
        ([row(rejected=" ")], "line 1: column 'rejected' is ' '; write a text"),
        ([row(prompt=" ")], "line 1: there is no prompt: column 'prompt' is empty"),
        ([row(rejected="2")], "both completions of every pair are equal"),
        ([{"chosen": "2", "rejected": "3"}], "line 1: there is no prompt or question or problem"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_place(written, rows, said):
    with pytest.raises(SteelyardError, match=said):
        PreferenceFile().read(written(*rows), "--path")


def test_completions_end_unless_the_file_says_that_one_does_not(written):
    [pair, other], _ = PreferenceFile().read(written(row(), row(chosen="3", chosen_ends=False)), "--path")
    assert (pair.chosen_ends, pair.rejected_ends) == (True, True)
    assert other.sides == (("3", False), ("3", True))  # a difference: one goes on
    with pytest.raises(SteelyardError, match="line 1: column 'rejected_ends' is 1; write true or false"):
        PreferenceFile().read(written(row(rejected_ends=1)), "--path")
    with pytest.raises(SteelyardError, match="both completions of every pair are equal"):
        PreferenceFile().read(written(row(rejected="2", chosen_ends=False, rejected_ends=False)), "--path")


def test_a_column_has_one_role(written):
    file = PreferenceFile(columns=PreferenceColumns(rejected="chosen"))
    with pytest.raises(SteelyardError, match="'prompt', 'chosen', 'chosen'"):
        file.read(written(row()), "--path")


def test_single_completions_with_labels_become_pairs(written):
    rated = [("1+1=", "2", True), ("1+1=", "3", False), ("1+1=", "4", False), ("2+2=", "4", True)]
    rows = [{"prompt": p, "completion": c, "label": good} for p, c, good in rated]
    pairs, notes = PreferenceFile().read(written(*rows), "--path")
    assert [(pair.prompt.text, pair.chosen, pair.rejected) for pair in pairs] == [("1+1=", "2", "3")]
    assert notes == {ALONE: 2}
    with pytest.raises(SteelyardError, match="no prompt has a completion with label true and one with false"):
        PreferenceFile().read(written(*rows[:1]), "--path")


@pytest.mark.parametrize(
    ("name", "columns"), [("question", PreferenceColumns()), ("asked", PreferenceColumns("asked"))]
)
def test_a_prompt_in_another_column(written, name, columns):
    """It is neither cut from the completions nor paired with another prompt's."""
    file = PreferenceFile(columns=columns)
    [pair], _ = file.read(written({name: "2+2=", "chosen": "The sum is 4", "rejected": "The sum is 5"}), "--path")
    assert (pair.prompt.text, pair.chosen) == ("2+2=", "The sum is 4")
    rated = [("1+1=", "2", True), ("2+2=", "5", False), ("1+1=", "3", False)]
    pairs, notes = file.read(written(*({name: p, "completion": c, "label": good} for p, c, good in rated)), "--path")
    assert [(pair.prompt.text, pair.chosen, pair.rejected) for pair in pairs] == [("1+1=", "2", "3")]
    assert notes == {ALONE: 1}
