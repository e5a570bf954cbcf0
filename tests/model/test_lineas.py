import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.model import LinAcT, LinEAS
from steelyard.model.lineas import shrunk


def test_a_step_by_hand():
    # Source -1, 1 (mean 0, s = 1), target 1, 3: C = 4, dC/da = 0, dC/db = -4, of root mean square sqrt 8: the step is
    # .1 sqrt 2, and the penalty takes .1 of it.
    maps = LinEAS(learning_rate=0.1, l1=1.0).start({"layers.0": torch.tensor([[1.0], [-1.0]])}, {
        "layers.0": torch.tensor([[1.0], [3.0]])
    })  # fmt: skip
    descent = maps.method.optimizer(maps)
    cost = maps.cost({"layers.0": maps.mapped("layers.0", torch.tensor([[1.0], [-1.0]]))})
    assert cost.item() == 4.0
    cost.backward()
    descent.step()
    assert maps.b[0].item() == pytest.approx(0.1 * 2**0.5 - 0.1)
    assert maps.a[0].item() == 0.0
    assert maps.fitted().tensors["shift/layers.0"].item() == pytest.approx(maps.b[0].item())
    assert maps.changed == 1.0


def test_the_proximal_map_by_hand():
    # Thresholds of 1 leave (2, 0, -1.5), of length 2.5, and the group takes a fifth of it.
    assert shrunk(torch.tensor([3.0, -0.5, -2.5]), 1.0, 0.5).tolist() == pytest.approx([1.6, 0.0, -1.2])
    assert shrunk(torch.tensor([0.3, -0.4]), 0.0, 1.0).tolist() == [0.0, 0.0]


def test_with_each_site_by_itself_it_is_the_transport_in_closed_form():
    draws = torch.Generator().manual_seed(0)
    source = {f"layers.{i}": torch.randn(8, 3, generator=draws) * 2 + i for i in range(2)}
    target = {f"layers.{i}": torch.randn(8, 3, generator=draws) - i for i in range(2)}
    found = LinEAS(steps=400, learning_rate=0.5).fit(source, target).tensors
    for name, exact in LinAcT().fit(source, target).tensors.items():
        torch.testing.assert_close(found[name], exact, atol=1e-3, rtol=1e-3)


def test_penalties_choose_neurons_and_layers():
    draws = torch.Generator().manual_seed(0)
    source = {f"layers.{i}": torch.randn(16, 4, generator=draws) for i in range(2)}
    far = torch.tensor([5.0, 0.0, 0.0, 0.0])
    target = {"layers.0": source["layers.0"] + far, "layers.1": source["layers.1"] + 0.05}
    sparse = LinEAS(l1=0.5).fit(source, target).tensors
    assert (sparse["shift/layers.0"] != 0).tolist() == [True, False, False, False]
    assert sparse["shift/layers.1"].tolist() == [0.0] * 4
    grouped = LinEAS(group=0.5).fit(source, target).tensors
    assert grouped["shift/layers.1"].tolist() == [0.0] * 4
    assert grouped["shift/layers.0"].abs().max() > 1


def test_a_neuron_that_never_moves_is_no_trouble():
    still = {"layers.0": torch.tensor([[1.0, 0.0], [1.0, 2.0]])}
    tensors = LinEAS(steps=50).fit(still, {"layers.0": torch.tensor([[1.0, 1.0], [1.0, 3.0]])}).tensors
    assert all(t.isfinite().all() for t in tensors.values())
    flat = {"layers.0": torch.ones(2, 2)}
    assert all(t.isfinite().all() for t in LinEAS(steps=50).fit(flat, flat).tensors.values())


def test_what_is_out_of_range():
    with pytest.raises(SteelyardError, match=r"--learning-rate: is 0.0; use more than 0"):
        LinEAS(learning_rate=0.0)
