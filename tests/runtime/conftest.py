"""The tests' own world of runs on the import path."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))  # simulated, here and in processes that get this path


@pytest.fixture
def no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves the page cache as it is, so where nothing worse happens to wait for the disk only costs time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
