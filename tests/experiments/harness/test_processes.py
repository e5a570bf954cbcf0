import json
import sys

import pytest

from steelyard.core import FaultError, SteelyardError
from steelyard.experiments.harness.processes import ask, environment, keep, kept, measured_once, side_by_side


def python(body: str) -> list[str]:
    return [sys.executable, "-c", f"import json, os, sys; asked = json.load(sys.stdin); {body}"]


def test_settings_go_in_and_the_last_line_comes_back():
    heard = []
    body = "print('noise', file=sys.stderr); print('more noise'); print(json.dumps(asked['x'] + 1))"
    assert ask("one", python(body), {"x": 41}, hear=heard.append) == 42
    assert heard == ["noise"]
    threads = python("print(json.dumps([os.environ[n] for n in ('OMP_NUM_THREADS', 'HF_HUB_OFFLINE')]))")
    assert ask("threads", threads, {}, threads=3) == ["3", "1"]
    assert environment(3)["OMP_NUM_THREADS"] == "3"


def test_more_than_a_pipe_holds_comes_back_and_goes_in():
    assert ask("large", python("print(json.dumps(asked))"), ["x" * 200_000]) == ["x" * 200_000]


def test_what_goes_wrong_is_one_line_that_names_it():
    with pytest.raises(SteelyardError, match=r"^bad: it is broken; try this"):
        ask("bad", python("sys.exit('it is broken')"), {}, hints=("try this", ""))
    with pytest.raises(FaultError, match=r"^late: has not ended within 0 s; wait"):
        ask("late", python("import time; time.sleep(60)"), {}, deadline=0.3, hints=("", "wait"))
    with pytest.raises(FaultError, match=r"^mute: ended without a result"):
        ask("mute", python("pass"), {})
    with pytest.raises(FaultError, match=r"^mute: ended without a result"):
        ask("mute", python("print('no JSON')"), {})


def test_items_side_by_side_keep_their_order_and_stop_at_the_first_fault():
    assert side_by_side(lambda x: x * x, [3, 1, 2], 2) == [9, 1, 4]
    begun = []

    def work(item):
        begun.append(item)
        raise SteelyardError("fails", where=str(item), hint="none")

    with pytest.raises(SteelyardError, match="0: fails"):
        side_by_side(work, range(50), 1)
    assert len(begun) < 50


def test_what_was_measured_is_not_measured_again_unless_it_does_not_fit(tmp_path):
    file = tmp_path / "there" / "x.json"
    made = iter([{"a": 1}, {"a": 2}])
    assert measured_once(file, dict, lambda: next(made)) == {"a": 1}
    assert measured_once(file, dict, lambda: next(made)) == {"a": 1}
    assert measured_once(file, dict, lambda: next(made), fits=lambda found: found["a"] > 1) == {"a": 2}
    assert json.loads(file.read_text()) == {"a": 2}


def test_a_damaged_result_is_named(tmp_path):
    keep(tmp_path / "x.json", {"a": "text"})
    with pytest.raises(SteelyardError, match=r"x.json: is damaged; take it away"):
        kept(tmp_path / "x.json", list)
