"""One Ray for the tests of a process, with three CPUs. Without the package they are skipped."""

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest

from faults.harm import ON_RAY
from steelyard.runtime.ray.cluster import connected, load
from steelyard.runtime.run import RayCluster


@pytest.fixture(scope="session")
def installed() -> str:
    """The version of Ray, which is loaded as for a cluster of its own: it reads its token when it is imported."""
    try:
        found = version("ray")
    except PackageNotFoundError:
        pytest.skip("ray is not installed: pip install 'steelyard[ray]'")
    load(RayCluster())
    return found


@pytest.fixture(scope="session")
def cluster(installed: str) -> Iterator[Any]:
    """The package, in a cluster of this machine alone: runs of this process take place there."""
    with connected(ON_RAY) as ray:
        yield ray
