"""A generator for builders: a language model behind the engine that searchers use.

An answer follows from the weights, the prompt, the seed and the question's address, not from what else is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from steelyard.core import Request, Sampling, require
from steelyard.data.builder import Question
from steelyard.data.endings import Written
from steelyard.policy import Policy
from steelyard.rollout import engine_for


@dataclass(frozen=True)
class PolicyWriter:
    """A model that answers questions."""

    policy: Policy
    name: str
    """What the records that it had a part in call it."""
    sampling: Sampling

    def __call__(self, questions: Sequence[Question], seed: int) -> list[str]:
        """The answer to each question, in order.

        Raises:
            SteelyardError: two questions have one address, or a prompt is too long for the model.
        """
        return [one.text for one in self.written(questions, seed)]

    def written(self, questions: Sequence[Question], seed: int) -> list[Written]:
        """The same, each with whether it came to its end."""
        places = [("/".join(question.address), question.sample) for question in questions]
        hint = "give each an address or a sample number of its own"
        require(len(set(places)) == len(places), "two questions have one address", where="generator", hint=hint)
        if not questions:
            return []
        tokens = self.policy.encode_all([question.prompt for question in questions])
        asked = [Request(place, tuple(row), sample) for (place, sample), row in zip(places, tokens, strict=True)]
        drawn = engine_for(self.policy, seed).generate(asked, self.sampling)
        said = {(t.prompt_id, t.sample): Written(self.policy.decode(t.completion_T), t.finish == "stop") for t in drawn}
        return [said[place] for place in places]
