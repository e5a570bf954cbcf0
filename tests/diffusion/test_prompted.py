import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.diffusion import DDPM, NoiseSchedule
from steelyard.diffusion.prompted import PromptDenoiser, Told, words_of
from steelyard.diffusion.trainer import DiffusionTrainer

PROMPTS = ("a red ring", "ring", "a bar")


@pytest.fixture
def reader():
    torch.manual_seed(0)
    network = PromptDenoiser(4, PROMPTS, 8, width=16, layers=1)
    torch.nn.init.normal_(network.body.outward.weight)
    return network


def test_prompts_as_numbers(reader):
    assert words_of(PROMPTS) == ("a", "bar", "red", "ring")
    assert reader.said_CL.tolist() == [[1, 3, 4], [4, 0, 0], [1, 2, 0], [0, 0, 0]]
    assert reader.numbers("ring blue a") == [4, 1]
    assert reader.any == 3


def test_words_have_no_order_and_padding_says_nothing(reader):
    read = reader.read
    assert torch.allclose(read(torch.tensor([[1, 3, 4]])), read(torch.tensor([[4, 1, 3]])), atol=1e-6)
    assert torch.allclose(read(torch.tensor([[4]])), read(torch.tensor([[4, 0, 0]])), atol=1e-6)
    assert not torch.allclose(read(torch.tensor([[4]])), read(torch.tensor([[2]])), atol=1e-3)


def test_a_class_is_its_prompt(reader):
    noisy, place = torch.randn(2, 4), torch.tensor([3, 5])
    by_class = reader(noisy, place, torch.tensor([1, 3]))
    told = Told(reader.body, reader.read(torch.tensor([[4], [0]])))
    assert torch.allclose(by_class, told(noisy, place, torch.tensor([0, 1])), atol=1e-6)


def test_a_trainer_that_reads_makes_such_a_network_and_another_refuses():
    rows, labels = torch.zeros(4, 4), torch.tensor([0, 1, 2, 0])
    model = DDPM(NoiseSchedule(steps=4), width=16, layers=1, train_steps=1).reading(PROMPTS).fit(rows, labels, seed=0)
    assert isinstance(model.predictor, PromptDenoiser)

    class ByNumber(DiffusionTrainer):
        def begin(self, data_NX, label_N, *, seed, steps=None):
            raise NotImplementedError

    assert ByNumber().said == ()
    with pytest.raises(SteelyardError, match="ByNumber reads no prompts, and there are 3"):
        ByNumber().reading(PROMPTS)
