import pytest

from steelyard.check import import_rooms
from steelyard.core import SteelyardError
from steelyard.experiments.harness import evidence, readme_table


def test_the_readme_has_the_verdicts_of_today():
    import_rooms()
    text = (evidence.ROOT / "README.md").read_text()
    assert readme_table.renewed(text) == text, "write it again: python -m steelyard.experiments.harness.publish"
    with pytest.raises(SteelyardError, match=r"README.md: has no place for the table"):
        readme_table.renewed("nothing")
