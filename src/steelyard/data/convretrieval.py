"""CONVERSE: a conversation is found by its summary, and an encoder learns to do without writing one.

Unconfirmed: only the abstract and others' notes could be read. By these an encoder reads the conversation, a neural
network weighs earlier utterances softly by the latest one of the user, and a contrastive loss brings a conversation
near its own summary. The form of that network is ours (data/conversation_encoder.py), as are the temperature, whether
the encoder of the summaries learns too (`keys`), and the number of examples. Differs: two equal summaries in a batch
are not held against each other.

    q_i = encoder(turns of conversation i),   k_j = encoder'(summary of conversation j),   both of length 1
    L   = - mean_i log ( exp(q_i . k_i / tau) / sum_j exp(q_i . k_j / tau) ),    j over the batch
    examples for a new conversation: the K conversations of the pool with the largest q . k_j

No label of a state is read. N conversations, D numbers of an embedding.
Source: Lee et al. 2024, arXiv:2402.13043.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from msgspec import Meta
from torch import Tensor
from torch.nn.functional import cross_entropy

from steelyard.core import Positive, PositiveInt, checked, method, require, rng
from steelyard.data.conversation_encoder import ConversationEncoder, Selector
from steelyard.data.conversations import Conversation
from steelyard.learner.fitting import Fitting


@method(
    "convretrieval",
    paper="arXiv:2402.13043",
    claim="Examples found by summaries track dialogues better than by raw turns; a distilled encoder writes none.",
)
@checked("convretrieval")
@dataclass(frozen=True)
class ConvRetrieval:
    """Settings of the retriever."""

    selector: Selector = "soft"
    """Which earlier turns count: what a small network says (soft), all alike, or none but the last turn."""
    keys: Literal["frozen", "shared"] = "shared"
    """Who embeds summaries: the encoder as it was before training, or the encoder that learns."""
    tau: Positive = 0.05
    """Temperature of the contrast."""
    batch: Annotated[int, Meta(ge=2)] = 32
    """Conversations in a step, each contrasted with the summaries of the others."""
    steps: PositiveInt = 500
    """Steps of AdamW."""
    examples: PositiveInt = 5
    """K: conversations that are found for a new one."""

    def begin(
        self,
        retriever: "Retriever",
        conversations: Sequence[Conversation],
        *,
        rate: float,
        seed: int,
        steps: int | None = None,
    ) -> Fitting:
        """The encoder's fit before its first step.

        Args:
            retriever: who learns.
            conversations: with their summaries; states are not read.
            rate: the learning rate.
            seed: of the batches.
            steps: to make, in place of those of the settings.

        Raises:
            SteelyardError: there are fewer than two different summaries.
        """
        apart = len({one.summary for one in conversations}) > 1
        what = "all conversations have one summary" if conversations else "there are no conversations"
        require(apart, what, where="convretrieval", hint="give conversations with different summaries")
        draws = rng(seed, "convretrieval")
        size = min(self.batch, len(conversations))

        def loss() -> Tensor:
            of = [conversations[i] for i in draws.choice(len(conversations), size, replace=False)]
            key_ND = retriever.keys_of([one.summary for one in of])
            return self.loss(retriever.encoder([one.turns for one in of]), key_ND, equal([one.summary for one in of]))

        learned = [p for p in retriever.encoder.parameters() if p.requires_grad]
        adam = torch.optim.AdamW(learned, lr=rate, weight_decay=1e-2)
        return Fitting(retriever.encoder, adam, loss, draws, steps or self.steps)

    def loss(
        self, query_ND: Float[Tensor, "N D"], key_ND: Float[Tensor, "N D"], equal_NN: Bool[Tensor, "N N"]
    ) -> Float[Tensor, ""]:
        """The contrast of a batch (nats).

        Args:
            query_ND: embeddings of the conversations.
            key_ND: embeddings of their summaries.
            equal_NN: which summaries are equal; such a pair is left out, but for a conversation's own.
        """
        own_N = torch.arange(len(query_ND), device=query_ND.device)
        left_NN = equal_NN.to(query_ND.device) & (own_N[:, None] != own_N)
        return cross_entropy((query_ND @ key_ND.T / self.tau).masked_fill(left_NN, -torch.inf), own_N)


class Retriever:
    """The encoder that learns, and who embeds summaries.

    Args:
        rule: the settings.
        encoder: who reads conversations.
    """

    def __init__(self, rule: ConvRetrieval, encoder: ConversationEncoder) -> None:
        self.encoder = encoder
        self.frozen: ConversationEncoder | None = None
        if rule.keys == "frozen":
            self.frozen = copy.deepcopy(encoder).requires_grad_(False)

    def keys_of(self, summaries: Sequence[str]) -> Float[Tensor, "N D"]:
        """The embeddings of summaries, with a gradient where their encoder learns."""
        return (self.frozen or self.encoder)([(summary,) for summary in summaries])

    @torch.no_grad()
    def embedded_keys(self, summaries: Sequence[str], *, batch: int = 64) -> Float[Tensor, "N D"]:
        """The same in batches, without a gradient."""
        parts = [self.keys_of(summaries[i : i + batch]).cpu() for i in range(0, len(summaries), batch)]
        return torch.cat(parts)


def equal(texts: Sequence[str]) -> Bool[Tensor, "N N"]:
    """Which of the texts are equal."""
    number = {text: i for i, text in enumerate(dict.fromkeys(texts))}
    of_N = torch.tensor([number[text] for text in texts])
    return of_N[:, None] == of_N


def nearest(score_QN: np.ndarray, number: int) -> np.ndarray:
    """The places of so many keys with the largest scores for each query, of equal ones the first."""
    return np.argsort(-score_QN, axis=1, kind="stable")[:, :number]


def recall_at(found_QK: np.ndarray, right_QN: np.ndarray) -> float:
    """Recall at K: of what is right for a query, the share that is found, where K are all that can be.

        recall@K = mean over queries of (right ones among the K found) / min(K, right ones)

    Queries for which nothing is right do not count.

    Args:
        found_QK: places of what was found.
        right_QN: which keys are right.
    """
    right_Q = right_QN.sum(1)
    asked = right_Q > 0
    hits_Q = np.take_along_axis(right_QN, found_QK, 1).sum(1)
    share_Q = hits_Q[asked] / np.minimum(right_Q[asked], found_QK.shape[1])
    return float(share_Q.mean()) if asked.any() else 0.0
