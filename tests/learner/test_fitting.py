"""A fit goes on where it was saved, whatever its stream of randomness is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from steelyard.core import SteelyardError, rng
from steelyard.learner.fitting import FACTS, Fitting


def fitting(kind: str) -> Fitting:
    """A line through noise."""
    line = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(line.weight)
    torch.nn.init.zeros_(line.bias)
    stream = torch.Generator().manual_seed(3) if kind == "torch" else rng(3, "fit")

    def loss() -> torch.Tensor:
        drawn = (
            torch.randn(4, 1, generator=stream) if isinstance(stream, torch.Generator) else stream.normal(size=(4, 1))
        )
        return (line(torch.as_tensor(np.asarray(drawn), dtype=torch.float32)) - 1).square().mean()

    return Fitting(line, torch.optim.Adam(line.parameters(), lr=0.1), loss, stream, 6)


@pytest.mark.parametrize("kind", ["torch", "numpy"])
def test_it_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    whole = fitting(kind)
    whole.run()
    begun = fitting(kind)
    losses = [begun.step() for _ in range(3)]
    begun.save(tmp_path)
    resumed = fitting(kind)
    resumed.restore(tmp_path)
    assert resumed.steps == 3
    resumed.run()
    assert losses[0] == 1.0, "a line at 0 is 1 away from 1"
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, resumed.module.state_dict()[name])


def test_what_is_no_fit_is_refused(tmp_path: Path) -> None:
    fitting("torch").save(tmp_path)
    with pytest.raises(SteelyardError, match="holds no fit of this network"):
        fitting("numpy").restore(tmp_path)
    (tmp_path / FACTS).write_text("{}")
    with pytest.raises(SteelyardError, match="holds no fit of this network"):
        fitting("torch").restore(tmp_path)
