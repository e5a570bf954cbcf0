"""Finding poisoned images: `steelyard train patchsearch --images captioned.npz`.

Two towers learn from images and captions. PatchSearch then pastes what the images' tower looks at into other images,
and flags those with a patch that draws others to its own cluster. RUN/model holds

    kept.npz         the images that are not flagged, with captions and labels, in the file's numbers and order
    suspects.jsonl   a line for each image, the most suspect first: index, caption, score, tried, probability, flagged
    patches.npz      the patches of the first images of that table, with these images' captions
    towers.*         the two towers that learned from all images: not to be used where images are poisoned

    eval/recall      share of captions and images that the towers match: what they cannot tell, they do not look at
    eval/moved       share of the test images that the best patch draws to its cluster; after the last step alone
    eval/tried       images whose patch was tried, likewise
    eval/flagged     share of the images that are flagged, likewise
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Positive, PositiveInt, checked, require
from steelyard.core.json import JsonObject
from steelyard.guard.patchsearch import FLAGGED_FROM, Found, PatchSearch
from steelyard.guard.pictures import Pictures, read_pictures, write_pictures
from steelyard.guard.saved_towers import TowerFacts, read_towers, write_towers
from steelyard.guard.split_encoder import SplitEncoder
from steelyard.guard.two_towers import TwoTowers, bags, found
from steelyard.guard.word_route import vocabulary
from steelyard.learner.fitting import Fitting
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten

KEPT, SUSPECTS, PATCHES = "kept.npz", "suspects.jsonl", "patches.npz"
MEASURED = 200
"""Most captions that are measured by."""
SHOWN = 4
"""Suspects among the samples."""


@checked()
@dataclass(frozen=True)
class TowerTraining:
    """How the towers learn."""

    words: PositiveInt = 2000
    """Most frequent words of the captions that are read."""
    steps: PositiveInt = 600
    """Steps of Adam."""
    batch: PositiveInt = 64
    """Pairs in a step."""
    rate: Positive = 1e-3
    """Learning rate."""


@dataclass(frozen=True)
class Examined:
    """Towers, the images that they learned from, and what is suspect about these."""

    method: PatchSearch
    towers: TwoTowers
    facts: TowerFacts
    pictures: Pictures
    seed: int

    @cached_property
    def searched(self) -> Found:
        """What the search finds; asked for when the towers have learned."""
        return self.method.search(SplitEncoder.of(self.towers.images), self.pictures.image_NCHW, seed=self.seed)

    @cached_property
    def probability_N(self) -> Float[Tensor, "N"]:
        """How surely each image holds one of the patches."""
        return self.method.filter(self.searched, self.pictures.image_NCHW, seed=self.seed)

    @cached_property
    def table(self) -> list[JsonObject]:
        """All images, the most suspect first."""
        scores = self.searched.scores
        return [
            {
                "index": i,
                "caption": self.pictures.captions[i],
                "score": int(scores.score_N[i]),
                "tried": bool(scores.tried_N[i]),
                "probability": round(float(self.probability_N[i]), 4),
                "flagged": bool(self.probability_N[i] >= FLAGGED_FROM),
            }
            for i in scores.order_N.tolist()
        ]

    def write(self, directory: Path) -> None:
        """Write what is left, what is suspect, and the towers."""
        write_towers(self.towers, self.facts, directory)
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in self.table]
        (directory / SUSPECTS).write_text("".join(lines), encoding="utf-8")
        kept = torch.nonzero(self.probability_N < FLAGGED_FROM)[:, 0]
        write_pictures(self.pictures.part(kept), directory / KEPT)
        best = self.searched.scores.order_N[: len(self.searched.patch_MCWW)]
        write_pictures(self.pictures.part(best).changed(self.searched.patch_MCWW), directory / PATCHES)

    def measure(self, fitting: Fitting | None) -> tuple[JsonObject, list[JsonObject]]:
        """How well the towers match, and after their last step what was found."""
        row: JsonObject = {"eval/recall": self._recall()}
        if fitting is not None and fitting.steps < fitting.num_steps:
            return row, []
        row["eval/moved"] = float(self.searched.scores.score_N.max()) / self.searched.test_images
        row["eval/tried"] = int(self.searched.scores.tried_N.sum())
        row["eval/flagged"] = sum(line["flagged"] for line in self.table) / len(self.table)
        return row, [_shown(line) for line in self.table[:SHOWN]]

    def _recall(self) -> float:
        first = {caption: i for i, caption in reversed([*enumerate(self.pictures.captions)])}
        asked = self.pictures.part(torch.tensor(sorted(first.values())[:MEASURED]))
        return found(self.towers, asked.image_NCHW, bags(asked.captions, self.facts.words)) / (2 * len(asked))


def _shown(line: JsonObject) -> JsonObject:
    verdict = "flagged" if line["flagged"] else "kept"
    return {"prompt": line["caption"], "completion": f"image {line['index']}: score {line['score']}, {verdict}"}


@checked()
@dataclass(frozen=True)
class Searching(FittingSettings):
    """Train two towers on images and captions, and find the images that carry a trigger."""

    OWN_DATA: ClassVar[str] = "--images captioned.npz"

    finds: Annotated[PatchSearch, tyro.conf.OmitArgPrefixes] = field(default_factory=PatchSearch)
    """What finds them."""
    towers: Annotated[TowerTraining, tyro.conf.OmitArgPrefixes] = field(default_factory=TowerTraining)
    """What learns from them first."""
    images: str = ""
    """.npz file of `images` [N, H, W, C] or [N, H, W] with `captions` [N], some of which may be poisoned."""

    @property
    def title(self) -> str:
        """What is searched."""
        return f"poisoned images in {self.images}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The images, the towers, and how many steps there are."""
        pictures = self._pictures()
        examined = self._untrained(pictures)
        numbers = {"parameters": sum(p.numel() for p in examined.towers.parameters())}
        patch = self.finds.side(pictures.shape)
        search: JsonObject = {"pixels along a patch": patch, "clusters": min(self.finds.clusters, len(pictures))}
        return {"data": self._told(pictures), "towers": numbers, "search": search, "steps": {"steps": self._steps}}

    def open(self) -> FittingWork:
        """Read the images, and begin to train; or read what `fitted` names."""
        pictures = self._pictures()
        told = self._told(pictures)
        if self.fitted:
            towers, facts = read_towers(Path(self.fitted))
            examined = Examined(self.finds, towers, facts, pictures, self.seed)
            return FittingWork(None, partial(examined.measure, None), unwritten, told)
        examined = self._untrained(pictures)
        fitting = examined.towers.begin(
            pictures.image_NCHW,
            bags(pictures.captions, examined.facts.words),
            steps=self._steps,
            rate=self.towers.rate,
            batch=self.towers.batch,
            seed=self.seed,
        )
        return FittingWork(fitting, partial(examined.measure, fitting), examined.write, told)

    @property
    def _steps(self) -> int:
        return self.towers.steps if self.max_steps is None else self.max_steps

    def _untrained(self, pictures: Pictures) -> Examined:
        facts = TowerFacts(pictures.shape, tuple(vocabulary(pictures.captions, self.towers.words)))
        return Examined(self.finds, facts.begin(self.seed), facts, pictures, self.seed)

    def _pictures(self) -> Pictures:
        """The images.

        Raises:
            SteelyardError: the file is missing or malformed, or says too little.
        """
        pictures = read_pictures(self.images, captioned=True, flag="--images")
        self.finds.check(len(pictures), self.images)
        differ = len({*pictures.captions})
        require(differ > 1, f"there are {differ} different captions", where=self.images, hint="say what images show")
        return pictures

    def _told(self, pictures: Pictures) -> JsonObject:
        return {"images": len(pictures), "captions": len({*pictures.captions}), "notes": {}}
