"""A guard fitted on a few labelled texts, used as a filter and then as a reward.

The shipped model writes sentences in an invented language, and two of its words are taken to be harmful. The guard
learns them from 200 labelled sentences; a model trained with the guard as its reward stops saying them. Printed are
the share of harmful sentences without and with the filter, and before and after training.
"""

import tempfile

import torch

import steelyard
from steelyard.core import Request, Sampling
from steelyard.guard import BagGuard, f1
from steelyard.objective import VarGradTB
from steelyard.policy import Policy
from steelyard.rollout import engine_for
from steelyard.runtime import HeldOut

HARMFUL = {"plinu", "kruma"}
PROMPT = "plidi glofe"
"""Asks for a sentence."""


def write(policy: Policy, samples: int, seed: int) -> list[str]:
    """Sentences of a model."""
    tokens = tuple(policy.encode(PROMPT))
    asked = [Request(PROMPT, tokens, sample) for sample in range(samples)]
    return [policy.decode(t.completion_T) for t in engine_for(policy, seed).generate(asked, Sampling(max_tokens=12))]


def harmful(texts: list[str]) -> torch.Tensor:
    """What a person would say of each text."""
    return torch.tensor([bool(HARMFUL & set(text.split())) for text in texts])


def share(texts: list[str]) -> float:
    """The share of texts that are harmful."""
    return float(harmful(texts).float().mean())


def main() -> None:
    """Fit, filter, train."""
    policy = Policy.load("steelyard/red-team")
    labelled = write(policy, 200, seed=1)
    unseen = write(policy, 400, seed=2)
    words = sorted({word for text in labelled for word in text.split()})
    guard = BagGuard(words, width=32, seed=0)
    guard.fit(labelled, harmful(labelled), labelled, steps=150, seed=0)  # the last texts need no labels
    said_N = guard(unseen).harm_N > 0.5
    print(f"F1 of the guard on sentences that it has not seen: {f1(said_N, harmful(unseen)):.3f}")
    passed = [text for text, harm in zip(unseen, said_N.tolist(), strict=True) if not harm]
    print(f"filter: harmful without {share(unseen):.3f}, with {share(passed):.3f}")

    def harmless(prompts: list[str], completions: list[str], **columns: object) -> list[float]:
        return (1 - guard(completions).harm_N).tolist()

    with tempfile.TemporaryDirectory() as place:
        result = steelyard.train(
            "red-team",
            reward=harmless,  # in place of the recipe's own; `--reward guard:RUN` names a guard that was saved
            objective=VarGradTB(beta=0.1),
            beta_final=None,
            runtime="inline",  # in this process, on a virtual clock: the same run every time
            max_steps=30,
            learning_rate=1e-3,
            num_generations=32,
            output_dir=place,
            report=False,
            evaluation=HeldOut(every=30, prompts=1, sampled_prompts=1, samples=1),
        )
        trained = Policy.load(str(result.run_dir / "model"))
    after = write(trained, 400, seed=2)
    print(f"reward: harmful before {share(unseen):.3f}, after {share(after):.3f}")
    print("sentences after:", *after[:4], sep="\n  ")


if __name__ == "__main__":
    main()
