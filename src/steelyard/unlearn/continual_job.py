"""Requests to forget, one after the other: `steelyard train o3 --model DIR --forget first.jsonl`.

The next request begins where an earlier run ended: `--start RUN --forget second.jsonl`, with the same model. Nothing
needs to be retained: `--retain FILE` names prompts that are measured, and nothing learns from them. All else is as for
other ways to forget by an intervention (`unlearn/intervention_job.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import checked, require
from steelyard.core.json import JsonObject
from steelyard.learner.intervention_work import InterventionWork
from steelyard.model.intervention_file import SETTINGS, read_intervention
from steelyard.policy import Policy
from steelyard.unlearn.intervention_job import Ends, ForgetByIntervention
from steelyard.unlearn.o3 import O3, Unlearned, earlier_of
from steelyard.unlearn.request import Files

HINT = "name a run of steelyard train o3 on this model"


@checked()
@dataclass(frozen=True)
class ForgetContinually(ForgetByIntervention):
    """Have a model forget the answers to some prompts, and later those to others."""

    OWN_DATA: ClassVar[str] = "--forget forget.jsonl"

    forgetting: Annotated[O3, tyro.conf.OmitArgPrefixes] = field(default_factory=O3)
    """How."""
    start: str = ""
    """The run, or its `model` directory, of the request before; empty for the first."""

    @property
    def title(self) -> str:
        """What is forgotten, after what."""
        after = f", after {self.start}" if self.start else ""
        return f"{type(self.forgetting).__name__} on {self.forget}{after}; model {self.model}"

    def plan(self) -> Mapping[str, JsonObject]:
        """The files, the model, what was forgotten before, and how many steps there are."""
        earlier = self._read_start()
        planned = dict(super().plan())
        told = {"start": self.start, "requests": earlier.requests} if earlier else {}
        return planned | ({"start": told} if told else {})

    def open(self) -> InterventionWork:
        """Read the files, load the model with what was forgotten before, and begin to fit."""
        read = self._files()
        earlier = None if self.fitted else self._read_start()
        policy = self.policy()
        self._longest(policy, read)
        fit = None
        if not self.fitted:
            self._continue(policy, earlier)
            fit = self.forgetting.begin(policy, read.forget, read.retain, seed=self.seed)
        measure = self.audit(policy, read, Ends(fit), dtype=self.dtype, device=self.device)
        return InterventionWork(policy, fit, measure, self.facts(read))

    def _continue(self, policy: Policy, earlier: Unlearned | None) -> None:
        """Put what was fitted for earlier requests into the model.

        Raises:
            SteelyardError: it is of another model.
        """
        if earlier is None:
            return
        policy.check_sites(earlier.sites(policy.model.config.num_hidden_layers))
        widths = {a_rD.shape[1] for a_rD, _ in earlier.pairs.values()}
        size = policy.model.get_input_embeddings().weight.shape
        fits = widths == {size[1]} and earlier.vocabulary == size[0]
        require(fits, "is of a model of another size", where=self.start, hint=HINT)
        policy.intervene(earlier)
        earlier_of(policy, self.forgetting)

    def _read_start(self) -> Unlearned | None:
        if not self.start:
            return None
        place = next((p for p in (Path(self.start), Path(self.start, "model")) if (p / SETTINGS).is_file()), None)
        require(place is not None, "holds nothing that was forgotten", where=self.start, hint=HINT)
        assert place is not None
        found = read_intervention(place)
        require(isinstance(found, Unlearned), "is no run of o3", where=self.start, hint=HINT)
        assert isinstance(found, Unlearned)
        return found

    def _files(self) -> Files:
        read = self.read()
        hint = "give two or more: the detector is measured on some that it did not learn from"
        require(len(read.forget) > 1, "holds a single row", where=self.forget, hint=hint)
        return read
