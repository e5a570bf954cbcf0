"""The pages of watched pipelines as values for JSON."""

from dataclasses import asdict
from pathlib import Path

from steelyard.core import SteelyardError
from steelyard.core.json import JsonObject
from steelyard.report.pipeline_page import pipeline_heading, pipeline_sections
from steelyard.report.watch.values import section_values
from steelyard.report.watch.watched import Watched
from steelyard.runtime.run_dir.pipeline_file import read_pipeline_file


def pipeline_values(watched: Watched) -> list[JsonObject]:
    """Heading and sections of each pipeline, and the numbers of the runs of its stages, by the stage's name."""
    numbers = {run.directory: i for i, run in enumerate(watched.runs)}
    return [_values(path, numbers) for path in watched.pipelines]


def _values(directory: Path, numbers: dict[Path, int]) -> JsonObject:
    try:
        state = read_pipeline_file(directory)
        sections = pipeline_sections(directory, state, lambda stage: stage.name)
    except SteelyardError as error:
        return {"error": str(error)}
    runs = {stage.name: numbers.get(directory / stage.run) for stage in state.stages}
    heading = asdict(pipeline_heading(directory, state))
    return {"heading": heading, "sections": [section_values(s) for s in sections], "runs": runs}
