"""How a batch of rows is read on a model's own forward pass: with a cache of keys and values, or whole for every token.

Shapes: U different prompts, N rows, V vocabulary.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from steelyard.policy import Policy
from steelyard.policy.saved_check import apart, most_apart
from steelyard.policy.whole_rows import end_states
from steelyard.rollout.kept_rows import gather, gathers


@runtime_checkable
class Reading(Protocol):
    """Rows that grow by a token at a time."""

    @property
    def size(self) -> int:
        """N: how many there are; before `keep`, U."""
        ...

    def first(self) -> Float[Tensor, "U V"]:
        """Logits after the prompts."""
        ...

    def advance(self, token_N: Int64[Tensor, "N"]) -> Float[Tensor, "N V"]:
        """Append a token to each row; logits after it."""
        ...

    def keep(self, index_N: Int64[Tensor, "N"]) -> None:
        """Go on with these rows, in this order; one may be named several times."""
        ...


class Cached:
    """Keys and values are kept. Prompts are padded on the left."""

    def __init__(self, policy: Policy, prompts: Sequence[Sequence[int]]) -> None:
        self._policy = policy
        self._cache = policy.new_cache()
        longest = max(len(prompt) for prompt in prompts)
        pad = policy.pad_id
        tokens = [[pad] * (longest - len(prompt)) + [*prompt] for prompt in prompts]
        attend = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        self._token_UT = torch.tensor(tokens, device=policy.device)
        self._attend_NT = torch.tensor(attend, device=policy.device)
        self._length_N = self._attend_NT.sum(1)
        self._prompt_N = self._length_N

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self._length_N)

    def first(self) -> Float[Tensor, "U V"]:
        """Logits after the prompts."""
        return self._read(self._token_UT, (self._attend_NT.cumsum(1) - 1).clamp(min=0))

    def advance(self, token_N: Int64[Tensor, "N"]) -> Float[Tensor, "N V"]:
        """Append a token to each row; logits after it."""
        self._attend_NT = torch.nn.functional.pad(self._attend_NT, (0, 1), value=1)
        logits_NV = self._read(token_N[:, None], self._length_N[:, None])
        self._length_N = self._length_N + 1
        return logits_NV

    def keep(self, index_N: Int64[Tensor, "N"]) -> None:
        """Go on with these rows, in this order."""
        self._cache.batch_select_indices(index_N)
        self._attend_NT = self._attend_NT[index_N]
        self._length_N = self._length_N[index_N]
        self._prompt_N = self._prompt_N[index_N]

    @classmethod
    def gather(cls, parts: Sequence[tuple["Cached", Int64[Tensor, "_"]]]) -> "Cached":
        """Rows of several readings in one of their own."""
        whole = cls.__new__(cls)
        whole._policy = parts[0][0]._policy
        whole._length_N = torch.cat([each._length_N[index_N] for each, index_N in parts])
        whole._prompt_N = torch.cat([each._prompt_N[index_N] for each, index_N in parts])
        columns = int(whole._length_N.max())
        blank_N = columns - whole._length_N
        whole._attend_NT = (torch.arange(columns, device=blank_N.device) >= blank_N[:, None]).long()
        whole._cache = gather([(each._cache, index_N) for each, index_N in parts], columns)
        return whole

    def _read(self, tokens_NT: Int64[Tensor, "N T"], positions_NT: Int64[Tensor, "N T"]) -> Float[Tensor, "N V"]:
        with self._policy.reading(self._prompt_N):
            hidden = self._policy.backbone(
                input_ids=tokens_NT,
                attention_mask=self._attend_NT,
                position_ids=positions_NT,
                past_key_values=self._cache,
                use_cache=True,
            )[0]
        return self._policy.head(hidden[:, -1])


class Whole:
    """Nothing is kept but the tokens: right for any causal model, and slow for long completions."""

    def __init__(self, policy: Policy, prompts: Sequence[Sequence[int]]) -> None:
        self._policy = policy
        self._rows = [[*prompt] for prompt in prompts]
        self._prompt = [len(prompt) for prompt in prompts]

    @property
    def size(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def first(self) -> Float[Tensor, "U V"]:
        """Logits after the prompts."""
        return last_logits(self._policy, self._rows, self._prompt)

    def advance(self, token_N: Int64[Tensor, "N"]) -> Float[Tensor, "N V"]:
        """Append a token to each row; logits after it."""
        for row, token in zip(self._rows, token_N.tolist(), strict=True):
            row.append(token)
        return last_logits(self._policy, self._rows, self._prompt)

    def keep(self, index_N: Int64[Tensor, "N"]) -> None:
        """Go on with these rows, in this order."""
        self._rows = [[*self._rows[i]] for i in index_N.tolist()]
        self._prompt = [self._prompt[i] for i in index_N.tolist()]

    @classmethod
    def gather(cls, parts: Sequence[tuple["Whole", Int64[Tensor, "_"]]]) -> "Whole":
        """Rows of several readings in one of their own."""
        rows = [(each._rows[i], each._prompt[i]) for each, index_N in parts for i in index_N.tolist()]
        whole = cls(parts[0][0]._policy, [row for row, _ in rows])
        whole._prompt = [prompt for _, prompt in rows]
        return whole


def gather_rows(parts: Sequence[tuple[Reading, Int64[Tensor, "_"]]]) -> Reading:
    """Rows of several readings of one kind, side by side in one of their own; a row may be named several times."""
    cached = [(of, index_N) for of, index_N in parts if isinstance(of, Cached)]
    return Cached.gather(cached) if cached else Whole.gather([(of, i) for of, i in parts if isinstance(of, Whole)])


def last_logits(policy: Policy, rows: Sequence[Sequence[int]], prompts: Sequence[int]) -> Float[Tensor, "N V"]:
    """Logits after the last token of each row, which is read whole; `prompts` are the lengths of the rows' prompts."""
    return policy.head(end_states(policy, rows, prompts))


@torch.inference_mode()
def reading_for(policy: Policy) -> type[Cached] | type[Whole]:
    """`Cached` where the model keeps only keys and values, and where that gives what whole rows do on a small trial."""
    if not policy.caches:
        return Whole
    least = min(policy.vocab_size, policy.model.get_input_embeddings().weight.shape[0])
    prompts = [[i % least for i in range(3, 8)], [i % least for i in (9, 4)]]
    token_N = torch.tensor([least // 2, 1], device=policy.device)
    found = []
    for kind in (Cached, Whole):
        rows = kind(policy, prompts)
        parts = (rows.first(), rows.advance(token_N))
        found.append(torch.log_softmax(torch.stack(parts).float(), -1))
    return Cached if apart(*found) <= most_apart(policy.dtype, merged=True) else Whole


def forking_for(policy: Policy) -> type[Cached] | type[Whole]:
    """How rows are read that part and wait for each other; as `reading_for`, where their keys can be gathered."""
    found = reading_for(policy)
    return found if found is Whole or gathers(policy.new_cache()) else Whole
