import importlib
import sys
from pathlib import Path

import pytest

from steelyard.core import rng
from steelyard.objective.reduce import num_prompts
from steelyard.worlds import code_reached
from steelyard.worlds.code_reached import PACKAGE, changed, digest, digests, recording

SOURCE = '''
"""A module."""
LIMIT = 3
ARMS = {"a": LIMIT}

def used(x):
    """Say x."""
    return x + LIMIT  # and more
'''


def write(place: Path, text: str) -> str:
    place.write_text(text)
    return digest(place)


def test_docstrings_comments_and_layout_do_not_count(tmp_path):
    file = tmp_path / "a.py"
    before = write(file, SOURCE)
    assert (
        write(file, SOURCE.replace("Say x.", "Tell x.").replace("  # and more", "").replace("A module", "B")) == before
    )
    assert write(file, SOURCE.replace("x + LIMIT", "x - LIMIT")) != before
    assert write(file, SOURCE.replace("LIMIT = 3", "LIMIT = 4")) != before


def test_tables_that_no_function_reads_enter_by_value_alone(tmp_path):
    file = tmp_path / "a.py"
    file.write_text(SOURCE)
    before = digest(file, tables=False)
    file.write_text(SOURCE.replace('{"a": LIMIT}', '{"a": LIMIT, "b": 5}'))
    assert digest(file, tables=False) == before
    file.write_text(SOURCE.replace("LIMIT = 3", "LIMIT = 4"))
    assert digest(file, tables=False) != before, "a function reads it"


def test_what_has_changed_is_named(tmp_path):
    file = tmp_path / "a.py"
    file.write_text(SOURCE)
    seen = digests([file, PACKAGE / "core" / "seeds.py"])
    assert [*seen] == [str(file), "core/seeds.py"] or [*seen] == ["core/seeds.py", str(file)]
    assert changed(seen) == []
    file.write_text(SOURCE.replace("+", "-"))
    assert changed(seen) == [str(file)]
    file.unlink()
    assert changed(seen) == [str(file)]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module outside the package that draws numbers when it is asked, and never counts prompts."""
    file = tmp_path / "reaches_toy.py"
    file.write_text(
        "from steelyard.core import rng\n"
        "from steelyard.objective.reduce import num_prompts\n"
        "from steelyard.worlds.habits import SIGNS\n"
        "def draw(seed):\n    return rng(seed, 'toy').random() + SIGNS\n"
        "def count(x):\n    return num_prompts(x)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("reaches_toy"), file
    sys.modules.pop("reaches_toy")


def test_a_file_is_reached_where_a_function_of_it_ran_or_a_constant_was_taken(module):
    toy, file = module
    with recording([file]) as code:
        code.enter("one")
        toy.draw(3)
        code.enter("two")
    # A constant of habits.py was taken; nobody asked for reduce.py.
    assert code.files("one") == {file, PACKAGE / "core" / "seeds.py", PACKAGE / "worlds" / "habits.py"}
    assert code.files("two") == set()
    assert num_prompts is not None
    assert rng is not None


def test_a_recording_inside_another_is_a_part_of_it(module):
    toy, file = module
    with recording([file]) as outer:
        before = outer.enter("outer")
        with recording() as inner:
            assert inner is outer
            assert inner.enter("inner") == "outer"
            toy.draw(3)
            inner.enter("outer")
        code_reached.note([file])
        assert before == ""
        assert file in outer.files("outer")
        assert PACKAGE / "core" / "seeds.py" not in outer.files("outer")
        assert file in outer.files("inner")


def test_without_coverage_all_that_was_imported_counts(module, monkeypatch):
    _, file = module
    monkeypatch.setitem(sys.modules, "coverage", None)
    with recording([file]) as code:
        code.enter("one")
    found = code.files("one")
    assert {file, PACKAGE / "core" / "seeds.py", PACKAGE / "objective" / "reduce.py"} <= found
