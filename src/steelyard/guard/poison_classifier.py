"""A classifier of images with one of several patches: the second stage of PatchSearch.

    L = CE(h(x'), [x' has a patch]),    x' = x or, half of the time, x with a patch scaled and pasted anywhere
    q(x) = softmax(mean_m h_m(x))_1,    m of an ensemble

After every `look` steps a classifier is judged by images that are known one way or the other, and the weights with the
lowest loss on these are kept. N images of C channels, H x W pixels; M patches.
Source: Tejankar et al. 2023, arXiv:2304.01482, the second stage of PatchSearch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from steelyard.core import Positive, PositiveInt, checked, derive
from steelyard.guard.patches import pasted_any

_READ = 512
"""Images that are read at a time."""


@checked("poison-classifier")
@dataclass(frozen=True)
class PoisonClassifier:
    """Settings of an ensemble that is fitted by SGD."""

    models: PositiveInt = 5
    """Classifiers of the ensemble."""
    iterations: PositiveInt = 200
    """Steps of each, at most."""
    classifier_batch: PositiveInt = 32
    """Images in a step."""
    classifier_rate: Positive = 0.05
    """Learning rate, which falls to 0 by a cosine; the momentum is 0.9."""
    look: PositiveInt = 25
    """Steps between two looks at the images that are known."""

    def fit(
        self,
        image_NCHW: Float[Tensor, "N C H W"],
        patch_MCWW: Float[Tensor, "M C w w"],
        known: tuple[Float[Tensor, "J C H W"], Bool[Tensor, "J"]],
        *,
        seed: int,
    ) -> "Ensemble":
        """Learn to tell patches.

        Args:
            image_NCHW: images, most without a patch.
            patch_MCWW: the patches.
            known: images that are known, and which of them have a patch.
            seed: of the first weights and of all draws.
        """
        return Ensemble([self._fitted(image_NCHW, patch_MCWW, known, derive(seed, m)) for m in range(self.models)])

    def _fitted(
        self,
        image_NCHW: Float[Tensor, "N C H W"],
        patch_MCWW: Float[Tensor, "M C w w"],
        known: tuple[Float[Tensor, "J C H W"], Bool[Tensor, "J"]],
        seed: int,
    ) -> nn.Module:
        network = _network(image_NCHW.shape[1], seed)
        draws = torch.Generator().manual_seed(derive(seed, "poison") % 2**63)
        sgd = torch.optim.SGD(network.parameters(), lr=self.classifier_rate, momentum=0.9, weight_decay=1e-4)
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, self.iterations)
        side = patch_MCWW.shape[-1]
        sides = (max(1, side // 3), -(-4 * side // 3))
        best, kept = float("inf"), network.state_dict()
        for step in range(1, self.iterations + 1):
            own_NCHW = image_NCHW[torch.randint(len(image_NCHW), (self.classifier_batch,), generator=draws)]
            has_N = torch.rand(self.classifier_batch, generator=draws) < 0.5
            with_NCHW = pasted_any(own_NCHW, patch_MCWW, sides, draws)
            shown = torch.where(has_N[:, None, None, None], with_NCHW, own_NCHW)
            loss = cross_entropy(network(shown - 0.5), has_N.long())
            sgd.zero_grad()
            loss.backward()
            sgd.step()
            cosine.step()
            if step % self.look == 0 or step == self.iterations:
                with torch.no_grad():
                    now = float(cross_entropy(network(known[0] - 0.5), known[1].long()))
                if now < best:
                    best, kept = now, {name: tensor.clone() for name, tensor in network.state_dict().items()}
        network.load_state_dict(kept)
        return network


@dataclass(frozen=True)
class Ensemble:
    """Classifiers whose logits are averaged."""

    networks: Sequence[nn.Module]

    @torch.no_grad()
    def __call__(self, image_NCHW: Float[Tensor, "N C H W"]) -> Float[Tensor, "N"]:
        """q of each image."""
        return torch.cat([self._read(part) for part in image_NCHW.split(_READ)])

    def _read(self, image_NCHW: Float[Tensor, "N C H W"]) -> Float[Tensor, "N"]:
        logit_MN2 = torch.stack([network(image_NCHW - 0.5) for network in self.networks])
        return logit_MN2.mean(0).softmax(1)[:, 1]


def _network(channels: int, seed: int) -> nn.Module:
    """Two convolutions, the highest activation of each channel, and two logits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "poison classifier"))
        return nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(16, 2),
        )
