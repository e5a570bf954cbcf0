"""PatchSearch: find images with a trigger by pasting what an encoder looks at into other images; then leave them out.

Differs: the encoder is the images' tower of a small CLIP (`two_towers`) that learns from images and captions, not a ViT
or ResNet that MoCo-v3 trained on images alone; no SimCLR encoder that was small enough to train here learned a trigger.
Grad-CAM asks how much an activation adds to f(x) . centre, not to the cosine, whose slope is 0 or turned round where
an image lies at its centre or beyond: half of the triggers were missed so. The poison classifier is a small network
without normalisation, not a ResNet; it sees images as they are, not cropped and recoloured, and keeps its best weights,
where the released code stops once they change little. A round tries four images of a cluster, where the paper tries two
of each of a thousand, and drops at least one cluster, where the released code ends at three. Images are assigned by the
angle to a centre, not by the distance. Not confirmed, since of the paper we have the abstract and the released code:
its tables.
It finds what fits into a patch and moves others. So do images of a class that a patch shows whole, such as a plain
square: their clean images get scores like those of poisoned ones. Of clean data, too, some images have the highest
scores. Look at the patches before you believe the flags.

    c(x) = argmax_k cos(f(x), centre_k)                     clusters of the encoder's features by k-means
    patch(x) = hottest w x w window of x, by Grad-CAM of f(x) . centre_c(x) (`patches`)
    score(x) = #{j: c(t_j + patch(x)) = c(x)} - #{j: c(t_j) = c(x)},      t_j test images, those nearest to centres
    search   score `per_round` images of each cluster that is left; drop the share `drop` of clusters whose best
             score is lowest; until no cluster or no image is left (`cluster_search`)
    filter   q(x), the mean of an ensemble of classifiers that tell images with one of the `top` best patches, scaled
             and pasted anywhere, from the same images without; images with q(x) >= 1/2 are flagged

Classifiers learn from images whose score is neither in the highest share `doubtful` nor among the `top` lowest; each
keeps the weights with the lowest loss on the `top` highest, as poisoned, and the `top` lowest, as clean. Images that
were not scored count as 0. Train again on what was not flagged.
N images of C channels, H x W pixels; K clusters, T test images, M patches, E units of the features.
Source: Tejankar et al. 2023, arXiv:2304.01482, and the authors' released code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.core import PositiveInt, ShareBelowOne, ShareInside, derive, method, require
from steelyard.guard.cluster_search import Scores, search
from steelyard.guard.feature_clusters import Clusters
from steelyard.guard.patches import heat, pasted, windows
from steelyard.guard.poison_classifier import PoisonClassifier
from steelyard.guard.split_encoder import SplitEncoder

FLAGGED_FROM = 0.5
"""Least q of a flagged image."""


@dataclass(frozen=True)
class Found:
    """What a search found."""

    scores: Scores
    """Poison scores of the images: test images that moved into the image's cluster."""
    patch_MCWW: Float[Tensor, "M C w w"]
    """The patches of the images with the highest scores, the highest first."""
    test_images: int
    """T: no score is higher."""


