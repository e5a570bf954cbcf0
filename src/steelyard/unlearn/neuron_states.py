"""What a policy's neurons do while it reads rows: recorded at sites, token by token.

N rows, T tokens, M neurons; K tokens of all rows together.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from steelyard.core import Trajectory
from steelyard.learner import demonstration
from steelyard.model.intervention import Pass
from steelyard.policy import Policy
from steelyard.policy.whole_rows import read_rows
from steelyard.task.answered import Answered

ROWS = 16
"""Rows that are read together."""


class _Recorder:
    """Takes down what stands at sites and changes nothing."""

    def __init__(self, sites: Sequence[str]) -> None:
        self.found: dict[str, Tensor] = dict.fromkeys(sites, torch.empty(0))

    def sites(self, num_layers: int) -> Sequence[str]:
        return tuple(self.found)

    def change(self, site: str, hidden_NTD: Float[Tensor, "N T D"], reads: Pass) -> Float[Tensor, "N T D"]:
        self.found[site] = hidden_NTD.detach().float()
        return hidden_NTD


def demonstrated(policy: Policy, rows: Sequence[Answered]) -> list[Trajectory]:
    """Rows with their answers in a policy's tokens."""
    return [demonstration(policy, row.prompt, row.answer) for row in rows]


def last_of_prompt(prompt_NT: Bool[Tensor, "N T"]) -> Bool[Tensor, "N T"]:
    """True at the last token of each row's prompt that is there."""
    after_NT = torch.nn.functional.pad(prompt_NT[:, 1:], (0, 1))
    return prompt_NT & ~after_NT


@torch.no_grad()
def states(
    policy: Policy, rows: Sequence[Trajectory], sites: Sequence[str], at: Sequence[Sequence[int]]
) -> dict[str, Float[Tensor, "K M"]]:
    """Site -> what stands there at the tokens `at` of each row, one row after another, in float32 on the CPU.

    An intervention that the policy has is left out.
    """
    present = policy.intervention
    recorder = _Recorder(sites)
    found: dict[str, list[Tensor]] = {site: [] for site in sites}
    policy.intervene(recorder)
    try:
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            read_rows(policy, [t.tokens_T.tolist() for t in part], [int((~t.action_T).sum()) for t in part])
            for site in sites:
                for row, places in enumerate(at[start : start + ROWS]):
                    found[site].append(recorder.found[site][row, list(places)].cpu())
    finally:
        policy.intervene(present)
    return {site: torch.cat(parts) for site, parts in found.items()}
