"""A guard that forgets rows on request: `steelyard train acu --model MODEL --texts t.jsonl --forget gone.jsonl`.

First the texts are learned, batch by batch, then the rows of `--forget` are taken out, a request at a time. The run's
guard needs no texts to forget more: `--start RUN --forget gone.jsonl` takes rows out of the guard of an earlier run,
learns nothing, and measures by all of `--texts`. Of what it learned a guard keeps a 64-bit hash of each text with its
label, by which it refuses to forget what it never learned: who has the guard and a text can tell whether the text was
learned, but no text can be read from it. Another machine or version of the libraries computes states that differ in the
last digits, and then forgetting is exact to those alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import torch
import tyro

from steelyard.core import PositiveInt, SteelyardError, checked, derive, require
from steelyard.core.json import JsonObject
from steelyard.core.model_files import file_errors, read_tensors
from steelyard.guard.acu import ACU, AnalyticHead
from steelyard.guard.head_guard import HeadGuard
from steelyard.guard.labelled import Labelled, is_held_out
from steelyard.guard.measures import measured
from steelyard.guard.saved import HINT, Source, planned, read_guard, write_head
from steelyard.guard.settings import GuardSettings
from steelyard.policy.device import AUTO, Device, check_device
from steelyard.policy.meta_model import told_of

HELD_OUT = "rows to forget that are held out, so were never learned"
TENSORS = "head.safetensors"
NONE = Labelled([], torch.zeros(0, dtype=torch.bool))


@checked()
@dataclass(frozen=True)
class Analysis(GuardSettings):
    """Learn texts in closed form, and forget rows on request."""

    OWN_DATA: ClassVar[str] = "--texts labelled.jsonl"

    head: Annotated[ACU, tyro.conf.OmitArgPrefixes] = field(default_factory=ACU)
    """What learns on the states."""
    model: str = ""
    """The frozen model: a language model, an encoder or a classifier (directory or hub id), or the run of a guard."""
    start: str = ""
    """The run of an earlier `acu`, whose guard forgets; empty to learn the texts first."""
    forget: str = ""
    """JSONL or Parquet file of rows to forget: text and label, as they were learned."""
    batch: PositiveInt = 64
    """Texts that a step learns."""
    request: PositiveInt = 16
    """Rows that a step forgets."""
    device: Device = AUTO
    """Where the model computes: auto, cpu, cuda or cuda:NUMBER. The head stays on the processor."""

    @property
    def title(self) -> str:
        """What is learned, and what is forgotten."""
        base = f"the guard of {self.start}" if self.start else f"an analytic head on {self.model}, taught {self.texts}"
        return f"{base}, forgetting {self.forget}" if self.forget else base

    def plan(self) -> Mapping[str, JsonObject]:
        """The texts, the model, and how many steps there are."""
        train, _, facts = self._read()
        check_device(self.device)
        source, flag = (Source(self.start), "--start") if self.start else (Source(self.model), "--model")
        here = source.here(flag)
        start = analytic(self.start) if self.start else None
        gone, held = self._gone(keys_of(train) if start is None else head_of(start).learned)
        model = planned(source, flag) if self.start else told_of(self.model, here)
        steps = self._limited(_parts(train, self.batch), _parts(gone, self.request))
        told = {"data": _told(facts, gone, held), "start" if self.start else "model": model}
        return told | {"steps": {"steps": sum(map(len, steps))}}

    def open(self) -> "AnalyticWork":
        """Read the texts and the model, and make ready to learn and to forget."""
        train, held_out, facts = self._read()
        if self.fitted:
            return AnalyticWork(analytic(self.fitted), [], [], held_out, facts)
        guard = analytic(self.start) if self.start else self._begun()
        gone, held = self._gone(head_of(guard).learned if self.start else keys_of(train))
        learn, forget = self._limited(_parts(train, self.batch), _parts(gone, self.request))
        return AnalyticWork(guard, learn, forget, held_out, _told(facts, gone, held))

    def _begun(self) -> HeadGuard:
        states = Source(self.model).states("--model", self.device)
        return HeadGuard(states, self.head.begin(states([""]).shape[1]), self.head, self.model)

    def _read(self) -> tuple[Labelled, Labelled, JsonObject]:
        """Texts to learn, texts to measure by, and both in numbers."""
        if self.start and not self.fitted:
            require(bool(self.forget), "is missing", where="--forget", hint="name the rows that the guard is to forget")
            measured_by = self.measured_on(self.texts)
            return measured_by.read()
        return self.read()

    def _gone(self, learned: set[int]) -> tuple[Labelled, int]:
        """The rows to forget, and how many others of the file are held out.

        Raises:
            SteelyardError: the file is malformed, or a row was not learned and is not held out.
        """
        if not self.forget:
            return NONE, 0
        rows, _ = self.file.read(self.forget)
        chosen = []
        for i, text in enumerate(rows.texts):
            if key_of(text, bool(rows.harm_N[i])) in learned:
                chosen.append(i)
                continue
            held = is_held_out(text, self.file.held_out_share)
            what = f"the text {text[:40]!r} with this label was not learned"
            require(held, what, where=self.forget, hint="give rows that were learned, with their labels")
        return Labelled([rows.texts[i] for i in chosen], rows.harm_N[chosen]), len(rows.texts) - len(chosen)

    def _limited(self, learn: list[Labelled], forget: list[Labelled]) -> tuple[list[Labelled], list[Labelled]]:
        most = len(learn) + len(forget) if self.max_steps is None else self.max_steps
        return learn[:most], forget[: max(0, most - len(learn))]


@dataclass
class AnalyticWork:
    """A `Work`: a batch is learned at each step, then a request is forgotten at each."""

    guard: HeadGuard
    learn: list[Labelled]
    forget: list[Labelled]
    held_out: Labelled
    facts: JsonObject
    steps: int = 0

    @property
    def num_steps(self) -> int:
        """Batches and requests."""
        return len(self.learn) + len(self.forget)

    def step(self) -> JsonObject:
        """Learn a batch, or forget a request."""
        head = head_of(self.guard)
        forgets = self.steps >= len(self.learn)
        rows = self.forget[self.steps - len(self.learn)] if forgets else self.learn[self.steps]
        state_ND = self.guard.states(rows.texts)
        (head.forget if forgets else head.learn)(state_ND, rows.harm_N.long())
        head.learned = head.learned - keys_of(rows) if forgets else head.learned | keys_of(rows)
        self.steps += 1
        return {"learner/learned": len(head.learned), "learner/forgets": int(forgets)}

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """On held-out texts; where all that was learned is at hand, how far the weights are from retraining."""
        row, shown = measured(self.guard, self.held_out)
        return row | {"eval/learned": len(head_of(self.guard).learned)} | self._apart(), shown

    def _apart(self) -> JsonObject:
        """The largest difference from the weights of a head that learned what is left, and nothing else."""
        head, method = head_of(self.guard), self.guard.method
        known = [(text, bool(harm)) for part in self.learn for text, harm in zip(part.texts, part.harm_N, strict=True)]
        left = [(text, harm) for text, harm in known if key_of(text, harm) in head.learned]
        if len(left) != len(head.learned) or not left or self.steps < self.num_steps:
            return {}
        assert isinstance(method, ACU)
        state_ND = self.guard.states([text for text, _ in left])
        weight_FC = method.retrained(state_ND, torch.tensor([int(harm) for _, harm in left]))
        return {"eval/apart": float((weight_FC - head.weight_FC).abs().max())}

    def save(self, directory: Path) -> None:
        """Write the head; it has learned what the steps say."""
        from safetensors.torch import save_file

        tensors = {name: tensor.contiguous() for name, tensor in head_of(self.guard).tensors().items()}
        save_file(tensors | {"steps": torch.tensor(self.steps)}, directory / TENSORS)

    def restore(self, directory: Path) -> None:
        """Go on with what `save` wrote.

        Raises:
            SteelyardError: it is missing or damaged.
        """
        assert isinstance(self.guard.method, ACU)
        with file_errors("holds no analytic head", where=str(directory), hint="go on from another checkpoint"):
            tensors = read_tensors(directory / TENSORS)
            known = self.guard.method.restored(tensors)
            self.steps = int(tensors["steps"])
        vars(head_of(self.guard)).update(vars(known))

    def save_model(self, directory: Path) -> None:
        """Write the guard."""
        write_head(self.guard, directory)

    def close(self) -> None:
        """There are no child processes."""


def analytic(run: str) -> HeadGuard:
    """The guard of a run of `acu`.

    Raises:
        SteelyardError: there is none.
    """
    place = Source(run).saved
    require(place is not None, "there is no guard", where=run, hint=HINT)
    assert place is not None
    guard = read_guard(place)
    if not isinstance(guard, HeadGuard) or not isinstance(guard.head, AnalyticHead):
        raise SteelyardError("is no guard of acu", where=run, hint="name the run of steelyard train acu")
    return guard


def head_of(guard: HeadGuard) -> AnalyticHead:
    """Its head."""
    assert isinstance(guard.head, AnalyticHead)
    return guard.head


def key_of(text: str, harm: bool) -> int:
    """The hash of a row, which fits into 63 bits."""
    return derive(0, "acu", text, int(harm)) >> 1


def keys_of(rows: Labelled) -> set[int]:
    """The hashes of rows."""
    return {key_of(text, bool(harm)) for text, harm in zip(rows.texts, rows.harm_N, strict=True)}


def _parts(rows: Labelled, size: int) -> list[Labelled]:
    starts = range(0, len(rows.texts), size)
    return [Labelled(rows.texts[i : i + size], rows.harm_N[i : i + size]) for i in starts]


def _told(facts: JsonObject, gone: Labelled, held: int) -> JsonObject:
    notes = facts["notes"] | ({HELD_OUT: held} if held else {})
    return facts | {"forgotten": len(gone.texts), "notes": notes}
