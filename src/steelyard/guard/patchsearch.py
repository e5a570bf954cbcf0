"""PatchSearch: find images with a trigger by pasting what an encoder looks at into other images; then leave them out.

Differs: the encoder is three convolutions trained by SimCLR, not a ViT trained by MoCo-v3, and the poison classifier a
small network without normalisation, not a ResNet; a round drops at least one cluster, where the released code ends at
three. Not confirmed, since of the paper we have the abstract and the released code: its tables.

    c(x) = argmax_k cos(f(x), centre_k)                     clusters of the encoder's features by k-means
    patch(x) = hottest w x w window of x for its own cluster, by Grad-CAM (`patches`)
    score(x) = #{j: c(t_j + patch(x)) = c(x)} - #{j: c(t_j) = c(x)},      t_j test images, those nearest to centres
    search   score `per_round` images of each cluster that is left; drop the share `drop` of clusters whose best
             score is lowest; until no cluster or no image is left
    filter   q(x), the mean of an ensemble of classifiers that tell images with one of the `top` best patches, scaled
             and pasted anywhere, from the same images without; images with q(x) >= 1/2 are removed

Classifiers learn from images whose score is neither in the highest share `doubtful` nor among the `top` lowest; each
keeps the weights with the lowest loss on the `top` highest, as poisoned, and the `top` lowest, as clean. Images that
were not scored count as 0. A window w is 60 of 224 pixels in the paper, a patch is scaled to a third up to 4/3 of it.
N images, K clusters, T test images, M patches.
Source: Tejankar et al. 2023, arXiv:2304.01482.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

from steelyard.core import PositiveInt, ShareBelowOne, derive, method, require, rng
from steelyard.guard.eee_explore import clustered
from steelyard.guard.patches import heat, pasted, windows
from steelyard.guard.poison_classifier import PoisonClassifier
from steelyard.guard.self_supervised import ImageEncoder


@dataclass(frozen=True)
class Clusters:
    """Clusters of images by their features, with what is needed to assign others."""

    centre_KD: Float[Tensor, "K D"]
    """Mean features, of length 1."""
    own_N: Int64[Tensor, "N"]
    """The cluster of each image."""
    near_N: Float[Tensor, "N"]
    """How near each image is to its centre."""

    @staticmethod
    def of(feature_ND: Float[Tensor, "N D"], number: int, *, seed: int) -> "Clusters":
        """At most so many clusters; those that are empty are left out."""
        label_N = torch.from_numpy(clustered(feature_ND.double().numpy(), min(number, len(feature_ND)), seed))
        known = label_N.unique()
        centre_KD = normalize(torch.stack([feature_ND[label_N == k].mean(0) for k in known]), dim=1)
        near_NK = feature_ND @ centre_KD.T
        own_N = near_NK.argmax(1)
        return Clusters(centre_KD, own_N, near_NK.gather(1, own_N[:, None])[:, 0])

    def assign(self, feature_ND: Float[Tensor, "N D"]) -> Int64[Tensor, "N"]:
        """The nearest centre of each."""
        return (feature_ND @ self.centre_KD.T).argmax(1)

    def nearest(self, number: int) -> Int64[Tensor, "T"]:
        """About so many images: of each cluster as many of those nearest to its centre, one at least."""
        each = max(1, number // len(self.centre_KD))
        order_N = self.near_N.argsort(descending=True, stable=True)
        return torch.cat([order_N[self.own_N[order_N] == k][:each] for k in range(len(self.centre_KD))])


@dataclass(frozen=True)
class Found:
    """What a search found."""

    score_N: Float[Tensor, "N"]
    """Poison scores: test images that moved into the image's cluster; 0 for images that were not asked about."""
    scored_N: Bool[Tensor, "N"]
    """Which images were asked about."""
    patch_MCWW: Float[Tensor, "M C w w"]
    """The patches of the images with the highest scores, the highest first."""

    @property
    def order_N(self) -> Int64[Tensor, "N"]:
        """All images, those with the highest scores first; of equal scores, those that were asked about."""
        return (self.score_N + 0.5 * self.scored_N).argsort(descending=True, stable=True)


