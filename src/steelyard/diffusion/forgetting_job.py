"""Forgetting classes as a job: `steelyard train sfd --diffusion RUN/model --forget 3 --safe 0`.

No image is read: the model that knows draws what is learned from, and judges what is generated, as a classifier by its
denoising error. The run's `model` directory holds what generates in its place; `steelyard sample RUN` draws from it.

    eval/left        share of what is generated for forgotten classes in which the model that knows sees one of them
    eval/right       share of what is generated for kept classes in which it sees the class that was asked for
    eval/distance    Frechet distance of the latter from what the model that knows generates for those classes

Where classes are prompts, those that say nearly the same share what `right` counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
import tyro

from steelyard.core import checked, require
from steelyard.core.json import JsonObject
from steelyard.diffusion.class_forgetting import ClassForgetting, ForgetClasses, Forgotten
from steelyard.diffusion.classifier import seen
from steelyard.diffusion.generation import Diffusion
from steelyard.diffusion.job import drawn_images, shown
from steelyard.diffusion.measures import frechet
from steelyard.diffusion.one_step import OneStep
from steelyard.diffusion.saved import SavedDiffusion, read_diffusion, write_diffusion
from steelyard.diffusion.sfd import SFD
from steelyard.learner.fitting_settings import FittingSettings
from steelyard.learner.fitting_work import FittingWork, unwritten

MEASURED = 256
"""Images that are generated to measure by, of forgotten and of kept classes alike."""
SHOWN = 4
"""Classes of either kind of which an image is kept to look at."""


@checked()
@dataclass(frozen=True)
class ForgettingJob(FittingSettings):
    """Make a diffusion model forget classes, without any image."""

    OWN_DATA: ClassVar[str] = "--diffusion DIFFUSION --forget 1"

    way: Annotated[ClassForgetting, tyro.conf.OmitArgPrefixes] = field(default_factory=SFD)
    """How."""
    diffusion: str = ""
    """The model that knows: RUN/model of `steelyard train ddpm`."""
    forget: tuple[int, ...] = ()
    """Classes that are to be forgotten."""
    safe: tuple[int, ...] = ()
    """What is generated in place of each: one class for all, or one for each; empty for the first that is kept."""

    @property
    def title(self) -> str:
        """What is forgotten, by what."""
        return f"{type(self.way).__name__}: {self.diffusion} forgets {' '.join(map(str, self.forget))}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The model, what is forgotten, and how many steps there are."""
        request, forgotten = self._begin()
        numbers = sum(p.numel() for p in forgotten.module.parameters())
        network = {"model": self.diffusion, "parameters": numbers}
        return {"data": self._told(request), "model": network, "steps": {"steps": forgotten.fit.num_steps}}

    def open(self) -> FittingWork:
        """Read the model, and begin to forget; or measure the model that `fitted` names."""
        if self.fitted:
            request = self._request()
            measure = partial(self._measure, read_diffusion(Path(self.fitted)), request)
            return FittingWork(None, measure, unwritten, self._told(request))
        request, forgotten = self._begin()
        place = forgotten.model.place if isinstance(forgotten.model, OneStep) else None
        saved = SavedDiffusion(replace(self._knowing.facts, one_step=place), forgotten.model)
        write = partial(write_diffusion, forgotten.module, saved.facts)
        return FittingWork(forgotten.fit, partial(self._measure, saved, request), write, self._told(request))

    def drawn(self, number: int, seed: int, output: str) -> list[JsonObject]:
        """So many images of each class, as `diffusion.job.drawn_images` says."""
        return drawn_images(read_diffusion(Path(self.fitted or self.diffusion)), number, seed, output)

    @cached_property
    def _knowing(self) -> SavedDiffusion:
        hint = "name RUN/model of steelyard train ddpm"
        require(bool(self.diffusion), "is missing", where="--diffusion", hint=hint)
        saved = read_diffusion(Path(self.diffusion))
        once = saved.facts.one_step is not None
        require(not once, f"{self.diffusion} generates in one step", where="--diffusion", hint=hint)
        return saved

    def _request(self) -> ForgetClasses:
        classes = self._knowing.facts.classes
        kept = tuple(c for c in range(classes) if c not in self.forget)
        require(bool(kept), f"names all {classes} classes", where="--forget", hint="keep at least one")
        return ForgetClasses(self.forget, self.safe or kept[:1], classes)

    def _begin(self) -> tuple[ForgetClasses, Forgotten]:
        request = self._request()
        model = self._knowing.model
        assert isinstance(model, Diffusion)
        return request, self.way.begin(model, request, seed=self.seed, steps=self.max_steps)

    def _told(self, request: ForgetClasses) -> JsonObject:
        facts = self._knowing.facts
        said: JsonObject = {"forget": len(request.forget), "kept": len(request.kept), "classes": facts.classes}
        return {**said, "shape": " x ".join(map(str, facts.shape)), "notes": {}}

    def _measure(self, saved: SavedDiffusion, request: ForgetClasses) -> tuple[JsonObject, list[JsonObject]]:
        knowing = self._knowing.model
        assert isinstance(knowing, Diffusion)
        asked = [torch.tensor((classes * MEASURED)[:MEASURED]) for classes in (request.forget, request.kept)]
        forget_NX, kept_NX = (saved.model.rows(label_N, seed=self.seed) for label_N in asked)
        before_NX = knowing.rows(asked[1], seed=self.seed)
        sees_forget_N, sees_kept_N = (seen(knowing, x, request.classes, seed=self.seed) for x in (forget_NX, kept_NX))
        row: JsonObject = {
            "eval/left": float(torch.isin(sees_forget_N, torch.tensor(request.forget)).float().mean()),
            "eval/right": float((sees_kept_N == asked[1]).float().mean()),
            "eval/distance": frechet(kept_NX, before_NX),
        }
        label_N = torch.tensor([*request.forget[:SHOWN], *request.kept[:SHOWN]])
        images: np.ndarray = saved.images(label_N, seed=self.seed).numpy()
        return row, [shown(saved, c, image) for c, image in zip(label_N.tolist(), images, strict=True)]
