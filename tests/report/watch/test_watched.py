"""What a page watches: runs and pipelines, and the stages that begin while it is open."""

import pytest
from starlette.testclient import TestClient

from steelyard.core import SteelyardError
from steelyard.report.watch.server import make_app
from steelyard.report.watch.watched import Watched
from steelyard.runtime.run_dir.pipeline_file import PIPELINE, begun_stages


def test_a_stage_joins_when_it_begins_and_keeps_its_number(pipeline, begin, tmp_path):
    other = tmp_path / "run"
    begin("2-dpo")
    watched = Watched([pipeline, other, pipeline])
    assert [run.directory for run in watched.runs] == [pipeline / "2-dpo", other]
    begin("1-sft")
    (pipeline / "3-rlvr").mkdir()  # its directory is made before its settings are written
    watched.renew()
    assert [run.directory for run in watched.runs] == [pipeline / "2-dpo", other, pipeline / "1-sft"]
    assert watched.names == ["2-dpo", "run", "1-sft"] and begun_stages(pipeline) == [
        pipeline / "1-sft",
        pipeline / "2-dpo",
    ]


def test_the_pages_of_a_pipeline(pipeline, begin):
    client = TestClient(make_app([pipeline], "secret"), base_url="http://127.0.0.1")
    assert client.get("/secret/api/runs").json() == {"runs": [], "pipelines": 1}
    (page,) = client.get("/secret/api/pipelines").json()["pages"]
    assert page["heading"]["title"] == "tulu3, seed 4" and page["runs"] == dict.fromkeys(["sft", "dpo", "rlvr"])
    begin("1-sft")
    assert [run["name"] for run in client.get("/secret/api/runs").json()["runs"]] == ["1-sft"]
    (page,) = client.get("/secret/api/pipelines").json()["pages"]
    assert page["runs"] == {"sft": 0, "dpo": None, "rlvr": None}
    rows = page["sections"][0]["tables"][0]["rows"]
    assert [row[0] for row in rows] == ["sft", "dpo", "rlvr"] and rows[0][4] == "8" and rows[1][4] == "–"
    (pipeline / PIPELINE).write_text("{")
    assert PIPELINE in client.get("/secret/api/pipelines").json()["pages"][0]["error"]


def test_what_is_neither_run_nor_pipeline(tmp_path):
    with pytest.raises(SteelyardError, match=r"config\.json"):
        Watched([tmp_path])
    with pytest.raises(SteelyardError, match="RUN is missing"):
        Watched([])
