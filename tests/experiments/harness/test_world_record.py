"""Records of worlds, and the page, from seeds that are made up."""

import json

import pytest

from steelyard.experiments.harness import world_record, world_seed, worlds_page
from steelyard.experiments.harness.world_record import record_of
from steelyard.experiments.harness.world_seed import WorldJob, WorldSeed

BASE = {"score": 0.2, "reward": 0.2, "pass": 0.5, "distinct": 1.0, "prompt_tokens": 9.0, "turns": 1.0, "cpu_s": 30.0}
ARMS = ("grpo", "rft", "likely", "stored", "noisy", "grpo-hot", "rft-hot")


def seed(number, score=0.5):
    arms = {arm: {"score": score, "reward": score, "distinct": 1.0, "cpu_s": 6.0} for arm in ARMS}
    return WorldSeed(number, "digest", {"base": BASE, **arms}, "abc")


@pytest.fixture
def places(monkeypatch, tmp_path):
    monkeypatch.setattr(world_record, "EVIDENCE", tmp_path / "evidence")
    monkeypatch.setattr(world_record, "SHIPPED", tmp_path / "measured.json")
    world_record.shipped.cache_clear()
    yield tmp_path
    world_record.shipped.cache_clear()


def test_a_record_by_hand():
    record = record_of("loophole", [seed(900), seed(901, 0.7)])
    assert (record.kind, record.seeds, record.core_minutes) == ("text", [900, 901], 2.4)
    gain = next(p for p in record.properties if p.name == "GRPO")
    assert gain.value == "+40 ± 14 in 6 s"
    assert record.by_seed[1]["grpo"]["score"] == 0.7


def test_what_is_published_is_shown_and_what_was_there_stays(places):
    world_record.publish({"loophole": record_of("loophole", [seed(900)])})
    world_record.publish({"domains": record_of("domains", [seed(900)]), "no-world": record_of("domains", [seed(900)])})
    assert [*world_record.shipped()] == ["domains", "loophole"]
    kept = json.loads((places / "evidence" / "loophole.json").read_text())
    assert kept["by_seed"][0]["base"]["score"] == 0.2
    head, rows = worlds_page.table(["domains", "facts", "loophole"])
    assert head == ["world", "base", "GRPO", "RFT", "SFT", "what matters", "core minutes"]
    assert rows[0][:5] == ["domains", "20 ± 0 %", "+30 ± 0 in 6 s", "+30 ± 0 in 6 s", "-"]
    assert rows[1][1:5] == ["not measured"] * 4
    assert ("GRPO", "`domains`, `loophole`") in worlds_page.by_property()
    page = worlds_page.text()
    assert "| loophole | 20 ± 0 %" in page
    assert "`steelyard worlds facts --measure`" in page
    assert "the task has no demonstrations" in page


def test_a_seed_is_measured_once_until_its_code_changes(monkeypatch, tmp_path):
    measured = []

    def measure(job, source, say):
        measured.append(source)
        return WorldSeed(job.seed, source, {"base": {"score": 1.0}})

    monkeypatch.setattr(world_seed, "_measure", measure)
    job = WorldJob("loophole", 900)
    said = []
    for _ in range(2):
        world_seed.carry_out(job, tmp_path, said.append)
    assert len(measured) == 1
    assert said == ["loophole seed 900: measured before"]
    monkeypatch.setattr(world_seed, "source_of", lambda name: "other")
    world_seed.carry_out(job, tmp_path, said.append)
    assert measured[1:] == ["other"]
    assert said[-1] == "loophole seed 900: the code has changed since, so it is measured again"


def test_the_digest_is_of_the_worlds_own_code():
    assert world_seed.source_of("loophole") == world_seed.source_of("loophole")
    assert world_seed.source_of("loophole") != world_seed.source_of("domains")