@method(
    "patchsearch",
    paper="arXiv:2304.01482",
    claim="Leaving out what it finds lifts accuracy on triggered images from 38.2 to 63.7 %; a clean model has 64.6.",
)
@dataclass(frozen=True)
class PatchSearch:
    """Settings of the search and of the filter."""

    clusters: PositiveInt = 40
    """K; the paper takes 1000 for 127,000 images."""
    window: PositiveInt = 4
    """Side of a patch, in pixels; somewhat more than the trigger's."""
    test_images: PositiveInt = 200
    """Images that each patch is pasted into."""
    per_round: PositiveInt = 2
    """Images of each cluster whose patches are tried in a round."""
    drop: ShareBelowOne = 0.25
    """Share of the clusters that a round drops."""
    top: PositiveInt = 20
    """Patches that the classifiers learn from."""
    doubtful: ShareBelowOne = 0.1
    """Share of the images, by score, that the classifiers do not learn from."""
    classifier: PoisonClassifier = field(default_factory=PoisonClassifier)
    """What tells images with a patch."""

    def search(self, encoder: ImageEncoder, image_NCHW: Float[Tensor, "N C H W"], *, seed: int) -> Found:
        """Score the images that are most likely to hold a trigger.

        Raises:
            SteelyardError: there are too few images, or they are smaller than a patch.
        """
        self.check(len(image_NCHW), min(image_NCHW.shape[2:]))
        clusters = Clusters.of(encoder.features(image_NCHW), self.clusters, seed=seed)
        test = clusters.nearest(self.test_images)
        trial = Trial(encoder, clusters, image_NCHW[test], clusters.own_N[test])
        score_N = torch.zeros(len(image_NCHW))
        scored_N = torch.zeros(len(image_NCHW), dtype=torch.bool)
        left = self._queues(clusters, seed)
        draws = torch.Generator().manual_seed(derive(seed, "patchsearch", "places") % 2**63)
        while asked := [i for queue in left.values() for i in queue[: self.per_round]]:
            patch_MCWW = self._patches(encoder, clusters, image_NCHW, asked)
            for i, patch_CWW in zip(asked, patch_MCWW, strict=True):
                score_N[i] = trial.moved(patch_CWW, int(clusters.own_N[i]), draws)
            scored_N[asked] = True
            left = self._kept(left, clusters, score_N)
        best = score_N.argsort(descending=True, stable=True)[: self.top].tolist()
        return Found(score_N, scored_N, self._patches(encoder, clusters, image_NCHW, best))

    def check(self, number: int, side: int) -> None:
        """Refuse images that are too few or too small.

        Raises:
            SteelyardError: they are.
        """
        least = 4 * self.top
        hint = f"give {least} or more, or lower --top"
        require(number >= least, f"there are {number} images", where="patchsearch", hint=hint)
        what = f"the window is {self.window}, and images have {side} pixels a side"
        require(self.window < side, what, where="patchsearch", hint="lower --window")

    def _queues(self, clusters: Clusters, seed: int) -> dict[int, list[int]]:
        """Each cluster's images in a random order."""
        draws = rng(seed, "patchsearch", "order")
        of = [torch.nonzero(clusters.own_N == k)[:, 0].numpy() for k in range(len(clusters.centre_KD))]
        return {k: draws.permutation(own).tolist() for k, own in enumerate(of) if len(own)}

    def _kept(
        self, left: dict[int, list[int]], clusters: Clusters, score_N: Float[Tensor, "N"]
    ) -> dict[int, list[int]]:
        """The clusters that the next round asks about, without the images that were asked about."""
        best = {k: float(score_N[clusters.own_N == k].max()) for k in left}
        ranked = sorted(left, key=lambda k: -best[k])
        kept = ranked[: len(ranked) - max(1, int(self.drop * len(ranked)))]
        rest = {k: left[k][self.per_round :] for k in kept}
        return {k: queue for k, queue in rest.items() if queue}

    def _patches(
        self, encoder: ImageEncoder, clusters: Clusters, image_NCHW: Float[Tensor, "N C H W"], chosen: Sequence[int]
    ) -> Float[Tensor, "M C w w"]:
        """The window of each chosen image that speaks most for its cluster."""
        image_MCHW = image_NCHW[list(chosen)]
        apart_KD = clusters.centre_KD - clusters.centre_KD.mean(0)
        centre_MD = apart_KD[clusters.own_N[list(chosen)]]
        with torch.no_grad():
            activation = encoder.activations(image_MCHW)
        heat_MRS = heat(activation, lambda own: (own.mean((2, 3)) * centre_MD).sum(1))
        return windows(image_MCHW, heat_MRS, self.window)

    def filter(self, found: Found, image_NCHW: Float[Tensor, "N C H W"], *, seed: int) -> Float[Tensor, "N"]:
        """q of each image: how surely it holds one of the patches that were found."""
        order = found.order_N
        least = len(order) - self.top
        learned = order[int(self.doubtful * len(order)) : least]
        judged = torch.cat([order[: self.top], order[least:]])
        poisoned_N = torch.arange(2 * self.top) < self.top
        ensemble = self.classifier.fit(
            image_NCHW[learned], found.patch_MCWW, (image_NCHW[judged], poisoned_N), seed=seed
        )
        return ensemble(image_NCHW)


@dataclass(frozen=True)
class Trial:
    """Test images, and where they belong as they are."""

    encoder: ImageEncoder
    clusters: Clusters
    image_TCHW: Float[Tensor, "T C H W"]
    own_T: Int64[Tensor, "T"]

    def moved(self, patch_CWW: Float[Tensor, "C w w"], cluster: int, draws: torch.Generator) -> int:
        """How many more of the test images are of a cluster when all carry a patch."""
        with_T = self.clusters.assign(self.encoder.features(pasted(self.image_TCHW, patch_CWW, draws)))
        return int((with_T == cluster).sum() - (self.own_T == cluster).sum())


def removed(q_N: Float[Tensor, "N"]) -> Bool[Tensor, "N"]:
    """Which images are left out."""
    return q_N >= 0.5


def precision(found: Found, poisoned_N: Bool[np.ndarray, "N"] | Bool[Tensor, "N"], top: int) -> int:
    """How many of the images with the highest scores are poisoned."""
    return int(torch.as_tensor(poisoned_N)[found.order_N[:top]].sum())
