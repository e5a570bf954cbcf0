from steelyard.experiments.harness.claim import stated
from steelyard.experiments.harness.section import Section

GOOD, BAD = stated("below 1", "0.5", True), stated("below .1", "0.5", False)


def test_a_section_is_shown_where_every_claim_is():
    def of(*claims):
        return Section("T", "text", ["a"], [["1"]], claims).shown

    assert of()
    assert of(GOOD)
    assert not of(GOOD, BAD)


def test_it_prints_its_table_its_verdicts_and_the_papers_numbers(capsys):
    Section("Title", "text", ["a"], [["17"]], [GOOD, BAD], [["the paper"], ["42 %"]]).print()
    out = capsys.readouterr().out
    for part in ("Title", "17", "below 1: 0.5: shown\n", "below .1: 0.5: not shown\n", "the paper", "42 %"):
        assert part in out
    Section("Title", "text", ["a"], [["17"]]).print()
    assert "in the paper" not in capsys.readouterr().out
