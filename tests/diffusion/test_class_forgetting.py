import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.diffusion import ESD, Diffusion, NoiseSchedule
from steelyard.diffusion.class_forgetting import ForgetClasses, network_of


def test_what_is_wanted_in_place_of_each_class():
    one, each = ForgetClasses((1, 3), (0,), 5), ForgetClasses((1, 3), (0, 4), 5)
    label_N = torch.arange(5)
    assert one.instead(label_N).tolist() == [0, 0, 2, 0, 4]
    assert each.instead(label_N).tolist() == [0, 0, 2, 4, 4]
    assert one.kept == (0, 2, 4)


@pytest.mark.parametrize(
    ("forget", "safe", "said"),
    [
        ((), (0,), "--forget: is missing"),
        ((5,), (0,), "--forget: there is no class 5"),
        ((1,), (-1,), "there is no class -1"),
        ((1, 1), (0,), "--forget: names a class twice"),
        ((1, 2, 3), (0, 4), "--safe: names 2 classes, and 3 are to be forgotten"),
        ((1,), (1,), "--safe: names class 1, which is to be forgotten"),
    ],
)
def test_a_wrong_request_is_refused(forget, safe, said):
    with pytest.raises(SteelyardError, match=said):
        ForgetClasses(forget, safe, 5)


def test_what_is_no_network_cannot_be_tuned():
    model = Diffusion(lambda x, t, c: 0 * x, NoiseSchedule(steps=4), 2)
    with pytest.raises(SteelyardError, match="is no network"):
        network_of(model)


def test_the_aim_of_esd_by_hand():
    # Class 2 is "any" and predicts 0.2; class 1 predicts 0.5: 0.2 - 2 (0.5 - 0.2).
    model = Diffusion(lambda x, t, c: torch.tensor([0.0, 0.5, 0.2])[c][:, None] + 0 * x, NoiseSchedule(steps=4), 1)
    aim = ESD(eta=2.0).aim(model, torch.zeros(1, 1), torch.tensor([0]), torch.tensor([1]), 2)
    assert aim.item() == pytest.approx(-0.4)
