import subprocess
import sys

import pytest

import steelyard
from steelyard import core, recipes, training


def test_the_package_root_offers_what_a_user_starts_with():
    assert steelyard.SteelyardError is core.SteelyardError
    assert steelyard.load is recipes.load
    assert steelyard.resume is training.resume
    assert steelyard.Result is training.Result
    with pytest.raises(AttributeError, match="no attribute 'fit'"):
        _ = steelyard.fit


def test_importing_the_package_imports_no_torch():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, steelyard; print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert told.stdout == "False\n"
