"""An encoder of images that learns without labels, from two views of each: SimCLR on a small scale.

    z_i = head(mean over places of A(x_i)),    L = mean_i CE(cos(z_i, z_.) / tau, i')        i' the other view of i

A are the activations of the last of three convolutions: a defence may ask which places of an image made its features.
A view is a part of the image, of `crop` to all of its side, at any place, scaled up again, perhaps mirrored, and darker
or brighter by up to `light`. N images of C channels, H x W pixels; D units of the features.
Source: Chen et al. 2020, arXiv:2002.05709; its strong changes of colour are left out.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import affine_grid, cross_entropy, grid_sample, normalize

from steelyard.core import NonNegative, Positive, PositiveInt, Share, ShareAboveZero, checked, derive
from steelyard.learner.fitting import Fitting

_READ = 512
"""Images that are read at a time."""


class ImageEncoder(nn.Module):
    """Three convolutions; the mean over places of the last one's activations are the features.

    A place sees 15 x 15 pixels, so that what it says is of a part of the image.

    Args:
        channels: C.
        width: channels of the first convolution; the others have twice as many.
        seed: of the first weights.
    """

    def __init__(self, channels: int, *, width: int, seed: int) -> None:
        super().__init__()
        units = 2 * width
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive(seed, "image encoder"))
            self.body = nn.Sequential(
                nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, units, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(units),
                nn.ReLU(),
                nn.Conv2d(units, units, 3, padding=1, bias=False),
                nn.BatchNorm2d(units),
                nn.ReLU(),
            )
            self.head = nn.Sequential(nn.Linear(units, units), nn.ReLU(), nn.Linear(units, units))

    def activations(self, image_NCHW: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D R S"]:
        """A: of R x S places."""
        return self.body(image_NCHW - 0.5)

    def forward(self, image_NCHW: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D"]:
        """Features."""
        return self.activations(image_NCHW).amax((2, 3))

    @torch.no_grad()
    def features(self, image_NCHW: Float[Tensor, "N C H W"]) -> Float[Tensor, "N D"]:
        """Features of length 1, without a gradient."""
        return torch.cat([normalize(self(part), dim=1) for part in image_NCHW.split(_READ)])


@checked("views")
@dataclass(frozen=True)
class SelfSupervised:
    """Settings of an encoder that learns from views."""

    width: PositiveInt = 16
    """Channels of the first convolution; features have twice as many units."""
    encoder_steps: PositiveInt = 1000
    """Steps of Adam."""
    batch: PositiveInt = 64
    """Images in a step, two views of each."""
    rate: Positive = 2e-3
    """Learning rate."""
    tau: Positive = 0.2
    """Temperature of the similarities."""
    crop: ShareAboveZero = 0.5
    """Smallest share of a side that a view shows."""
    invert: Share = 0.5
    """Probability that a channel of a view is inverted; channels also change places."""
    light: NonNegative = 0.2
    """Most that a view is darker or brighter, as a share."""

    def begin(self, image_NCHW: Float[Tensor, "N C H W"], *, seed: int) -> Fitting:
        """An encoder, `module` of what is returned, before its first step."""
        encoder = ImageEncoder(image_NCHW.shape[1], width=self.width, seed=seed)
        draws = torch.Generator().manual_seed(derive(seed, "views") % 2**63)

        def loss() -> Tensor:
            of = torch.randint(len(image_NCHW), (min(self.batch, len(image_NCHW)),), generator=draws)
            views = torch.cat([self.view(image_NCHW[of], draws) for _ in range(2)])
            return agreement(encoder.head(encoder(views)), self.tau)

        adam = torch.optim.Adam(encoder.parameters(), lr=self.rate)
        return Fitting(encoder, adam, loss, draws, self.encoder_steps)

    def fit(self, image_NCHW: Float[Tensor, "N C H W"], *, seed: int) -> ImageEncoder:
        """Learn to the last step."""
        fitting = self.begin(image_NCHW, seed=seed)
        fitting.run()
        assert isinstance(fitting.module, ImageEncoder)
        return fitting.module.eval()

    def view(self, image_NCHW: Float[Tensor, "N C H W"], draws: torch.Generator) -> Float[Tensor, "N C H W"]:
        """One view of each image."""
        size = len(image_NCHW)
        scale_N = self.crop + (1 - self.crop) * torch.rand(size, generator=draws)
        shift_N2 = (1 - scale_N)[:, None] * (2 * torch.rand(size, 2, generator=draws) - 1)
        mirror_N = 2.0 * torch.randint(2, (size,), generator=draws) - 1
        turn_N23 = torch.zeros(size, 2, 3)
        turn_N23[:, 0, 0] = scale_N * mirror_N
        turn_N23[:, 1, 1] = scale_N
        turn_N23[:, :, 2] = shift_N2
        grid = affine_grid(turn_N23, list(image_NCHW.shape), align_corners=False)
        channels = image_NCHW.shape[1]
        turned_NC = torch.rand(size, channels, generator=draws).argsort(1)
        image_NCHW = image_NCHW.gather(1, turned_NC[:, :, None, None].expand_as(image_NCHW))
        inverted_NC = (torch.rand(size, channels, generator=draws) < self.invert)[:, :, None, None]
        image_NCHW = torch.where(inverted_NC, 1 - image_NCHW, image_NCHW)
        light_N = 1 + self.light * (2 * torch.rand(size, generator=draws) - 1)
        seen = grid_sample(image_NCHW, grid, padding_mode="border", align_corners=False)
        return (seen * light_N[:, None, None, None]).clamp(0.0, 1.0)


def agreement(embedding_ND: Float[Tensor, "N D"], tau: float) -> Float[Tensor, ""]:
    """L of N / 2 first views, then their N / 2 others."""
    unit_ND = normalize(embedding_ND, dim=1)
    s_NN = (unit_ND @ unit_ND.T / tau).masked_fill(torch.eye(len(unit_ND), dtype=torch.bool), -torch.inf)
    return cross_entropy(s_NN, torch.arange(len(unit_ND)).roll(len(unit_ND) // 2))
