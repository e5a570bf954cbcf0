"""Rows of tokens of different lengths, read whole in one forward pass."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from steelyard.policy.policy import Policy


def read_rows(
    policy: Policy, rows: Sequence[Sequence[int]], prompts: Sequence[int]
) -> tuple[Float[Tensor, "N T D"], Int[Tensor, "N"]]:
    """Hidden states, and the lengths of the rows (tokens).

    Rows are padded at the end, so that their tokens have the positions that they have alone; what stands at padding is
    arbitrary. `prompts` are the lengths of the rows' prompts, which an intervention asks for.
    """
    device = policy.device
    longest = max(len(row) for row in rows)
    tokens_NT = torch.tensor([[*row, *[policy.pad_id] * (longest - len(row))] for row in rows], device=device)
    length_N = torch.tensor([len(row) for row in rows], device=device)
    at_T = torch.arange(longest, device=device)
    attend_NT = (at_T < length_N[:, None]).long()
    positions_NT = at_T.expand(len(rows), -1)
    with policy.reading(torch.tensor(prompts, device=device)):
        hidden_NTD = policy.reader(
            input_ids=tokens_NT, attention_mask=attend_NT, position_ids=positions_NT, use_cache=False
        )[0]
    return hidden_NTD, length_N


def end_states(policy: Policy, rows: Sequence[Sequence[int]], prompts: Sequence[int]) -> Float[Tensor, "N D"]:
    """The last hidden state at each row's last token: what its next token follows from."""
    hidden_NTD, length_N = read_rows(policy, rows, prompts)
    return hidden_NTD[torch.arange(len(rows), device=hidden_NTD.device), length_N - 1]
