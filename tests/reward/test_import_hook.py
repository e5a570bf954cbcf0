"""In a candid package neither a lack of memory nor of stack is hidden; all else is caught as it was written."""

import pytest

from steelyard.reward import Pool

QUIET = """
import sys

def deeper():
    deeper()

def check(what):
    try:
        if what == "memory":
            bytearray(64 << 30)
        if what == "stack":
            deeper()
        if what == "value":
            int("x")
        if what == "exit":
            sys.exit(3)
    except Exception:
        return 0.0
    finally:
        sys.stdout.flush()
    return 1.0
"""
NARROW = "def parse(text):\n    try:\n        return int(text)\n    except ValueError:\n        return None\n"


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "quiet").mkdir()
    (tmp_path / "quiet/__init__.py").write_text("")
    (tmp_path / "quiet/checks.py").write_text(QUIET)
    (tmp_path / "quiet/narrow.py").write_text(NARROW)
    (tmp_path / "target.py").write_text("from quiet.checks import check\nfrom quiet.narrow import parse\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    return tmp_path


@pytest.mark.parametrize("what", ["memory", "stack"])
def test_what_a_package_hides_comes_out(package, what):
    with Pool("target:check", memory_mb=512) as pool:
        assert pool.call({"what": what}, timeout_s=60.0).value == 0.0
    with Pool("target:check", memory_mb=512, candid=["quiet"]) as pool:
        reply = pool.call({"what": what}, timeout_s=60.0)
    assert reply.value is None
    assert {"memory": "MemoryError", "stack": "RecursionError"}[what] in reply.error


def test_all_else_is_as_it_was(package):
    with Pool("target:check", candid=["quiet"]) as pool:
        assert pool.call({"what": "value"}, timeout_s=60.0).value == 0.0
        assert pool.call({"what": "nothing"}, timeout_s=60.0).value == 1.0
        assert "SystemExit" in pool.call({"what": "exit"}, timeout_s=60.0).error
    with Pool("target:parse", candid=["quiet"]) as pool:
        assert pool.call({"text": "x"}, timeout_s=60.0).value is None
    compiled = {path.name.partition(".")[0] for path in (package / "quiet/__pycache__").iterdir()}
    assert "checks" not in compiled, "changed code must not be left for others"
    assert "narrow" in compiled
