"""Beta at a version, by hand: from 1 to 0 within 10 steps it is .8 after two, and 0 from ten on."""

import json

import pytest

from steelyard.report.watch.betas import Betas

LINEAR = {"start": 1.0, "end": 0.0, "steps": 10, "shape": "linear"}
SETTINGS = {"objective": {"method": "vargrad-tb", "beta": 1.0}}


@pytest.fixture
def write(tmp_path):
    """Writes rows of metrics.jsonl: (step, version)."""

    def put(*rows):
        lines = [json.dumps({"step": step, "version": version}) + "\n" for step, version in rows]
        (tmp_path / "metrics.jsonl").write_text("".join(lines))
        return tmp_path

    return put


@pytest.mark.parametrize("schedule", [{"schedule": {"beta": LINEAR}}, {"beta_final": 0.0, "beta_steps": 10}])
def test_a_schedule_and_its_short_form(write, schedule):
    betas = Betas(write((1, 1), (2, 2), (3, 3)), SETTINGS | schedule)
    assert [betas.at(version) for version in (0, 2, 3)] == pytest.approx([1.0, 0.8, 0.7])


def test_a_resumed_run_skips_versions_and_goes_on_while_it_is_watched(write):
    directory = write((1, 1), (2, 2))
    betas = Betas(directory, SETTINGS | {"schedule": {"beta": LINEAR}})
    assert betas.at(2) == pytest.approx(0.8)
    write((1, 1), (2, 2), (3, 41), (4, 42))
    assert [betas.at(version) for version in (2, 41, 42)] == pytest.approx([0.8, 0.7, 0.6])


def test_a_constant_beta_and_none(tmp_path):
    assert Betas(tmp_path, SETTINGS).at(7) == 1.0
    assert Betas(tmp_path, SETTINGS | {"schedule": {"other": LINEAR}, "beta_final": None}).at(7) == 1.0
    assert Betas(tmp_path, SETTINGS | {"schedule": {"beta": "cosine"}}).at(7) == 1.0
    assert Betas(tmp_path, {"objective": {"method": "grpo"}}).at(7) is None
    assert Betas(tmp_path, {"objective": "mine:Own"}).at(7) is None
