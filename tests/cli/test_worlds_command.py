"""`steelyard worlds`: the list, a data sheet, and the page."""

import pytest

from steelyard.cli import worlds_command
from steelyard.experiments.harness import world_record, worlds_page
from steelyard.worlds import shelf


def test_the_list_has_every_world_with_its_line(call):
    answer = call("worlds", "--json")
    assert answer.code == 0
    assert answer.json["worlds"].keys() == set(shelf.names())
    for name in shelf.names():
        assert f"{shelf.summary(name)}" in answer.out
    assert "matters: " in answer.out
    assert "GRPO " in answer.out


def test_a_data_sheet_with_what_was_measured(call):
    answer = call("worlds", "domains", "--json")
    assert answer.code == 0
    assert answer.json["sheet"].startswith("Sums of two to seven")
    assert {p["name"] for p in answer.json["properties"]} >= {"base", "GRPO", "SFT", "domains"}
    assert "GRPO against imitation of the best samples" in answer.out


def test_a_world_that_was_never_measured_says_so(call, monkeypatch):
    monkeypatch.setattr(worlds_command, "shipped", dict)
    answer = call("worlds", "loophole")
    assert answer.code == 0
    assert "not measured yet: steelyard worlds loophole --measure" in answer.out


def test_it_measures_in_a_process_of_its_own_and_once(call, monkeypatch, tmp_path):
    monkeypatch.setattr(world_record, "SEEDS", (900,))
    monkeypatch.setattr(world_record, "is_source_tree", lambda: False)
    words = ("worlds", "shapes", "--measure", "--output-dir", tmp_path, "--json")
    first = call(*words)
    assert first.code == 0
    assert "shapes seed 900: arm network" in first.err
    assert (tmp_path / "shapes.json").is_file()
    again = call(*words)
    assert "shapes seed 900: measured before" in again.err
    assert again.json["worlds"] == first.json["worlds"]
    assert again.json["worlds"]["shapes"]["by_seed"][0]["base"]["score"] == pytest.approx(1 / 8)


def test_the_page_of_the_docs_is_what_the_command_writes(call, tmp_path):
    answer = call("worlds", "--page", tmp_path / "page.md")
    assert answer.code == 0
    written = (tmp_path / "page.md").read_text()
    assert written == worlds_page.text()
    page = world_record.ROOT / "docs" / "worlds.md"
    assert page.read_text() == written


def test_every_world_has_its_record_and_the_package_says_the_same():
    evidence = {path.stem for path in world_record.EVIDENCE.glob("*.json")}
    assert evidence == set(world_record.shipped())


@pytest.mark.parametrize("name", sorted(world_record.shipped()))
def test_the_record_gives_what_the_package_says(name):
    record = world_record.kept(world_record.EVIDENCE / f"{name}.json", world_record.WorldRecord)
    assert shelf.load(name).properties(record.by_seed) == world_record.shipped()[name].properties
