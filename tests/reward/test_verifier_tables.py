"""The page about verifiers has the tables that the tests run."""

from verifier_tables import PAGE, cell, page


def test_the_page_is_current():
    text = PAGE.read_text()
    assert page(text) == text, "run tests/reward/verifier_tables.py"


def test_a_cell_is_one_line_of_code():
    assert cell("a|b\nc") == "`a\\|b\\nc`"
    assert cell("`108`") == "`` `108` ``"
    assert cell("") == "(nothing)"
    assert cell("\x00") == "`\\x00`"
    assert len(cell("9" * 100)) == 62
