"""T2UE: noise that is made from a caption alone and keeps models from learning of the image that it is added to.

Differs: the paper's generator is the backbone of a text-to-image model; here it is a small network, which learns with
its surrogate from nothing. Not confirmed, since of the paper we have the abstract and the opening: whether the
surrogate learns along, as here, or is frozen, the generator's layers, epsilon, steps, and its figures.

    delta = epsilon tanh(G(w(t), z)),    z ~ N(0, I)
    min over theta, min over G of L(f_theta(clip(x + delta, 0, 1)), g_theta(t))       on public pairs (x, t)

L is the contrastive loss of two towers f and g (`two_towers`); the two minima take turns, a step each. What G has
learned is a code: noise that says its caption so plainly that a model which is trained on the sum need not look at the
image. To protect, only G and a caption are needed, at home: no image leaves the machine, and none has to be known.
w(t) are the words of t that occur in the public captions; others change nothing.
N images of C channels, H x W pixels; V words, Z numbers of z.
Source: Ma et al. 2025, arXiv:2508.03091.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from steelyard.core import Positive, PositiveInt, ShareAboveZero, derive, method, require
from steelyard.guard.two_towers import TwoTowers, bags
from steelyard.guard.word_route import vocabulary
from steelyard.learner.fitting import Fitting

LATENT = 8
"""Z."""


class NoiseGenerator(nn.Module):
    """G, with epsilon and the tanh around it.

    Args:
        shape: of an image.
        words: V.
        width: channels of the layers.
        epsilon: largest noise, on a scale where images run from 0 to 1.
        seed: of the first weights.
    """

    def __init__(self, shape: tuple[int, ...], words: int, *, width: int, epsilon: float, seed: int) -> None:
        super().__init__()
        self.epsilon = epsilon
        channels, *sides = shape
        self.sides = [[-(-side // scale) for side in sides] for scale in (4, 2, 1)]
        rows, columns = self.sides[0]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "t2ue"))
            self.texts = nn.Sequential(nn.Linear(words, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
            self.inward = nn.Linear(width + LATENT, width * rows * columns)
            self.body = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
            self.outward = nn.Conv2d(width, channels, 3, padding=1)
        self.width = width

    def forward(self, bag_NV: Float[Tensor, "N V"], latent_NZ: Float[Tensor, "N Z"]) -> Float[Tensor, "N C H W"]:
        """delta, from -epsilon to epsilon."""
        inward = self.inward(torch.cat([self.texts(bag_NV), latent_NZ], 1))
        hidden = torch.relu(inward).unflatten(1, (self.width, *self.sides[0]))
        for layer, sides in zip(self.body, self.sides[1:], strict=True):
            hidden = torch.relu(layer(interpolate(hidden, size=sides)))
        return self.epsilon * torch.tanh(self.outward(hidden))


@dataclass(frozen=True)
class Protector:
    """What a user needs: the generator, and the words that it knows."""

    generator: NoiseGenerator
    words: tuple[str, ...]

    @torch.no_grad()
    def noise(self, captions: Sequence[str], *, seed: int) -> Float[Tensor, "N C H W"]:
        """delta of each caption; equal captions get noise of their own."""
        draws = torch.Generator().manual_seed(derive(seed, "t2ue", "noise") % 2**63)
        latent_NZ = torch.randn(len(captions), LATENT, generator=draws)
        return self.generator(bags(captions, self.words), latent_NZ)

    def protect(
        self, image_NCHW: Float[Tensor, "N C H W"], captions: Sequence[str], *, seed: int
    ) -> Float[Tensor, "N C H W"]:
        """The images with their noise.

        Raises:
            SteelyardError: a caption has no word that the generator knows.
        """
        check_words(captions, self.words, "t2ue")
        return (image_NCHW + self.noise(captions, seed=seed)).clamp(0.0, 1.0)


def check_words(captions: Sequence[str], words: Sequence[str], where: str) -> None:
    """Refuse captions without a known word: all of them would get one noise, which says nothing.

    Raises:
        SteelyardError: there is one.
    """
    known_N = (bags(captions, words).sum(1) > 0).tolist()
    strange = next((text for text, known in zip(captions, known_N, strict=True) if not known), None)
    hint = "protect by a generator that learned from captions with such words"
    require(strange is None, f"no word of the caption {str(strange)[:40]!r} is known", where=where, hint=hint)


@dataclass(frozen=True)
class Learning:
    """The two that learn, and how."""

    protector: Protector
    surrogate: TwoTowers
    """Images, noise included, and captions to embeddings."""
    fitting: Fitting
    """The steps; `fitting.module` holds both."""


@method(
    "t2ue",
    paper="arXiv:2508.03091",
    claim="Images with noise made from their captions alone teach CLIP little, and other models and classifiers, too.",
)
@dataclass(frozen=True)
class T2UE:
    """Settings of a generator of noise, and of what it learns with."""

    epsilon: ShareAboveZero = 8 / 255
    """Largest noise on a channel of a pixel, where images run from 0 to 1."""
    words: PositiveInt = 2000
    """Most frequent words of the captions that the generator knows."""
    width: PositiveInt = 32
    """Channels of the generator's layers."""
    steps: PositiveInt = 600
    """Steps in all: surrogate and generator take turns."""
    batch: PositiveInt = 128
    """Pairs in a step."""
    rate: Positive = 2e-3
    """Learning rate of both, by Adam."""

    def begin(
        self, image_NCHW: Float[Tensor, "N C H W"], captions: Sequence[str], *, seed: int, steps: int | None = None
    ) -> Learning:
        """Both networks before the first step.

        Args:
            image_NCHW: public images, from 0 to 1.
            captions: theirs.
            seed: of the first weights and of all draws.
            steps: how many to make; None for as many as the settings say.

        Raises:
            SteelyardError: there are fewer than two different captions.
        """
        differ = len({*captions})
        require(differ > 1, f"there are {differ} different captions", where="t2ue", hint="give more pairs")
        words = tuple(vocabulary(captions, self.words))
        protector = self.untrained(tuple(image_NCHW.shape[1:]), words, seed=seed)
        surrogate = TwoTowers(tuple(image_NCHW.shape[1:]), len(words), seed=seed)
        both = nn.ModuleList([surrogate, protector.generator])
        draws = torch.Generator().manual_seed(derive(seed, "t2ue", "batches") % 2**63)
        bag_NV = bags(captions, words)

        def loss() -> Tensor:
            of = torch.randint(len(image_NCHW), (self.batch,), generator=draws)
            latent_NZ = torch.randn(self.batch, LATENT, generator=draws)
            generates = fitting.steps % 2 == 1
            surrogate.requires_grad_(not generates)
            protector.generator.requires_grad_(generates)
            delta = protector.generator(bag_NV[of], latent_NZ)
            return surrogate.loss((image_NCHW[of] + delta).clamp(0.0, 1.0), bag_NV[of])

        adam = torch.optim.Adam(both.parameters(), lr=self.rate)
        fitting = Fitting(both, adam, loss, draws, self.steps if steps is None else steps)
        return Learning(protector, surrogate, fitting)

    def untrained(self, shape: tuple[int, ...], words: tuple[str, ...], *, seed: int = 0) -> Protector:
        """A generator of these sizes before its first step."""
        generator = NoiseGenerator(shape, len(words), width=self.width, epsilon=self.epsilon, seed=seed)
        return Protector(generator, words)

    def fit(self, image_NCHW: Float[Tensor, "N C H W"], captions: Sequence[str], *, seed: int) -> Protector:
        """Learn from public pairs, to the last step."""
        learning = self.begin(image_NCHW, captions, seed=seed)
        learning.fitting.run()
        return learning.protector
