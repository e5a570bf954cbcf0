"""Programs that are no package of this environment, looked for: vLLM in one of its own, and a browser for the tests.

It starts none of them, and imports the standard library alone.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from steelyard.cli import installed
from steelyard.cli.machine_checks import Check

VLLM_PYTHON = "VLLM_PYTHON"
"""The variable that names an interpreter with vLLM, as for `make test-vllm`."""
PLACES = ("runs/vllm", "runs/test-vllm")
"""Where docs/scale.md and `make test-vllm` put an environment."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def programs() -> list[Check]:
    """What was found of each; none is needed."""
    return [_vllm(), _browser()]


def _vllm() -> Check:
    for python in _interpreters():
        if (version := _vllm_of(python)) is not None:
            return Check("vLLM", f"{version}: --engine vllm --vllm.python {python}", needed=False)
    place = PLACES[0]
    mend = f"python3 -m venv {place}; {place}/bin/python -m pip install 'vllm>=0.32' (docs/scale.md)"
    return Check("vLLM", f"none in {', '.join(PLACES)} or {VLLM_PYTHON} (--engine vllm)", mend, needed=False)


def _interpreters() -> Iterator[Path]:
    named = os.environ.get(VLLM_PYTHON)
    yield from [Path(named)] if named else []
    yield from (Path(place, "bin", "python") for place in PLACES)


def _vllm_of(python: Path) -> str | None:
    """The version of vLLM in the environment of an interpreter; None where it has none."""
    records = python.parent.parent.glob("lib/python*/site-packages/vllm*.dist-info")
    found = [re.fullmatch(r"vllm(?:_cpu)?-([\w.+]+)\.dist-info", record.name) for record in records]
    return next((read[1] for read in found if read), None) if python.exists() else None


def _browser() -> Check:
    browser = next((path for path in (shutil.which(name) for name in BROWSERS) if path), None)
    driver = installed.version_of("playwright")
    found = [browser or "no chromium", f"playwright {driver}" if driver else "no playwright"]
    lacking = [
        *([] if browser else ["apt-get install chromium"]),
        *([] if driver else ["pip install playwright"]),
    ]
    return Check("browser", f"{', '.join(found)} (tests of the live page)", "; ".join(lacking), needed=False)
