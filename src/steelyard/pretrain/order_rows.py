"""Rows as batches that a flat vector of parameters learns from: the gradient of a batch, and losses.

    L(w; rows) = - mean over all tokens to be learned of log pi_w        g = dL / dw

A row with a text is a document, learned from its first token on; longer than the context, it is cut into pieces. Others
are learned by their answers, given the prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from steelyard.core import Trajectory, hash_share, pad, require
from steelyard.core.columns import Column, check_row, text_of
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.policy.auditor import PlacedRow
from steelyard.policy.copied import copied
from steelyard.pretrain.document import document, pieces, trajectory_of
from steelyard.pretrain.held_out import held_out_loss
from steelyard.task.answered import Answered, AnsweredFile
from steelyard.task.base import key_of

AT_ONCE = 32
"""Rows of a forward pass."""


@dataclass(frozen=True)
class OrderRow:
    """A document, or a prompt with its answer."""

    key: str
    """Its text, which decides whether it is held out."""
    number: float
    """What rows are sorted by."""
    of: str | Answered
    where: str
    """Its place, for errors."""

    def tokens(self, policy: Policy) -> list[Trajectory]:
        """The row in a policy's tokens.

        Raises:
            SteelyardError: a prompt with its answer is longer than the context.
        """
        if isinstance(self.of, str):
            return pieces(trajectory_of(policy, document([self.of], lambda text: 0.0)), policy.context_length)
        one = demonstration(policy, self.of.prompt, self.of.answer)
        what = f"it has {len(one.tokens_T)} tokens, and the context {policy.context_length}"
        require(len(one.tokens_T) <= policy.context_length, what, where=self.where, hint="leave it out")
        return [one]


def order_rows(rows: Sequence[PlacedRow], text: str, by: str, file: AnsweredFile) -> list[OrderRow]:
    """The rows sorted by a number, where a column of it is named, and by a hash; of equal ones the first counts.

    Args:
        rows: with their places.
        text: column of documents.
        by: column of the number; empty for none.
        file: how other rows become prompts and answers.

    Raises:
        SteelyardError: a row has neither a text nor a prompt and an answer, or no number.
    """
    found: dict[tuple[str, str], OrderRow] = {}
    for place, row in rows:
        if by:
            check_row(row, [Column(by, "number", "--by")], place)
        number = float(str(row[by])) if by else 0.0
        if row.get(text) is not None:
            whole = text_of(row, Column(text, setting="--text"), place)
            found.setdefault((whole, ""), OrderRow(whole, number, whole, place))
            continue
        one = file.answered(row, place)
        key = key_of(one.prompt.text)
        found.setdefault((key, one.answer), OrderRow(key, number, one, place))
    ordered = sorted(found.items(), key=lambda item: (item[1].number, hash_share("\n".join(item[0]))))
    return [row for _, row in ordered]


class PolicyBatches:
    """Batches, held-out rows, and a copy of a policy that takes any parameters.

    Args:
        policy: stays as it is.
        batches: rows of each.
        held_out: rows that measure.
    """

    def __init__(self, policy: Policy, batches: Sequence[Sequence[OrderRow]], held_out: Sequence[OrderRow]) -> None:
        self._policy = copied(policy)
        self._parameters = [*self._policy.trainable().values()]
        self.batches = [[t for row in batch for t in row.tokens(policy)] for batch in batches]
        self._held_out = [t for row in held_out for t in row.tokens(policy)]
        self.start_W = torch.cat([p.detach().flatten() for p in self._parameters])

    def gradient(self, weight_W: Float[Tensor, "W"], batch: int) -> Float[Tensor, "W"]:
        """g of a batch at these parameters."""
        self._put(weight_W)
        for p in self._parameters:
            p.grad = None
        rows = self.batches[batch]
        total = sum(int(t.action_T.sum()) for t in rows)
        for start in range(0, len(rows), AT_ONCE):
            padded = pad(rows[start : start + AT_ONCE])
            logp_NT = self._policy.step_logp(padded.tokens_NT, padded.attend_NT, padded.action_NT).logp_NT
            (-logp_NT.sum() / total).backward()
        return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in self._parameters])

    def held_out_loss(self, weight_W: Float[Tensor, "W"]) -> float:
        """L of the held-out rows at these parameters."""
        self._put(weight_W)
        return held_out_loss(self._policy, self._held_out)

    def batch_loss(self, weight_W: Float[Tensor, "W"], batch: int) -> float:
        """L of a batch at these parameters."""
        self._put(weight_W)
        return held_out_loss(self._policy, self.batches[batch])

    @torch.no_grad()
    def _put(self, weight_W: Float[Tensor, "W"]) -> None:
        start = 0
        for p in self._parameters:
            p.copy_(weight_W[start : start + p.numel()].view_as(p))
            start += p.numel()
