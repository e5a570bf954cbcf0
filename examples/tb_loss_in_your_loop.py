"""Trajectory balance as a loss in a torch loop of your own, checked against the exact answer.

A small network writes three of six letters, and all 216 words can be listed, so its target pi* is known exactly. It
learns from words that were drawn by chance before training began, never from its own. Printed is its exact distance to
pi*, the total variation (0 is equal, 1 is disjoint), before and after.
"""

import itertools

import torch

from steelyard.core import Batch
from steelyard.objective import VarGradTB

BETA = 0.2
STEPS = 600
WORDS_NT = torch.tensor(list(itertools.product(range(6), repeat=3)))
"""Every word: N = 216 of T = 3 letters."""
REWARD_N = ((WORDS_NT[:, 1:] - WORDS_NT[:, :-1]) == 1).float().mean(1) + 0.5 * (WORDS_NT[:, 0] == WORDS_NT[:, 2])
"""Letters that climb by one are good, and so is ending as one began."""


class Writer(torch.nn.Module):
    """The probability of each letter, given those before it."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(7, 32)
        self.body = torch.nn.GRU(32, 64, batch_first=True)
        self.head = torch.nn.Linear(64, 6)

    def logp(self, words_NT: torch.Tensor) -> torch.Tensor:
        """log pi of each letter of N words: [N, T]."""
        before_NT = torch.nn.functional.pad(words_NT[:, :-1], (1, 0), value=6)
        logits_NTV = self.head(self.body(self.embed(before_NT))[0])
        return logits_NTV.log_softmax(-1).gather(-1, words_NT[..., None]).squeeze(-1)


@torch.no_grad()
def distance(policy: Writer, logp_ref_N: torch.Tensor) -> float:
    """Total variation to pi*(y) = pi_ref(y) exp(r(y) / beta) / Z, by enumeration."""
    target_N = (logp_ref_N + REWARD_N / BETA).softmax(0)
    return float((policy.logp(WORDS_NT).sum(1).exp() - target_N).abs().sum() / 2)


def main() -> None:
    """Train on words drawn uniformly, 32 in a group."""
    torch.manual_seed(0)
    policy = Writer()
    objective = VarGradTB(beta=BETA)
    optimizer = torch.optim.Adam(policy.parameters(), lr=5e-3)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.02, STEPS)
    with torch.no_grad():
        logp_ref_NT = policy.logp(WORDS_NT)  # the reference is the policy before training
    before = distance(policy, logp_ref_NT.sum(1))
    for _ in range(STEPS):
        index_G = torch.randint(len(WORDS_NT), (32,))
        logp_GT = policy.logp(WORDS_NT[index_G])
        batch = Batch(  # P = 1 prompt x G = 32 samples x T = 3 steps
            logp_PGT=logp_GT[None],
            action_PGT=torch.ones_like(logp_GT[None], dtype=torch.bool),
            valid_PG=torch.ones(1, len(index_G), dtype=torch.bool),
            reward_PG=REWARD_N[index_G][None],
            logp_ref_PGT=logp_ref_NT[index_G][None],
        )
        optimizer.zero_grad()
        objective(batch).value.backward()
        optimizer.step()
        schedule.step()
    print(f"total variation to pi* before {before:.3f}, after {distance(policy, logp_ref_NT.sum(1)):.3f}")


if __name__ == "__main__":
    main()
