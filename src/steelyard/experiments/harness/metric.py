"""What an arm measures: numbers by name, and beside a share, of how many samples it is one.

    yield arm, {"length": 7.2, **share("accuracy", right, sampled)}

`share` gives two metrics, `accuracy` and `accuracy/n`. A claim on a share whose seeds all agree is judged by an exact
bound on the counts, and a relative claim on it may meet a count of 0. `parameters` and `tokens` are an arm's scale:
the policy's parameters, and the tokens that it was trained on.
"""

from collections.abc import Mapping

from steelyard.core import require

Metrics = Mapping[str, float]
"""Metric -> value, of one arm and seed."""
ArmMetrics = Mapping[str, Metrics]
"""Arm -> its metrics, of one seed."""
SAMPLES = "/n"
"""Ends the name of the number of samples behind a share."""
PARAMETERS = "parameters"
TOKENS = "tokens"


def share(metric: str, count: int, samples: int) -> dict[str, float]:
    """A share `count / samples` as a metric, with its number of samples beside it.

    Raises:
        SteelyardError: there are no samples, or more are counted than there are.
    """
    hint = "count some of the samples, of 1 or more"
    require(0 <= count <= samples and samples > 0, f"{count} of {samples} is no share", where=metric, hint=hint)
    return {metric: count / samples, f"{metric}{SAMPLES}": float(samples)}
