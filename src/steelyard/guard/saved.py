"""Guards on disk: `guard.json` says what it is, `guard.safetensors` has its numbers.

    bag        words and width of a `BagGuard`
    ngrams     n-grams and width of an `NgramGuard`
    cascade    names of the small and the large guard, the router's settings and seed; the numbers are the gate's
    claims     how a `ClaimGuard` asks its model, which lies in the same directory, and its threshold
    head       name of a frozen model, and the method that fitted a head on its states; the numbers are the head's

A cascade does not copy its two guards, which may be large: it names their directories (or hub ids), and notes what they
say of `PROBES`, so that another guard in the same place is found out. Nor does a head copy its model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from steelyard.core import Dataclass, decode, encode, require
from steelyard.core.json import JsonObject
from steelyard.core.model_files import file_errors, read_facts, read_tensors, write_facts, write_tensors
from steelyard.guard.acu import ACU
from steelyard.guard.bag import BagGuard
from steelyard.guard.base import Cascade, Guard, TextGate
from steelyard.guard.claim_guard import FACTS, KIND, ClaimGuard
from steelyard.guard.classifier_guard import ClassifierGuard
from steelyard.guard.head_guard import FrozenStates, HeadGuard
from steelyard.guard.ngrams import NgramGuard
from steelyard.guard.saferoute import RouteGate, SafeRoute
from steelyard.guard.sdm import SDM
from steelyard.guard.word_route import WordGate, WordRoute
from steelyard.policy.meta_model import local_directory, told_of

TENSORS = "guard.safetensors"
PROBES = ("one two three", "a sunny day", "4+5=9", "how do I ...?")
"""Texts on which a guard is recognised."""
TOLERANCE = 0.01
"""Largest difference of a probability on `PROBES`: other machines compute other last digits."""
HINT = "give the run of a guard, such as steelyard train bag-guard makes, or a directory with guard.json"


@dataclass(frozen=True)
class Source:
    """Where a guard is read from."""

    model: str
    """A run or directory of a saved guard, the directory of a classifier, or a hub id."""
    label: str = ""
    """A classifier's label that means harm; empty for the only one that is named as harm usually is."""

    @property
    def saved(self) -> Path | None:
        """The directory with guard.json; None where there is none."""
        return next((p for p in (Path(self.model), Path(self.model, "model")) if (p / FACTS).is_file()), None)

    @property
    def classifier(self) -> str:
        """The directory or hub id of the classifier; of a run, such as one of encoder-guard, its `model/`."""
        own = any(Path(self.model).glob("*.safetensors*"))
        of_run = Path(self.model, "model")
        return str(of_run) if not own and (of_run / "config.json").is_file() else self.model

    def here(self, flag: str) -> bool:
        """Whether it is on this machine.

        Raises:
            SteelyardError: it is named by nothing, or by what is neither a directory nor a hub id.
        """
        require(bool(self.model), "is missing", where=flag, hint="name a classifier, or the run of a guard")
        return self.saved is not None or local_directory(self.classifier) is not None

    def settled(self) -> "Source":
        """The same, whatever the working directory is then."""
        there = Path(self.model).is_dir()
        return Source(str(Path(self.model).resolve()), self.label) if there else self

    def load(self, flag: str, device: str = "cpu") -> "Known":
        """The guard.

        Args:
            flag: the flag that names it, for errors.
            device: where a classifier computes: auto, cpu, cuda or cuda:NUMBER. A saved guard stays on the processor.

        Raises:
            SteelyardError: there is none, or it is damaged; or there is no such GPU.
        """
        require(bool(self.model), "is missing", where=flag, hint="name a classifier, or the run of a guard")
        place = self.saved
        if place is not None:
            return read_guard(place)
        return ClassifierGuard.load(self.classifier, self.label, f"{flag}-label", device)

    def states(self, flag: str, device: str = "cpu") -> FrozenStates:
        """The hidden states of the model, or of the guard, for a head.

        Raises:
            SteelyardError: there is none, or it is damaged; or there is no such GPU.
        """
        require(bool(self.model), "is missing", where=flag, hint="name a model, a classifier, or the run of a guard")
        if self.saved is None:
            return FrozenStates.of_model(self.classifier, device)
        guard = read_guard(self.saved)
        return FrozenStates(lambda text: guard([text]).state_ND, size_of(guard))


Known = BagGuard | NgramGuard | ClassifierGuard | ClaimGuard | Cascade | HeadGuard
"""Guards that can be read from a directory."""


def size_of(guard: Known) -> int:
    """Parameters of a guard; of a cascade those of both."""
    if isinstance(guard, Cascade):
        parts = (guard.small, guard.large)
        return sum(size_of(part) for part in parts if isinstance(part, Known))
    return guard.num_parameters


def planned(source: Source, flag: str) -> JsonObject:
    """What a plan says of a guard; one that is not on this machine is not downloaded.

    Raises:
        SteelyardError: there is none, or it is damaged.
    """
    if not source.here(flag):
        return told_of(source.model, here=False)
    return {"model": source.model, "parameters": size_of(source.load(flag))}


def write_bag(guard: BagGuard, directory: Path) -> None:
    """Write a bag-of-words guard into a directory, which is made where it is absent."""
    facts = {"kind": "bag", "words": list(guard.words), "width": guard.width}
    _write(directory, facts, guard.state_dict())


