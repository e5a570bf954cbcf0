"""torchrl's replay buffer with its prioritised sampler.

Its sampler is C++. Where the wheel was built for another torch than the one that is installed, and so does not load,
the sources that the wheel carries are compiled for this one, once (a minute; it needs a C++ compiler and ninja).
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steelyard.core import Trajectory, require


def open_buffer(store: str, size: int, batch: int, directory: Path) -> Any:
    """An empty buffer for `size` trajectories that draws `batch` at a time by priority.

    Args:
        store: tensor (in memory), memmap (files in `directory`) or list (objects in memory).
        size: most trajectories.
        batch: of a draw.
        directory: where files may lie.
    """
    _load_extension()
    from torchrl.data import (  # pyright: ignore[reportMissingImports]
        LazyMemmapStorage,
        LazyTensorStorage,
        ListStorage,
        TensorDictPrioritizedReplayBuffer,
    )

    storages = {
        "tensor": lambda: LazyTensorStorage(size),
        "memmap": lambda: LazyMemmapStorage(size, scratch_dir=str(directory)),
        "list": lambda: ListStorage(size),
    }
    return TensorDictPrioritizedReplayBuffer(
        alpha=0.7, beta=0.5, storage=storages[store](), batch_size=batch, priority_key="reward"
    )


def stacked(trajectories: Sequence[Trajectory]) -> Any:
    """The same arrays as ours has, of trajectories of one length, as a TensorDict."""
    from tensordict import TensorDict  # pyright: ignore[reportMissingImports]

    def rows(arrays: Sequence[Any]) -> torch.Tensor:
        return torch.from_numpy(np.stack(arrays))

    numbers = {
        name: torch.tensor([getattr(t, name) for t in trajectories], dtype=torch.int32)
        for name in ("version", "sample")
    }
    data = {
        "tokens": rows([t.tokens_T for t in trajectories]),
        "action": rows([t.action_T for t in trajectories]),
        "logp_behaviour": rows([t.logp_behaviour_T for t in trajectories]),
        "logp_ref": rows([t.logp_ref_T for t in trajectories]),
        "prompt": torch.tensor([int(t.prompt_id.rpartition("-")[2]) for t in trajectories], dtype=torch.int32),
        "reward": torch.tensor([t.reward for t in trajectories]),
    }
    return TensorDict({**data, **numbers}, batch_size=[len(trajectories)])


def _load_extension() -> None:
    """Have `torchrl._torchrl`: the wheel's own, or one compiled from its sources."""
    from torch.utils import cpp_extension

    found = importlib.util.find_spec("torchrl")
    require(found is not None, "is not installed", where="torchrl", hint='pip install "steelyard[bench]"')
    root = Path(found.origin).parent  # pyright: ignore[reportOptionalMemberAccess, reportArgumentType]
    try:
        spec = importlib.util.spec_from_file_location("_torchrl", next(root.glob("_torchrl*.so")))
        module = importlib.util.module_from_spec(spec)  # pyright: ignore[reportArgumentType]
    except ImportError:
        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # where pip puts ninja
        module = cpp_extension.load("_torchrl", [str(root / "csrc" / name) for name in ("pybind.cpp", "utils.cpp")])
    sys.modules["torchrl._torchrl"] = module  # pyright: ignore[reportArgumentType]
