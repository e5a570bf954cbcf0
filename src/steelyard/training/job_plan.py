"""The plan of a job on given data, and its lines: `steelyard train RECIPE --dry-run`.

The data are read and checked, the model's config and tokenizer too; nothing is written, downloaded or trained.
"""

from collections.abc import Iterator
from pathlib import Path

from steelyard.core.job import Job
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.runtime.run_dir.records import check_output
from steelyard.training.differing import differing


def plan_job(job: Job, name: str) -> JsonObject:
    """The plan of a job, as JSON values.

    Args:
        job: the settings.
        name: the recipe's name.

    Raises:
        SteelyardError: the job could not start, as far as that can be known without training.
    """
    if job.output_dir is not None:
        check_output(Path(job.output_dir))
    found = {heading: dict(facts) for heading, facts in job.plan().items()}
    return {
        "dry_run": True,
        "recipe": name,
        "output_dir": job.output_dir or f"runs/{name}-TIME",
        "settings": differing(job),
        "job": found,
    }


def job_lines(found: JsonMapping) -> Iterator[str]:
    """The lines on what a job finds: a heading, its numbers, and one line for each note."""
    for heading, facts in found.items():
        yield f"{heading}: {', '.join(_said(name, value) for name, value in facts.items() if name != 'notes')}"
        yield from (f"  {number:,} {what}" for what, number in facts.get("notes", {}).items())


def _said(name: str, value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
    return f"{name.replace('_', ' ')} {text}"
