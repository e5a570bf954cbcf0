import pytest

from steelyard.core import FaultError, StallError, SteelyardError, Stopped, require, suggest


def test_an_error_is_one_line_of_where_what_and_mend():
    error = SteelyardError("beta is\n-1", where="tb.beta", hint="use  more than 0")
    assert str(error) == "tb.beta: beta is -1; use more than 0"
    assert (error.what, error.where, error.hint) == ("beta is\n-1", "tb.beta", "use  more than 0")


def test_a_stall_is_an_error_the_user_reads():
    with pytest.raises(SteelyardError, match="learner waits for searcher 1"):
        raise StallError("no data for 30 s", where="learner waits for searcher 1", hint="look at its log")


def test_exit_codes_tell_wrong_input_from_faults_and_from_stops():
    said = {"where": "here", "hint": "so"}
    assert SteelyardError("x", **said).exit_code == 2
    assert FaultError("x", **said).exit_code == StallError("x", **said).exit_code == 1
    assert Stopped("x", **said, signal=2).exit_code == 130
    assert Stopped("x", **said, signal=15).exit_code == 143
    assert SteelyardError.exit_code == 2, "a stop changes no other error"
    assert not issubclass(Stopped, FaultError), "a stop that was asked for is no fault"
    assert str(Stopped("stopped at step 3", **said, signal=2)) == "here: stopped at step 3; so"


def test_require():
    require(True, "never", where="said", hint="so")
    with pytest.raises(SteelyardError, match=r"^here: wrong; right it$"):
        require(False, "wrong", where="here", hint="right it")


def test_suggest_gives_the_nearest_names_or_all():
    assert suggest("learning_rat", ["learning_rate", "beta"]) == "did you mean 'learning_rate'?"
    assert suggest("zzz", ["b", "a"]) == "choose one of a, b"
    assert suggest("x", []) == "choose one of (none is registered)"
