"""Federated tuning as a job: `steelyard train fedrand --model DIR --path questions.jsonl --clients 8`.

The answers of a file are learned as by `sft`, but by clients that keep their rows to themselves (`federation.py`), all
of them played on this machine: a rehearsal that says what sharing would give, and what it would give away. A row's
client stands in a column (`--client-column`), or `--clients` deals the rows out by hash of the prompt. A step is one
client's turn. The run's model is the server's.

    eval/held_out_loss, eval/repeated    the server's model on held-out rows, as in `sft`
    eval/membership_auc                  how well the server tells a client's rows from held-out ones, by what it saw
    eval/membership_auc_both             the same for a server that is told both factors
    eval/uploaded                        numbers uploaded so far, as a share of uploading all adapters each time
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from steelyard.core import NonNegativeInt, PositiveInt, Trajectory, checked, hash_share, require
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.pretrain.federation import Exposure, Federation, Passes
from steelyard.pretrain.fedrand import FedRand, Sharing
from steelyard.pretrain.supervised import AnsweredJob, HeldOutAnswers, SupervisedTuning, given_answer
from steelyard.task.answered import Answered
from steelyard.task.base import MERGED, key_of, split_keys
from steelyard.task.files import read_rows

FEWEST = 2
"""Clients: the average of one is itself."""


@checked()
@dataclass(frozen=True)
class FederatedTuning(AnsweredJob):
    """Teach a model the answers of a file, whose rows belong to several clients."""

    OWN_DATA: ClassVar[str] = "--path questions.jsonl --clients 4"

    sharing: Annotated[Sharing, tyro.conf.OmitArgPrefixes] = field(default_factory=FedRand)
    """What clients share with the server."""
    clients: NonNegativeInt = 0
    """Clients that the rows are dealt to, by hash of the prompt; 0 takes them from --client-column."""
    client_column: str = "client"
    """Column that names a row's client, where --clients is 0; other rows than the file's of --held-out have it."""
    rounds: PositiveInt = 10
    """Turns of every client, unless --max-steps ends them; --epochs are passes over its rows in a turn."""
    lora_rank: PositiveInt = 8
    """Rank of the adapters that are trained and shared."""

    def __post_init__(self) -> None:
        super().__post_init__()
        what = f"is {self.clients}, and one client has nobody to share with"
        require(self.clients != 1, what, where="--clients", hint=f"use {FEWEST} or more, or 0 for a column")

    @property
    def title(self) -> str:
        """Who shares what."""
        return f"{type(self.sharing).__name__} among the clients of {self.path}; model {self.model}"

    def trained(self, model: Path) -> SupervisedTuning:
        """The server's model, measured as by `sft`: adapters and clients are no longer told apart."""
        same = {one.name: getattr(self, one.name) for one in fields(AnsweredJob)}
        return SupervisedTuning(**same | {"model": str(model), "lora_rank": 0})

    def plan(self) -> Mapping[str, JsonObject]:
        """The rows of the clients, the model, and how many turns there are."""
        parts, held, notes = self._parts()
        policy = self.planned_policy()
        if policy is not None:
            every, held, notes = self._fitting(policy, [row for part in parts.values() for row in part], held, notes)
            parts = _still_there(parts, every)
        facts = {**counted(parts), "held_out": len(held), "notes": dict(notes)}
        steps = {"turns": self._turns(len(parts)), "rounds": self.rounds, "passes in a turn": self.epochs}
        return {"data": facts, "model": self.planned_model(policy), "steps": steps}

    def open(self) -> "FederatedWork":
        """Read the rows and load the model."""
        parts, held, notes = self._parts()
        policy = self.policy()
        every, held, notes = self._fitting(policy, [row for part in parts.values() for row in part], held, notes)
        parts = _still_there(parts, every)
        rows = [[given_answer(policy, row) for row in part] for part in parts.values()]
        passes = Passes(self.epochs, self.batch_size, self.seed)
        federation = Federation(self.learner(policy, self.objective), self.sharing, rows, passes, self.rounds)
        measured = held[: self.held_out_rows]
        return FederatedWork(
            federation,
            HeldOutAnswers(policy, measured, self.max_completion_length),
            [given_answer(policy, row) for row in measured],
            self._turns(len(parts)),
            {**counted(parts), "held_out": len(held), "notes": dict(notes)},
        )

    def _turns(self, clients: int) -> int:
        return self.max_steps or self.rounds * clients

    def _parts(self) -> tuple[dict[str, list[Answered]], list[Answered], Counter[str]]:
        """The rows of each client, those held out, and what was merged."""
        rows = self._named()
        if self.held_out:
            held, notes = self.file.read(self.held_out, "--held-out")
        else:
            rows, apart = split_keys(rows, lambda one: key_of(one[1].prompt.text), self.held_out_share, where=self.path)
            held, notes = [row for _, row in apart], Counter[str]()
        found: dict[str, dict[tuple[str, str], Answered]] = {}
        for client, row in rows:
            found.setdefault(client, {}).setdefault((row.prompt.id, row.answer), row)
        parts = {client: [*found[client].values()] for client in sorted(found)}
        merged = len(rows) - sum(map(len, parts.values()))
        hint = "give rows of more clients, or deal them out with --clients"
        require(len(parts) >= FEWEST, f"has rows of {len(parts)} clients to train on", where=self.path, hint=hint)
        return parts, held, notes + +Counter({MERGED: merged})

    def _named(self) -> list[tuple[str, Answered]]:
        """Each row of the file with its client's name."""
        hint = "name a .jsonl or .parquet file with prompt and answer"
        require(bool(self.path), "is missing", where="--path", hint=hint)
        found: list[tuple[str, Answered]] = []
        for place, row in read_rows(self.path):
            one = self.file.answered(row, f"{self.path}, {place}")
            found.append((self._client(row, one, f"{self.path}, {place}"), one))
        return found

    def _client(self, row: JsonMapping, one: Answered, where: str) -> str:
        if self.clients:
            return f"{int(hash_share(f'client {key_of(one.prompt.text)}') * self.clients):04d}"
        name = row.get(self.client_column)
        known = isinstance(name, str | int) and not isinstance(name, bool) and str(name) != ""
        what = f"column {self.client_column!r} names no client"
        require(known, what, where=where, hint="name another with --client-column, or deal rows out with --clients")
        return str(name)


