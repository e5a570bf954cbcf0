from pathlib import Path

import pytest

from steelyard.check.method_files import method_files
from steelyard.core import SteelyardError


def test_a_methods_files_are_its_own_its_proof_and_their_tests():
    assert method_files("topr") == [
        Path("src/steelyard/objective/topr.py"),
        Path("src/steelyard/experiments/proofs/objective/topr.py"),
        Path("tests/objective/test_topr.py"),
    ]
    with pytest.raises(SteelyardError, match="unknown method 'topp'"):
        method_files("topp")
