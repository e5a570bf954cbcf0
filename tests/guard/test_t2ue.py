"""T2UE: noise from captions, within its bound, that says its caption to whoever trains on it."""

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.guard import T2UE
from steelyard.guard.t2ue import LATENT, NoiseGenerator
from steelyard.guard.two_towers import bags, found

CAPTIONS = [f"a {colour} {kind}" for colour in ("red", "blue") for kind in ("bar", "ring")] * 512
IMAGES = torch.rand(2048, 3, 8, 8, generator=torch.Generator().manual_seed(0))
SMALL = T2UE(epsilon=0.3, width=8, steps=160, batch=32, rate=5e-3)


def test_a_generator_by_hand() -> None:
    # Nothing but the last layer's bias is left: b = atanh(1/2) gives tanh(b) = 1/2, and half of epsilon everywhere.
    generator = NoiseGenerator((1, 8, 8), 2, width=4, epsilon=0.1, seed=0)
    for parameter in generator.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.constant_(generator.outward.bias, 0.5493061443)
    delta = generator(bags(["a"], ["a", "b"]), torch.ones(1, LATENT))
    assert torch.allclose(delta, torch.full((1, 1, 8, 8), 0.05))


def test_the_turns_are_taken() -> None:
    learning = SMALL.begin(IMAGES, CAPTIONS, seed=0)
    kept = [[p.clone() for p in part.parameters()] for part in (learning.surrogate, learning.protector.generator)]

    def moved() -> list[bool]:
        parts = (learning.surrogate, learning.protector.generator)
        return [
            any((p != q).any() for p, q in zip(part.parameters(), own, strict=True))
            for part, own in zip(parts, kept, strict=True)
        ]

    learning.fitting.step()
    assert moved() == [True, False], "the surrogate is first"
    kept[0] = [p.clone() for p in learning.surrogate.parameters()]
    learning.fitting.step()
    assert moved() == [False, True]


def test_noise_says_its_caption_and_keeps_its_bound() -> None:
    learning = SMALL.begin(IMAGES, CAPTIONS, seed=0)
    learning.fitting.run()
    four, bag = CAPTIONS[:4], bags(CAPTIONS[:4], learning.protector.words)
    other = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    noise = learning.protector.noise(four, seed=0)
    assert noise.abs().max() <= 0.3
    right = [found(learning.surrogate, image.clamp(0, 1), bag) for image in (other + noise, other)]
    assert right[0] >= 7 and right[1] <= 5, "of images that it never saw"
    protected = learning.protector.protect(other, four, seed=0)
    assert torch.equal(protected, (other + noise).clamp(0, 1))


def test_equal_seeds_repeat_and_equal_captions_get_noise_of_their_own() -> None:
    first, again, other = (SMALL.fit(IMAGES, CAPTIONS, seed=s).noise(["a red bar"] * 2, seed=3) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])


def test_images_need_not_be_square_or_even() -> None:
    protector = SMALL.untrained((1, 9, 14), ("a", "b"))
    assert protector.noise(["a", "b", "a b"], seed=0).shape == (3, 1, 9, 14)


def test_a_caption_without_a_known_word_is_refused() -> None:
    protector = SMALL.untrained((3, 8, 8), ("red",))
    with pytest.raises(SteelyardError, match="no word of the caption 'a cat' is known"):
        protector.protect(IMAGES[:2], ["red", "a cat"], seed=0)


def test_one_caption_teaches_no_code() -> None:
    with pytest.raises(SteelyardError, match="there are 1 different captions"):
        SMALL.begin(IMAGES[:2], ["a"] * 2, seed=0)


@pytest.mark.parametrize("epsilon", [0.0, 1.5])
def test_epsilon_has_a_range(epsilon: float) -> None:
    with pytest.raises(SteelyardError, match=r"t2ue\.epsilon"):
        T2UE(epsilon=epsilon)