@dataclass
class FederatedWork:
    """A `Work` whose every step is one client's turn."""

    federation: Federation
    answers: HeldOutAnswers
    others: Sequence[Trajectory]
    """Rows that no client has."""
    num_steps: int
    """Turns to make."""
    facts: JsonObject
    """The data in numbers."""

    @property
    def steps(self) -> int:
        """Turns that are over."""
        return self.federation.steps

    def step(self) -> JsonObject:
        """The next turn; returns its metrics."""
        return self.federation.step()

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """The server's model, and what the server can tell."""
        with self.federation.holding(self.federation.server):
            row, shown = self.answers()
        exposed = Exposure.of(self.federation, self.others)
        if exposed is None:
            return row, shown
        whole = self.steps * sum(tensor.numel() for tensor in self.federation.server.values())
        more = {"eval/membership_auc": exposed.rebuilt, "eval/membership_auc_both": exposed.own}
        return row | more | {"eval/uploaded": self.federation.uploaded / whole}, shown

    def save(self, directory: Path) -> None:
        """Write the federation."""
        self.federation.save(directory)

    def restore(self, directory: Path) -> None:
        """Go on with it."""
        self.federation.restore(directory)

    def save_model(self, directory: Path) -> None:
        """Write the model with the server's adapters merged into it."""
        with self.federation.holding(self.federation.server) as policy:
            policy.save(directory)

    def close(self) -> None:
        """There are no child processes."""


def counted(parts: Mapping[str, Sequence[Answered]]) -> JsonObject:
    """The clients in numbers."""
    sizes = [len(part) for part in parts.values()]
    return {"clients": len(sizes), "train": sum(sizes), "fewest": min(sizes), "most": max(sizes)}


def _still_there(parts: Mapping[str, Sequence[Answered]], kept: Sequence[Answered]) -> dict[str, list[Answered]]:
    """The rows of each client that the model has room for; a client without any takes no part."""
    known = {id(row) for row in kept}
    left = {client: [row for row in part if id(row) in known] for client, part in parts.items()}
    return {client: part for client, part in left.items() if part}
