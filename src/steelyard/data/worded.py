"""A generator and a judge that get each plain prompt in the words that stand around it (`task/wording.py`).

Records keep the prompt as it stands in its row, for whoever learns from them puts the words around it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from steelyard.data.builder import Judge, Question
from steelyard.data.endings import Written
from steelyard.data.writer import PolicyWriter
from steelyard.policy.text import Text
from steelyard.reward.pool import Closable
from steelyard.task.base import worded
from steelyard.task.wording import Wording

PLAIN = Wording()


def in_words(wording: Wording, prompt: Text) -> Text:
    """The prompt as it is asked.

    Raises:
        SteelyardError: it does not go with the words.
    """
    return worded(prompt, wording.prompt_template, wording.chat, wording.system_prompt, f"prompt {prompt!r:.60}")


@dataclass(frozen=True)
class WordedWriter:
    """A model that answers questions put into words."""

    writer: PolicyWriter
    wording: Wording

    @property
    def name(self) -> str:
        """The model, and how it is asked."""
        return f"{self.writer.name}, asked by {self.wording}"

    def __call__(self, questions: Sequence[Question], seed: int) -> list[str]:
        """The answer to each question, in order."""
        return [one.text for one in self.written(questions, seed)]

    def written(self, questions: Sequence[Question], seed: int) -> list[Written]:
        """The same, each with whether it came to its end."""
        asked = [replace(question, prompt=in_words(self.wording, question.prompt)) for question in questions]
        return self.writer.written(asked, seed)


@dataclass(frozen=True)
class WordedJudge(Closable):
    """A judge that reads prompts as they were asked."""

    judge: Judge
    wording: Wording

    @property
    def name(self) -> str:
        """The judge's."""
        return self.judge.name

    def __call__(
        self, prompts: Sequence[Text], completions: Sequence[str], **columns: Sequence[object]
    ) -> list[float | None]:
        """A number for each completion; None where the judge cannot tell."""
        return self.judge([in_words(self.wording, prompt) for prompt in prompts], completions, **columns)

    def close(self) -> None:
        """End the judge's processes."""
        if isinstance(self.judge, Closable):
            self.judge.close()
