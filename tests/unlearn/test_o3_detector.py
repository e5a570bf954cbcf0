"""O3's detector: the contrastive entropy by hand, and how an encoder begins and learns."""

import math

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.policy import Policy
from steelyard.unlearn.o3_detector import Detector, contrastive_entropy

SMALL = Detector(detector_layers=1, detector_width=8, detector_steps=5)


def test_by_hand():
    # Products of 0 leave two keys alike, log 2; log 3 and 0 leave them at 3/4 and 1/4.
    alike, apart = torch.zeros(2, 1), torch.tensor([[1.0], [1.0]])
    key = torch.tensor([[math.log(3.0)], [0.0]])
    sure = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert float(contrastive_entropy([alike, apart], [key, key])) == pytest.approx(math.log(2) + sure)
    assert float(contrastive_entropy([apart[:1]], [key[:1]])) == pytest.approx(0.0)


def test_training_lowers_the_loss_and_repeats(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    prompts = [policy.encode(f"{n}+1=") for n in range(6)]
    method = Detector(detector_layers=1, detector_width=16, detector_steps=40, detector_rate=1e-2)
    fittings = [method.training(method.begun(policy, 3), prompts, 3) for _ in range(2)]
    one, other = ([fitting.step() for _ in range(40)] for fitting in fittings)
    assert one == other
    assert sum(one[-5:]) < 0.8 * sum(one[:5])


def test_what_is_wrong_is_said(tiny_model_dir):
    with pytest.raises(SteelyardError, match=r"--detector-width: is 12; use a multiple of 8"):
        Detector(detector_width=12)
    with pytest.raises(SteelyardError, match="o3: there are 1 prompts; give two or more to forget"):
        SMALL.fit(Policy.load(str(tiny_model_dir("llama"))), [[1, 2]], seed=0, threshold=0.3, sides="two")
