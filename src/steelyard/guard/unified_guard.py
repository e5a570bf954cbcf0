"""An encoder with a head for each of several tasks, on disk, and as rewards: `--reward task:RUN:TASK:LABEL`.

    r(x, y) = P(LABEL | y) by the head of TASK

The directory holds the encoder as transformers writes it, `tasks.json` with the labels of each task, and
`heads.safetensors`. So many judges cost one encoder. N texts, D hidden size, L labels of a task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from jaxtyping import Float
from torch import Tensor, nn

from steelyard.core import Episode, Score, derive, require, suggest
from steelyard.core.model_files import file_errors, read_facts, read_tensors, write_facts, write_tensors
from steelyard.guard.unified_m2 import TaskHead
from steelyard.policy.classifier import cut_at
from steelyard.policy.device import moved
from steelyard.policy.loading import load_encoder, quiet
from steelyard.policy.own_encoder import OwnEncoder
from steelyard.reward.given import reward_source, run_name

FACTS = "tasks.json"
TENSORS = "heads.safetensors"
PREFIX = "task"
AT_ONCE = 64
HINT = "give the run of steelyard train unified-m2"
Pool = Literal["first", "mean"]


class UnifiedGuard(nn.Module):
    """The encoder, its tokenizer, and a head for each task.

    Args:
        net: gives each token a hidden state.
        tokenizer: its tokenizer, which pads.
        tasks: the labels of each task by its name.
        pool: what a head reads: the state of the first token, or the mean over all.
        dropout: of the heads, in training.
        seed: of the heads' weights.
        longest: tokens after which a text is cut; 0 for what the encoder reads.
    """

    def __init__(
        self,
        net: Any,
        tokenizer: Any,
        tasks: Mapping[str, Sequence[str]],
        *,
        pool: Pool = "first",
        dropout: float = 0.1,
        seed: int = 0,
        longest: int = 0,
    ) -> None:
        super().__init__()
        self.net = net
        self.tokenizer = tokenizer
        self.tasks = {name: tuple(labels) for name, labels in tasks.items()}
        self.pool = pool
        self.longest = longest
        width = net.config.hidden_size
        self.heads = nn.ModuleDict(
            {n: TaskHead(width, len(own), dropout, seed=derive(seed, n)) for n, own in self.tasks.items()}
        )
        self.eval()

    def logits(self, task: str, texts: Sequence[str]) -> Float[Tensor, "N L"]:
        """What a task's head says of texts, with a gradient; what is too long loses its end."""
        most = min(cut_at(self.net, self.tokenizer), self.longest or 10**9)
        form = {"padding": True, "padding_side": "right", "truncation": True, "max_length": most}
        read = self.tokenizer([*texts], return_tensors="pt", **form)
        if not read["input_ids"].numel():  # nothing but empty texts, and a tokenizer that puts nothing around them
            none = torch.full((len(texts), 1), self.tokenizer.pad_token_id)
            read = read.__class__({"input_ids": none, "attention_mask": torch.ones_like(none)})
        read["attention_mask"][:, 0] = 1  # a text without tokens is one padding
        read = read.to(self.net.device)
        hidden_NTD = self.net(**read)[0]
        if self.pool == "first":
            return self.heads[task](hidden_NTD[:, 0].float())
        real_NT1 = read["attention_mask"][..., None]
        return self.heads[task]((hidden_NTD.float() * real_NT1).sum(1) / real_NT1.sum(1))

    @torch.no_grad()
    def shares(self, task: str, texts: Sequence[str]) -> Float[Tensor, "N L"]:
        """The probability of each label of a task."""
        parts = [self.logits(task, texts[i : i + AT_ONCE]).softmax(-1).cpu() for i in range(0, len(texts), AT_ONCE)]
        return torch.cat(parts) if parts else torch.zeros(0, len(self.tasks[task]))

    def write(self, directory: Path) -> None:
        """Write encoder, tokenizer and heads into a directory, which is made where it is absent."""
        directory.mkdir(parents=True, exist_ok=True)
        with quiet():
            if isinstance(self.net, OwnEncoder):
                self.net.encoder.save(directory)
            else:
                self.net.save_pretrained(directory)
            self.tokenizer.save_pretrained(directory)
        facts = {"tasks": self.tasks, "pool": self.pool, "longest": self.longest}
        write_facts(facts, directory / FACTS)
        write_tensors(self.heads.state_dict(), directory / TENSORS)


class Facts(msgspec.Struct, forbid_unknown_fields=True):
    """What tasks.json says."""

    tasks: dict[str, list[str]]
    pool: Pool
    longest: int


def place_of(run: str) -> Path | None:
    """The directory with tasks.json, of a run or of itself; None where there is none."""
    return next((p for p in (Path(run), Path(run, "model")) if (p / FACTS).is_file()), None)


def read_unified(run: str, device: str = "cpu") -> UnifiedGuard:
    """The encoder with heads that a run wrote.

    Raises:
        SteelyardError: there is none, or it is damaged.
    """
    place = place_of(run)
    require(place is not None, "there is no encoder with tasks", where=run, hint=HINT)
    assert place is not None
    with file_errors("no encoder with tasks can be read", where=str(place), hint=HINT):
        facts = msgspec.convert(read_facts(place / FACTS), Facts)
        tensors = read_tensors(place / TENSORS)
        guard = UnifiedGuard(*load_encoder(str(place), "float32"), facts.tasks, pool=facts.pool, longest=facts.longest)
        guard.heads.load_state_dict(tensors)
    return moved(guard, device).eval()


@dataclass(frozen=True)
class TaskLabel:
    """A `Reward` that a head gives: the probability of a label. The run is read when it is first asked."""

    place: str
    """RUN:TASK:LABEL."""

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order."""
        if not episodes:
            return []
        guard, task, label = self._known
        share_NL = guard.shares(task, [episode.completion for episode in episodes])
        return [Score(share) for share in share_NL[:, label].tolist()]

    @property
    def __name__(self) -> str:
        """What its numbers are called in records."""
        run, _, rest = self.place.partition(":")
        return f"{run_name(run)}_{rest.replace(':', '_')}"

    def __str__(self) -> str:
        return f"reward {PREFIX}:{self.place}"

    @cached_property
    def _known(self) -> tuple[UnifiedGuard, str, int]:
        where = f"{PREFIX}:{self.place}"
        parts = self.place.rsplit(":", 2)
        hint = f"write {PREFIX}:RUN:TASK:LABEL"
        require(len(parts) == 3, "names no task and label", where=where, hint=hint)
        run, task, label = parts
        guard = read_unified(run)
        require(task in guard.tasks, f"there is no task {task!r}", where=where, hint=suggest(task, guard.tasks))
        labels = guard.tasks[task]
        require(label in labels, f"task {task!r} has no label {label!r}", where=where, hint=suggest(label, labels))
        return guard, task, labels.index(label)


reward_source(PREFIX, TaskLabel)
