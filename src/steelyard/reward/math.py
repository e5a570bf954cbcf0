r"""Mathematical answers: reward 1 where the completion's final expression equals the right answer, 0 elsewhere.

    r(y | x) = [ last expression of y  ==  answer of x ],   so 1/2 = 0.5 = \frac{1}{2} = \boxed{0.5}

The final expression is the last `\boxed{}`, else the text after the last `####`, else what math-verify finds last; of a
worked solution that is given as the right answer (MATH's, GSM8K's) likewise.
Each check is a job with a deadline in a killable worker: an answer such as 9^{9^{9^9}} costs its own reward and nothing
else. A check that fails, is late or runs out of memory gives no reward, never 0 (math-verify alone hides the last: see
`import_hook.py`); a completion without an expression is wrong, so 0.
Differs: a right answer in bare LaTeX is read whole; math-verify alone would take 2\sqrt{3} for 2.
Source: Hugging Face, math-verify (https://github.com/huggingface/Math-Verify).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from steelyard.core import Episode, Positive, PositiveInt, Score, method
from steelyard.reward.boxed import last_box
from steelyard.reward.gold import MARKER, after, gold_of
from steelyard.reward.pool import Closable, Memory, Pool
from steelyard.reward.score import score_of_reply


def _whole(text: str) -> str:
    """Mark a bare answer as one expression; text with marks of its own keeps them."""
    return text if "\\boxed" in text or text.count("$") > 1 else f"\\boxed{{{text}}}"


def _final(completion: str) -> str:
    # The box alone: math-verify would prefer what stands after "the final answer is" elsewhere in the text.
    if (box := last_box(completion)) is not None:
        return box
    tail = None if "\\boxed" in completion else after(completion, MARKER)
    return completion if tail is None else _whole(tail)


@method("math-verify")
@dataclass(frozen=True)
class MathVerify(Closable):
    """Scores 1 where the final expression equals the right answer, else 0; None where the check failed or was late."""

    answer_column: str = "answer"
    """The prompt's column with the right answer."""
    timeout_s: Positive = 5.0
    """Deadline of one check (seconds)."""
    num_workers: PositiveInt = 2
    """Child processes that check answers."""
    memory_mb: Memory = 2048
    """What each child process may allocate (MB)."""

    @cached_property
    def _pool(self) -> Pool:
        grader = Path(__file__).with_name("grader.py")
        candid = ("math_verify", "latex2sympy2_extended")
        return Pool(f"{grader}:check", num_workers=self.num_workers, memory_mb=self.memory_mb, candid=candid)

    def __call__(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order.

        Raises:
            SteelyardError: a prompt has no right answer, or math-verify cannot be loaded.
        """
        jobs = [
            {"gold": _whole(_final(gold_of(e, self.answer_column))), "completion": _final(e.completion)}
            for e in episodes
        ]
        replies = self._pool.map(jobs, timeout_s=self.timeout_s)
        return [score_of_reply(reply, "math-verify") for reply in replies]

    def close(self) -> None:
        """End the child processes."""
        self._pool.close()
