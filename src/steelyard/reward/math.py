r"""Answers in mathematics and in words: reward 1 where the completion's final answer is the right one, 0 elsewhere.

    r(y | x) = [ final answer of y  ==  answer of x ],   so 1/2 = 0.5 = \frac{1}{2} = \boxed{0.5}

`final_answer.py` says where the final answer stands, `gold.py` what a right answer means. A number is compared exactly,
and only with a number: 85+23 is no answer to "What is 85+23?". Words are compared as text. Only a formula is compared
by value, by math-verify, and one that stands in the prompt is no answer.

Each comparison of formulas is a job with a deadline in a killable worker: 9^{9^{9^9}} costs its own reward and nothing
else. One that fails, is late or runs out of memory gives no reward, never 0 (math-verify alone hides the last: see
`import_hook.py`); a completion without an answer is wrong, so 0.
Differs: a formula in bare LaTeX is read whole; math-verify alone would take 2\sqrt{3} for 2.
Source: Hugging Face, math-verify (https://github.com/huggingface/Math-Verify).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from steelyard.core import Episode, Positive, PositiveInt, Score, method
from steelyard.reward.answer_check import AnswerCheck, Verdict, judge, prompt_text
from steelyard.reward.final_answer import Found, find_answer
from steelyard.reward.gold import Gold, UnreadableError, gold_value, golds_of
from steelyard.reward.pool import Closable, Memory, Pool
from steelyard.reward.score import score_of_reply


def _whole(text: str) -> str:
    """Mark a bare answer as one expression; text with marks of its own keeps them."""
    return text if "\\boxed" in text or text.count("$") > 1 else f"\\boxed{{{text}}}"


@dataclass(frozen=True)
class _Open:
    """A comparison that math-verify has to make: an episode's formula with one right answer."""

    episode: int
    gold: Gold
    verdict: Verdict


@method("math-verify")
@dataclass(frozen=True)
class MathVerify(Closable):
    """Scores 1 where the final answer is the right one, else 0; None where the check failed or was late."""

    answer_column: str = "answer"
    """The prompt's column with the right answer."""
    timeout_s: Positive = 5.0
    """Deadline of one check (seconds)."""
    num_workers: PositiveInt = 2
    """Child processes that compare formulas."""
    memory_mb: Memory = 2048
    """What each child process may allocate (MB)."""
    check: AnswerCheck = field(default_factory=AnswerCheck)
    """How strictly numbers are compared."""

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
        scores: list[Score] = []
        waiting: list[_Open] = []
        for at, episode in enumerate(episodes):
            score, more = self._score(at, episode)
            scores.append(score)
            waiting += more
        self._compare(waiting, scores)
        return scores

    def _score(self, at: int, episode: Episode) -> tuple[Score, list[_Open]]:
        """An episode's score so far, and the comparisons of formulas that may still make it 1."""
        try:
            golds = golds_of(gold_value(episode, self.answer_column))
        except UnreadableError as error:
            return Score(None, error=f"math-verify: {error}"), []
        finder = _Finder(episode)
        first = Score(0.0)
        waiting: list[_Open] = []
        for gold in golds:
            found = finder.find(gold)
            verdict = judge(gold, found, finder.prompt, self.check)
            source = found.source if found is not None and verdict.read else ""
            if verdict.right:
                return Score(1.0, read=verdict.read, read_from=source), []
            if first.read is None:
                first = Score(0.0, read=verdict.read, read_from=source)
            if verdict.formula is not None:
                waiting.append(_Open(at, gold, verdict))
        return first, waiting

    def _compare(self, waiting: Sequence[_Open], scores: list[Score]) -> None:
        """Put the outcome of each comparison of formulas in its episode's score; one that is equal is enough."""
        jobs = [{"gold": _whole(one.gold.text), "completion": _whole(one.verdict.formula or "")} for one in waiting]
        for one, reply in zip(waiting, self._pool.map(jobs, timeout_s=self.timeout_s) if jobs else [], strict=True):
            before = scores[one.episode]
            came = score_of_reply(reply, "math-verify")
            if before.value == 1.0 or (before.value is None and came.value == 0.0):
                continue
            scores[one.episode] = Score(came.value, error=came.error, read=before.read, read_from=before.read_from)

    def close(self) -> None:
        """End the child processes."""
        self._pool.close()


class _Finder:
    """An episode's final answer, found once for words and once for all else."""

    def __init__(self, episode: Episode) -> None:
        self.episode = episode
        self.prompt = prompt_text(episode.prompt)
        self._found: dict[bool, Found | None] = {}

    def find(self, gold: Gold) -> Found | None:
        """The final answer to be compared with this right answer."""
        quotes = gold.is_words or gold.moment is not None
        if quotes not in self._found:
            e = self.episode
            self._found[quotes] = find_answer(e.completion, prompt=self.prompt, finish=e.finish, quotes=quotes)
        return self._found[quotes]