def write_ngrams(guard: NgramGuard, directory: Path) -> None:
    """Write an n-gram guard likewise."""
    _write(directory, {"kind": "ngrams", "grams": list(guard.grams), "width": guard.width}, guard.state_dict())


def write_cascade(
    cascade: Cascade, small: Source, large: Source, router: SafeRoute | WordRoute, seed: int, directory: Path
) -> None:
    """Write a cascade whose guards are read from these places."""
    pair = (("small", cascade.small), ("large", cascade.large))
    probe = {name: guard(PROBES).harm_N.tolist() for name, guard in pair}
    places = {name: vars(source.settled()) for name, source in (("small", small), ("large", large))}
    gate = cascade.gate
    bag = {"words": list(gate.bag.words)} if isinstance(gate, WordGate) else {}
    facts = {"kind": "cascade", **places, "router": encode(router), "seed": seed, "probe": probe, **bag}
    module = gate.bag if isinstance(gate, WordGate) else gate
    assert isinstance(module, BagGuard | RouteGate)
    _write(directory, facts, module.state_dict())


def write_head(guard: HeadGuard, directory: Path) -> None:
    """Write a head on the states of a model, which is named."""
    model = Source(guard.model).settled().model
    facts = {"kind": "head", "model": model, "fitted_by": encode(guard.method), "probe": guard(PROBES).harm_N.tolist()}
    _write(directory, facts, guard.head.tensors())


def read_guard(directory: Path) -> BagGuard | NgramGuard | ClaimGuard | Cascade | HeadGuard:
    """The guard that was written into a directory.

    Raises:
        SteelyardError: a file is missing or damaged, or a guard of a cascade is gone or is another one.
    """
    where = str(directory / FACTS)
    with file_errors("no guard can be read", where=str(directory), hint=HINT):
        facts = read_facts(directory / FACTS)
        if facts["kind"] == KIND:
            return ClaimGuard.restored(directory, facts)
        tensors = read_tensors(directory / TENSORS)
        if facts["kind"] == "bag":
            return _bag(facts, tensors)
        if facts["kind"] == "ngrams":
            return _ngrams(facts, tensors)
        if facts["kind"] == "head":
            return _head(facts, tensors, where)
        sources = {name: msgspec.convert(facts[name], Source) for name in ("small", "large")}
        probe = msgspec.convert(facts["probe"], dict[str, list[float]])
        settings = msgspec.convert(facts["router"], dict[str, object])
        gate = _gate(decode(settings, where=where), facts, tensors)
    guards = {name: source.load(f"{where}: {name}") for name, source in sources.items()}
    for name, guard in guards.items():
        _check_probe(guard, probe.get(name, []), f"{where}: {name} {sources[name].model}")
    return Cascade(guards["small"], guards["large"], gate)


def _bag(facts: Mapping[str, object], tensors: Mapping[str, Tensor]) -> BagGuard:
    guard = BagGuard(msgspec.convert(facts["words"], list[str]), width=msgspec.convert(facts["width"], int), seed=0)
    guard.load_state_dict(dict(tensors))
    return guard


def _ngrams(facts: Mapping[str, object], tensors: Mapping[str, Tensor]) -> NgramGuard:
    grams, width = msgspec.convert(facts["grams"], list[str]), msgspec.convert(facts["width"], int)
    guard = NgramGuard(grams, width=width, seed=0)
    guard.load_state_dict(dict(tensors))
    return guard


def _head(facts: Mapping[str, object], tensors: Mapping[str, Tensor], where: str) -> HeadGuard:
    method = decode(msgspec.convert(facts["fitted_by"], dict[str, object]), where=where)
    if not isinstance(method, ACU | SDM):
        raise ValueError(f"{type(method).__name__} fits no head that is saved")
    model = msgspec.convert(facts["model"], str)
    guard = HeadGuard(Source(model).states(f"{where}: model"), method.restored(tensors), method, model)
    _check_probe(guard, msgspec.convert(facts["probe"], list[float]), f"{where}: model {model}", "head")
    return guard


def _gate(router: Dataclass, facts: Mapping[str, object], tensors: Mapping[str, Tensor]) -> RouteGate | TextGate:
    if isinstance(router, WordRoute):
        return WordGate(_bag({"words": facts["words"], "width": router.width}, tensors), router.threshold)
    if isinstance(router, SafeRoute):
        return router.restored(tensors, msgspec.convert(facts["seed"], int))
    raise ValueError(f"{type(router).__name__} is no router that is saved")


def _check_probe(guard: Guard, noted: list[float], where: str, fitted: str = "router") -> None:
    said = guard(PROBES).harm_N
    same = len(noted) == len(said) and bool((said - torch.tensor(noted)).abs().max() <= TOLERANCE)
    hint = f"put the guard back that the {fitted} was fitted on, or fit a {fitted} again"
    require(same, f"is another guard than the {fitted} was fitted on", where=where, hint=hint)


def _write(directory: Path, facts: JsonObject, tensors: Mapping[str, Tensor]) -> None:
    write_facts(facts, directory / FACTS)
    write_tensors(tensors, directory / TENSORS)
