"""Spectrum tuning: a model sees many draws of a described process in one sequence, and learns to go on drawing.

Differs: roles are marked by plain text, where the paper takes the special tokens of a chat format and copies their
embeddings from the model's instruct sibling; `--role` and `--after` write them for a model that has them. A task's rows
are each used once, in sequences of as many as fit. Unconfirmed: how many draws the paper puts into a sequence.

    s = d, (x_1), y_1, (x_2), y_2, ...          draws of one process, shuffled: their order says nothing
    d is kept with probability `description_share`; where it is dropped, y_1 is read and not learned
    L = - mean over the tokens t of every y_k and its end of log pi(t | all before)

One pass: each draw is seen once, so the loss is least where probabilities are those of the process, and not where one
draw is known by heart. d is a description, x an input, y an output. P prompts, G samples per prompt, T steps: here P
sequences, G = 1, and the tokens of outputs are steps.
Source: Sorensen et al. 2025, arXiv:2510.06084, and its code.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from steelyard.core import PositiveInt, Share, Trajectory, method, rng
from steelyard.learner.demonstrations import end_of, given
from steelyard.policy import Policy
from steelyard.task.base import OnCommandLine, PlainText
from steelyard.task.draws import Example, Process

RoleTemplate = Annotated[str, Meta(pattern=r"\{role\}", description="a text with {role} where it goes"), OnCommandLine]


@dataclass(frozen=True)
class DrawnSequence:
    """Draws of one process in a policy's tokens."""

    trajectory: Trajectory
    """Its actions are what is learned."""
    outputs: tuple[slice, ...]
    """Where each output stands, its end included."""

    def learning(self, parts: Sequence[slice]) -> Trajectory:
        """The same tokens, of which these parts are actions."""
        action_T = np.zeros(len(self.trajectory.tokens_T), bool)
        for part in parts:
            action_T[part] = True
        return self.trajectory.replace(action_T=action_T)


@method(
    "spectrum",
    paper="arXiv:2510.06084",
    claim="Steers by examples better than instruction tuning, which is worse than pretraining in 35 of 76 comparisons",
)
@dataclass(frozen=True)
class Spectrum:
    """How draws of a process become what is learned."""

    description_share: Share = 0.8
    """Share of the sequences that begin with the description; in the others the first output is not learned."""
    max_length: PositiveInt = 1024
    """Most tokens of a sequence; the model's context, where that is less."""
    max_draws: PositiveInt | None = None
    """Most draws in a sequence; None for as many as fit."""
    learned: Literal["outputs", "all", "last", "first"] = "outputs"
    """What the loss is on: the outputs; all tokens; the last output, or the first, of each sequence."""
    role: RoleTemplate = "{role}:\n"
    r"""What stands before a description, an input and an output, which are its roles: "<|im_start|>{role}\n". On the
    command line \n, \t and \\ are a line break, a tab and a backslash."""
    after: PlainText = "\n"
    """What stands after each of them; after an output, behind its end of sequence, which is not written twice."""

    def sequences(self, policy: Policy, process: Process, seed: int) -> list[DrawnSequence]:
        """A process's draws in random order, cut into sequences that fit; those that teach nothing are left out."""
        draws = rng(seed, "spectrum", process.name)
        rest = [process.examples[i] for i in draws.permutation(len(process.examples))]
        found = []
        while rest:
            wordings = process.descriptions if draws.random() < self.description_share else ()
            described = wordings[int(draws.integers(len(wordings)))] if wordings else ""
            one = self.sequence(policy, described, rest[: self.max_draws])
            rest = rest[max(len(one.outputs), 1) :]
            if one.trajectory.action_T.any():
                found.append(one)
        return found

    def sequence(self, policy: Policy, described: str, examples: Sequence[Example]) -> DrawnSequence:
        """As many of these draws as fit, after the description, where there is one."""
        end = end_of(policy)
        most = min(self.max_length, policy.context_length)
        text = self._marked("description", described) if described else ""
        tokens: list[int] = []
        outputs: list[slice] = []
        for example in examples:
            text += self._asked(example.input)
            before = policy.encode_next(None, text, end) if tokens else policy.encode(text)
            said = [*policy.tokenizer.encode(example.output, add_special_tokens=False), end]
            if len(tokens) + len(before) + len(said) > most:
                break
            tokens = [*tokens, *before, *said]
            outputs.append(slice(len(tokens) - len(said), len(tokens)))
            text = self._closed(policy)
        whole = DrawnSequence(given(described, tokens, [], reward=1.0), tuple(outputs))
        return replace(whole, trajectory=whole.learning(self._learned(whole, described)))

    def prompt(self, policy: Policy, described: str, examples: Sequence[Example], asked: str) -> str:
        """The text that asks for a draw after an input, behind a description and other draws."""
        closed = f"{_end(policy)}{self._closed(policy)}"
        shown = "".join(f"{self._asked(one.input)}{one.output}{closed}" for one in examples)
        return f"{self._marked('description', described) if described else ''}{shown}{self._asked(asked)}"

    def _learned(self, whole: DrawnSequence, described: str) -> Sequence[slice]:
        """The parts that the loss is on."""
        if self.learned == "all":
            return [slice(1, None)]
        parts = whole.outputs if described else whole.outputs[1:]
        if self.learned == "last":
            return parts[-1:]
        return whole.outputs[: bool(described)] if self.learned == "first" else parts

    def _closed(self, policy: Policy) -> str:
        """What stands behind the end of an output; an end that `after` begins with is not written twice."""
        return self.after.removeprefix(_end(policy))

    def _asked(self, asked: str) -> str:
        """What stands before an output."""
        return (self._marked("input", asked) if asked else "") + self.role.replace("{role}", "output")

    def _marked(self, role: str, text: str) -> str:
        return f"{self.role.replace('{role}', role)}{text}{self.after}"


def _end(policy: Policy) -> str:
    """The text of the token that ends an output."""
    return policy.tokenizer.decode([end_of(policy)], skip_special_tokens=False)