@method(
    "patchsearch",
    paper="arXiv:2304.01482",
    claim="Leaving out what it finds lifts accuracy on triggered images from 38.2 to 63.7 %; a clean model has 64.6.",
)
@dataclass(frozen=True)
class PatchSearch:
    """Settings of the search and of the filter."""

    clusters: PositiveInt = 24
    """K; the paper takes 1000 for 127,000 images."""
    window: ShareInside = 60 / 224
    """Side of a patch, as a share of an image's shorter side; somewhat more than the trigger's."""
    test_images: PositiveInt = 200
    """Images that each patch is pasted into, about; the paper takes 1000."""
    per_round: PositiveInt = 4
    """Images of each cluster whose patches are tried in a round."""
    drop: ShareBelowOne = 0.25
    """Share of the clusters that a round drops."""
    top: PositiveInt = 20
    """Patches that the classifiers learn from."""
    doubtful: ShareBelowOne = 0.1
    """Share of the images, by score, that the classifiers do not learn from."""
    classifier: PoisonClassifier = field(default_factory=PoisonClassifier)
    """What tells images with a patch."""

    def side(self, shape: Sequence[int]) -> int:
        """Pixels along a side of a patch, for images of this shape."""
        return max(2, round(self.window * min(shape[1:])))

    def check(self, number: int, where: str = "patchsearch") -> None:
        """Refuse images that are too few.

        Raises:
            SteelyardError: they are.
        """
        least = max(2 * self.top, int(self.top / (1 - self.doubtful)) + 1)
        require(number >= least, f"has {number} images", where=where, hint=f"give {least} or more, or lower --top")

    def search(self, encoder: SplitEncoder, image_NCHW: Float[Tensor, "N C H W"], *, seed: int) -> Found:
        """Score the images that are most likely to hold a trigger.

        Raises:
            SteelyardError: there are too few images.
        """
        self.check(len(image_NCHW))
        clusters = Clusters.of(encoder.features(image_NCHW), self.clusters, seed=seed)
        test_T = clusters.nearest(self.test_images)
        trial = Trial(encoder, clusters, image_NCHW[test_T], clusters.own_N[test_T])
        draws = torch.Generator().manual_seed(derive(seed, "patchsearch", "places") % 2**63)

        def score(tried: Sequence[int]) -> list[float]:
            patch_MCWW = self.patches(encoder, clusters, image_NCHW, tried)
            own_M = clusters.own_N[list(tried)].tolist()
            return [trial.moved(patch, own, draws) for patch, own in zip(patch_MCWW, own_M, strict=True)]

        scores = search(clusters.own_N, score, per_round=self.per_round, drop=self.drop, seed=seed)
        best = scores.order_N[: self.top].tolist()
        return Found(scores, self.patches(encoder, clusters, image_NCHW, best), len(test_T))

    def patches(
        self, encoder: SplitEncoder, clusters: Clusters, image_NCHW: Float[Tensor, "N C H W"], chosen: Sequence[int]
    ) -> Float[Tensor, "M C w w"]:
        """The window of each chosen image that speaks most for its cluster."""
        image_MCHW = image_NCHW[list(chosen)]
        centre_ME = clusters.centre_KE[clusters.own_N[list(chosen)]]
        with torch.no_grad():
            activation = encoder.activations(image_MCHW)
        heat_MRS = heat(activation, lambda own: (encoder.head(own) * centre_ME).sum(1))
        return windows(image_MCHW, heat_MRS, self.side(image_NCHW.shape[1:]))

    def filter(self, found: Found, image_NCHW: Float[Tensor, "N C H W"], *, seed: int) -> Float[Tensor, "N"]:
        """q of each image: how surely it holds one of the patches that were found."""
        order_N = found.scores.order_N
        least = len(order_N) - self.top
        learned = order_N[int(self.doubtful * len(order_N)) : least]
        judged = torch.cat([order_N[: self.top], order_N[least:]])
        poisoned_J = torch.arange(2 * self.top) < self.top
        ensemble = self.classifier.fit(
            image_NCHW[learned], found.patch_MCWW, (image_NCHW[judged], poisoned_J), seed=seed
        )
        return ensemble(image_NCHW)


@dataclass(frozen=True)
class Trial:
    """Test images, and where they belong as they are."""

    encoder: SplitEncoder
    clusters: Clusters
    image_TCHW: Float[Tensor, "T C H W"]
    own_T: Int64[Tensor, "T"]

    def moved(self, patch_CWW: Float[Tensor, "C w w"], cluster: int, draws: torch.Generator) -> float:
        """How many more of the test images are of a cluster when all carry a patch."""
        with_T = self.clusters.assign(self.encoder.features(pasted(self.image_TCHW, patch_CWW, draws)))
        return float((with_T == cluster).sum() - (self.own_T == cluster).sum())
