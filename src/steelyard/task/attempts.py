"""An episode of attempts at one question: a verifier looks at each, and whoever is wrong is told so and nothing else.

    return = sum_t decay^t [attempt t is right] - repeat (1 - E / T) - form I

t counts attempts from 0, and a right one is the last. T attempts had an answer, E different ones among them (1 - E / T
is 0 where T is 0), and I had none. Two answers are the same where they differ by spaces and capitals alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from msgspec import Meta

from steelyard.core import Ending, Episode, NonNegative, Observation, Positive, Prompt, Score, Share, checked
from steelyard.task.base import PlainText

Verify = Callable[[Episode], Score]
"""What one attempt is worth."""


@checked()
@dataclass(frozen=True)
class AttemptRules:
    """How many attempts there are, what a wrong one is told, and what they earn together."""

    max_turns: Annotated[int, Meta(ge=1, le=100)] = 5
    """Attempts in an episode; 1 is single-turn RL."""
    feedback: PlainText = "\nThat is not right. Try again.\n"
    r"""What follows a wrong attempt; in a chat, the message of a user, without the spaces around it. Escapes as in
    --prompt-template."""
    turn_decay: Share = 0.5
    """A right answer earns this to the power of the wrong attempts before it; 1 earns the same in every turn."""
    repeat_penalty: NonNegative = 0.5
    """What an episode would lose if none of its answers were new; a share of it for the share that was not."""
    format_penalty: NonNegative = 0.1
    """What each attempt without an answer loses."""
    right_at: float = 1.0
    """Lowest score of the verifier that counts as right."""
    answers: Literal["read", "text"] = "read"
    """What tells attempts apart: the answer that the verifier reads, or the whole text of the turn. A --reward reads no
    answer, so there it is always the text."""
    deadline_s: Positive = 60.0
    """Seconds that the verifier may take for an attempt, waiting for its turn included."""

    def answer_of(self, said: str, score: Score) -> str:
        """The answer of an attempt as it is compared with others; empty where there is none."""
        return "".join((said if self.answers == "text" else score.read or "").split()).casefold()

    def returned(self, answers: Sequence[str], right: bool) -> Score:
        """What an episode earns, of which the last attempt was right or none was.

        Parts: `right` and `first`, 1 where any attempt was right and where the first was; `turns`, and `repeats`, how
        many answers were not new.
        """
        told = [answer for answer in answers if answer]
        repeats = len(told) - len(set(told))
        earned = self.turn_decay ** (len(answers) - 1) if right else 0.0
        lost = self.repeat_penalty * repeats / max(len(told), 1) + self.format_penalty * (len(answers) - len(told))
        first = right and len(answers) == 1
        parts = {"right": float(right), "first": float(first), "turns": float(len(answers)), "repeats": float(repeats)}
        return Score(earned - lost, parts, right=right)


class Attempts:
    """One episode.

    Args:
        rules: the settings.
        verify: looks at each attempt as if it were the only one.
    """

    def __init__(self, rules: AttemptRules, verify: Verify) -> None:
        self._rules = rules
        self._verify = verify
        self._answers: list[str] = []

    def reset(self, prompt: Prompt) -> Observation:
        """The question."""
        self._prompt = prompt
        return prompt.text

    def step(self, completion: str) -> Observation | Score:
        """The feedback after a wrong attempt, or the end."""
        score = self._attempt(completion, "stop")
        return self._feedback() if score is None else score

    def truncate(self, completion: str) -> Score:
        """What the episode earns as it stands; an attempt that was cut off is one, too."""
        score = self._attempt(completion, "length") if completion else None
        return self._rules.returned(self._answers, False) if score is None else score

    def _attempt(self, said: str, finish: Ending) -> Score | None:
        """The episode's score, or None where it goes on."""
        score = self._verify(Episode.written(self._prompt, said, finish))
        if score.value is None or score.error is not None:
            return Score(None, error=f"attempt {len(self._answers) + 1}: {score.error or 'the verifier gave no score'}")
        self._answers.append(self._rules.answer_of(said, score))
        right = score.value >= self._rules.right_at
        if not right and len(self._answers) < self._rules.max_turns:
            return None
        return replace(self._rules.returned(self._answers, right), read=score.read, read_from=score.read_from)

    def _feedback(self) -> Observation:
        text = self._rules.feedback
        return text if isinstance(self._prompt.text, str) else [{"role": "user", "content": text.strip()}]
