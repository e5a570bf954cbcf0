import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import Policy, device
from steelyard.policy.device import check_device, device_of, in_any_order


@pytest.fixture
def gpus(monkeypatch):
    """`gpus(n)`: a machine that has so many."""
    return lambda number: monkeypatch.setattr(device, "num_gpus", lambda: number)


def test_auto_takes_a_gpu_for_a_model_that_is_large_enough(gpus):
    gpus(2)
    assert device_of("auto", device.SMALL) == torch.device("cuda", 0)
    assert device_of("auto", device.SMALL - 1) == torch.device("cpu")
    gpus(0)
    assert device_of("auto", 10**12) == torch.device("cpu")


def test_names_mean_devices(gpus):
    gpus(2)
    assert device_of("cpu", 10**12) == torch.device("cpu")
    assert device_of("cuda", 1) == torch.device("cuda", 0)
    assert device_of("cuda:1", 1) == torch.device("cuda", 1)


@pytest.mark.parametrize(("present", "name", "says"), [
    (0, "cuda", "--device: is cuda, but torch sees none on this machine; use auto or cpu"),
    (1, "cuda:1", "--device: is cuda:1, but there are 1; use auto or cpu"),
    (2, "cuda:5", "--device: is cuda:5, but there are 2; use cuda:0 to cuda:1, or cpu"),
])  # fmt: skip
def test_a_gpu_that_is_not_here_is_refused_in_one_line(gpus, present, name, says):
    gpus(present)
    with pytest.raises(SteelyardError) as caught:
        check_device(name)
    assert str(caught.value) == says


def test_order_is_free_only_inside():
    torch.use_deterministic_algorithms(True)
    try:
        with in_any_order():
            assert not torch.are_deterministic_algorithms_enabled()
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    with in_any_order():
        pass
    assert not torch.are_deterministic_algorithms_enabled()


def test_a_policy_moves_with_all_that_it_holds(tiny_model_dir):
    """To the device without numbers, which is on every machine."""
    policy = Policy.load(str(tiny_model_dir("llama")))
    names = [*policy.trainable()]
    assert policy.to(torch.device("meta")) is policy
    assert policy.device.type == "meta"
    assert [*policy.trainable()] == names
    assert {p.device.type for p in policy.trainable().values()} == {"meta"}
    assert {id(p) for p in policy.trainable().values()} == {id(p) for p in policy.model.parameters()}
