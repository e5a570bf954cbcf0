"""The replay buffer by itself, under a trainer that shares nothing with Steelyard.

A policy of your own writes words of four letters, and keeps all of them in the buffer. Each step of a plain torch loop
draws groups by recency or by reward, and has a loss of your own. Printed are the policy's mean reward before and
after, and how old and how good what it learned from was.
"""

import numpy as np
import torch

from steelyard.core import Sampling, Trajectory
from steelyard.replay import PrioritizedReplay

PROMPTS = ("bead", "cafe", "dace", "fade")
"""What to write; a word earns the share of its letters that are right."""
LETTERS = "abcdef"
STEPS = 150


class Speller(torch.nn.Module):
    """A policy of your own: the letters of a prompt's word are independent of each other."""

    def __init__(self) -> None:
        super().__init__()
        self.logits_PTV = torch.nn.Parameter(torch.zeros(len(PROMPTS), 4, len(LETTERS)))

    def logp(self, prompt: int, tokens_GT: torch.Tensor) -> torch.Tensor:
        """log pi of each letter: [G, T]."""
        logp_TV = self.logits_PTV[prompt].log_softmax(-1)
        return logp_TV.expand(len(tokens_GT), -1, -1).gather(-1, tokens_GT[..., None]).squeeze(-1)

    @torch.no_grad()
    def write(self, prompt: int, samples: int, version: int) -> list[Trajectory]:
        """Sampled words as trajectories: tokens in and tokens out, with their log-probabilities and reward."""
        tokens_TG = self.logits_PTV[prompt].softmax(-1).multinomial(samples, replacement=True)
        tokens_GT = tokens_TG.T.contiguous()
        rows = zip(tokens_GT.numpy().astype(np.int32), self.logp(prompt, tokens_GT).numpy(), strict=True)
        return [
            Trajectory(
                prompt_id=PROMPTS[prompt],
                tokens_T=tokens_T,
                action_T=np.ones(4, bool),  # the policy chose every letter
                logp_behaviour_T=logp_T,
                version=version,
                digest="",
                sampling=Sampling(max_tokens=4),
                finish="length",
                reward=float(
                    np.mean([LETTERS[i] == letter for i, letter in zip(tokens_T, PROMPTS[prompt], strict=True)])
                ),
            )
            for tokens_T, logp_T in rows
        ]


def your_loss(policy: Speller, group: list[Trajectory]) -> torch.Tensor:
    """Any loss will do; here the words of a group are made more likely in proportion to how good they are."""
    tokens_GT = torch.tensor(np.stack([t.tokens_T for t in group])).long()
    reward_G = torch.tensor([t.reward for t in group])
    weight_G = (reward_G / 0.1).softmax(0)
    return -(weight_G * policy.logp(PROMPTS.index(group[0].prompt_id), tokens_GT).sum(-1)).sum()


def mean_reward(policy: Speller) -> float:
    """Of 256 new words for each prompt."""
    return float(np.mean([t.reward or 0.0 for prompt in range(len(PROMPTS)) for t in policy.write(prompt, 256, 0)]))


def main() -> None:
    """Sample, store, draw, learn."""
    torch.manual_seed(0)
    policy = Speller()
    optimizer = torch.optim.Adam(policy.parameters(), lr=0.03)
    # Half of the groups are a prompt's newest words, half are drawn from all that it has, the better the likelier.
    settings = PrioritizedReplay(recent_probability=0.5, reward_temperature=5.0, capacity_per_prompt=200)
    buffer = settings.open(seed=0)  # path="replay.sqlite" keeps it on disk
    drawn: list[tuple[int, float]] = []
    before = mean_reward(policy)
    for version in range(STEPS):
        for prompt in range(len(PROMPTS)):
            buffer.add(policy.write(prompt, 4, version), version=version)
        groups = buffer.sample(num_prompts=2, num_generations=8, version=version, draw=version)
        assert groups is not None  # None would mean: wait for more data
        optimizer.zero_grad()
        torch.stack([your_loss(policy, group) for group in groups]).mean().backward()
        optimizer.step()
        drawn += [(version - t.version, t.reward or 0.0) for group in groups for t in group]
    age, worth = np.mean(drawn, axis=0)
    stored = buffer.metrics()
    print(f"{stored['replay/admitted']:.0f} words came, {stored['replay/size']:.0f} different ones are stored")
    print(f"learned from words {age:.1f} versions old on average, of mean reward {worth:.2f}")
    print(f"mean reward before {before:.3f}, after {mean_reward(policy):.3f}")
    buffer.close()


if __name__ == "__main__":
    main()
