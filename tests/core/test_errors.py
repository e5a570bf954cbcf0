import pytest

from steelyard.core import StallError, SteelyardError, require, suggest


def test_an_error_is_one_line_of_where_what_and_mend():
    error = SteelyardError("beta is\n-1", where="tb.beta", mend="use  more than 0")
    assert str(error) == "tb.beta: beta is -1; use more than 0"
    assert (error.what, error.where, error.mend) == ("beta is\n-1", "tb.beta", "use  more than 0")


def test_a_stall_is_an_error_the_user_reads():
    with pytest.raises(SteelyardError, match="learner waits for searcher 1"):
        raise StallError("no data for 30 s", where="learner waits for searcher 1", mend="look at its log")


def test_require():
    require(True, "never", where="said", mend="so")
    with pytest.raises(SteelyardError, match=r"^here: wrong; right it$"):
        require(False, "wrong", where="here", mend="right it")


def test_suggest_gives_the_nearest_names_or_all():
    assert suggest("learning_rat", ["learning_rate", "beta"]) == "did you mean 'learning_rate'?"
    assert suggest("zzz", ["b", "a"]) == "choose one of a, b"
    assert suggest("x", []) == "choose one of (none is registered)"
