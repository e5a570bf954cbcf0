"""Base models that were taught before are taken from the disk, bit for bit, where nothing that made them has changed.

Teaching is a function of the weights at its start, the lessons and the settings, so these are the key; and of the code
that it reaches, which is kept with the result and compared: source trees that differ can share a directory. Nothing is
kept unless `use` names one.
"""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch

from steelyard.core import FaultError
from steelyard.core.json import JsonObject
from steelyard.policy import Policy
from steelyard.runtime.run_dir.disk import put, writing
from steelyard.worlds import code_reached
from steelyard.worlds.file_lock import held

DEADLINE = 1800.0
"""Seconds to wait for another process that teaches the same model."""
MOST = 400
"""Models kept; of more, those that were not used for longest go."""
_directory: Path | None = None


def use(directory: Path | None) -> None:
    """From here on, keep what is taught in this process there; None for nowhere."""
    global _directory
    _directory = directory


def default_directory() -> Path:
    """Where the user's caches are."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "steelyard" / "bases"


def taught_once(policy: Policy, teach: Callable[[], list[JsonObject]], lessons: object) -> list[JsonObject]:
    """Teach a policy in place, or give it the weights that the same teaching gave before; returns its metrics.

    Args:
        policy: what is taught.
        teach: teaches it, and returns the metrics of each step.
        lessons: JSON that decides, with the policy, what it becomes.

    Raises:
        FaultError: another process has been teaching the same model for too long.
    """
    if _directory is None:
        return teach()
    key = key_of(policy, lessons)
    with writing(_directory):
        _directory.mkdir(parents=True, exist_ok=True)
        with held(_directory / f"{key}.lock", wait=DEADLINE) as mine:
            if not mine:
                what = f"another process has been making it for {DEADLINE:.0f} s"
                raise FaultError(what, where=f"{_directory}/{key}", hint="end that process")
            for file in sorted(_directory.glob(f"{key}-*.safetensors")):
                metrics = _kept(policy, file)
                if metrics is not None:
                    return metrics
            return _taught(policy, teach, _directory, key)


def key_of(policy: Policy, lessons: object) -> str:
    """A digest of the policy as it is, of the lessons, and of what computes."""
    vocabulary = sorted(policy.tokenizer.get_vocab().items())
    model = [type(policy.model).__qualname__, policy.model.config.to_json_string(), vocabulary]
    machine = [code_reached.versions(), torch.get_num_threads(), torch.backends.cpu.get_cpu_capability()]
    found = hashlib.blake2b(policy.weights().tobytes(), digest_size=16)
    found.update(json.dumps([model, machine, lessons]).encode())
    return found.hexdigest()


def _kept(policy: Policy, file: Path) -> list[JsonObject] | None:
    """The metrics of the teaching, where the file is whole and its code as it was; else None."""
    try:
        with safetensors.safe_open(file, framework="pt") as opened:
            about = json.loads(opened.metadata()["about"])
            weights = opened.get_tensor("weights")
    except (safetensors.SafetensorError, KeyError, ValueError):
        return None  # damaged: taught again
    if code_reached.changed(about["reached"]):
        return None
    code_reached.note(code_reached.PACKAGE / name for name in about["reached"])
    policy.load_weights(weights.numpy())
    os.utime(file)
    return about["metrics"]


def _taught(policy: Policy, teach: Callable[[], list[JsonObject]], directory: Path, key: str) -> list[JsonObject]:
    with code_reached.recording() as code:
        part = f"base {key}"
        before = code.enter(part)
        try:
            metrics = teach()
        finally:
            code.enter(before)
        reached = code.files(part)
    code_reached.note(reached)
    sources = code_reached.digests(reached)
    about = json.dumps({"reached": sources, "metrics": metrics})
    name = hashlib.blake2b(json.dumps(sources, sort_keys=True).encode(), digest_size=8).hexdigest()
    weights = torch.from_numpy(np.array(policy.weights()))
    put(directory / f"{key}-{name}.safetensors", safetensors.torch.save({"weights": weights}, {"about": about}))
    _make_room(directory)
    return metrics


def _make_room(directory: Path) -> None:
    by_age = sorted(directory.glob("*.safetensors"), key=lambda file: file.stat().st_mtime)
    for file in by_age[:-MOST]:
        file.unlink(missing_ok=True)
