"""Any data set of reasoning-gym: generated items with their own verifier.

    r(y | x) = score_answer(answer of y) if that reaches the threshold, else 0

The answer of a completion is the content of its last <answer>...</answer>, else the text after its last `####`, else
all of it (`gym_answer.py`). `score_answer` gives a partial score to a long text that contains the answer; hence the
threshold. A check that fails, is late or runs out of memory gives no reward; it never gives 0. Verifiers that pay for
nonsense, or break on it, are corrected (`gym_scores.py`). Some data sets have no answers, only a verifier: the column
`answer` is then None. Items that raise an error are left out, and of equal prompts the first is kept; `notes` counts
both.
Source: Stojanovski et al. 2025, Reasoning Gym, arXiv:2505.24760. Needs the extra: pip install 'steelyard[gym]'.
"""

import dataclasses
import importlib.util
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from steelyard.core import (
    Episode,
    Positive,
    PositiveInt,
    Prompt,
    Score,
    ShareAboveZero,
    ShareInside,
    SteelyardError,
    method,
    require,
    suggest,
)
from steelyard.core.json import JsonObject, check_keys
from steelyard.reward import Closable, Pool, score_of_reply
from steelyard.reward.worker import Reply
from steelyard.task.base import PlainText, PromptTemplate, Text, make_prompt, split_by_hash, take_split, worded
from steelyard.task.gym_answer import Answer, gym_answer

GENERATE_S = 600.0
"""Deadline for generating all items (seconds); sudoku needs 24 ms each."""
SKIPPED = "items left out because they raised an error or had no question"


@method("gym", paper="arXiv:2505.24760")
@dataclass(frozen=True)
class Gym(Closable):
    """A data set of reasoning-gym."""

    OWN_DATA: ClassVar[str] = "--dataset chain_sum"
    extra: ClassVar[str] = "gym"

    dataset: str = "chain_sum"
    """Name of the data set."""
    size: PositiveInt = 2000
    """Items to generate, before equal ones are merged."""
    data_seed: int = 0
    """Seed of the items."""
    config: str = "{}"
    """Parameters of the data set, as JSON: '{"min_terms": 3, "max_terms": 3}'."""
    held_out_share: ShareInside = 0.1
    """Share of the prompts held out of training, chosen by hash of the question."""
    prompt_template: PromptTemplate = "{prompt}"
    r"""Text around each prompt, for example "{prompt}\nAnswer: ". On the command line \n, \t and \\ are a line break, a
    tab and a backslash."""
    bare: bool = False
    """Prompt with the bare expression instead of the question in words, if the data set has one."""
    threshold: ShareAboveZero | None = 1.0
    """A lower score counts as 0; None keeps the data set's graded score."""
    timeout_s: Positive = 5.0
    """Deadline of the check of one answer (seconds)."""
    chat: bool = False
    """Make each question the message of a user, which the model's chat template renders."""
    system_prompt: PlainText = ""
    """Message of the system before a chat; empty for none. Escapes as in --prompt-template."""

    @cached_property
    def _pool(self) -> Pool:
        return Pool(f"{Path(__file__).with_name('gym_worker.py')}:run", candid=("reasoning_gym",))

    @cached_property
    def _settings(self) -> JsonObject:
        installed = importlib.util.find_spec("reasoning_gym") is not None
        require(installed, "reasoning-gym is not installed", where="task gym", hint="pip install 'steelyard[gym]'")
        where = "gym.config"
        hint = 'write a JSON object such as {"min_terms": 3}'
        try:
            config = json.loads(self.config)
            check_keys(self.config, where)
        except json.JSONDecodeError as error:
            raise SteelyardError(f"it is not JSON: {error}", where=where, hint=hint) from error
        require(isinstance(config, dict), "it is not a JSON object", where=where, hint=hint)
        if self.dataset not in (known := self._run("known")):
            raise SteelyardError(
                f"unknown data set {self.dataset!r}", where="gym.dataset", hint=suggest(self.dataset, known)
            )
        parameters = self._run("parameters", dataset=self.dataset)
        for name in config:
            what = f"{self.dataset} has no parameter {name!r}"
            require(name in parameters, what, where=where, hint=suggest(name, parameters))
        return {"dataset": self.dataset, "size": self.size, "seed": self.data_seed, "config": json.dumps(config)}

    def _run(self, task: str, **arguments: Any) -> Any:
        reply = self._pool.call({"task": task, "arguments": arguments}, timeout_s=GENERATE_S)
        if reply.error:
            where = f"data set {self.dataset!r}"
            hint = "change gym.config, or choose another data set"
            raise SteelyardError(reply.error, where=where, hint=hint)
        return reply.value

    @cached_property
    def _items(self) -> list[JsonObject | None]:
        return self._run("items", **self._settings)

    @cached_property
    def _splits(self) -> dict[str, tuple[Prompt, ...]]:
        where = f"data set {self.dataset!r}"
        return split_by_hash(self._prompts(), self.held_out_share, where=where, counts=self._counts)

    @cached_property
    def _counts(self) -> Counter[str]:
        return Counter()

    @property
    def notes(self) -> Mapping[str, int]:
        """How many items were left out or merged, as far as there are any."""
        prompts = self._splits
        counts = {SKIPPED: self.num_skipped, **self._counts} if prompts else {}
        return {what: number for what, number in counts.items() if number}

    def _prompts(self) -> Iterator[tuple[Text, Prompt]]:
        for item in filter(None, self._items):
            text = item["expression"] if self.bare and item["expression"] else item["question"]
            columns = {name: item[name] for name in ("index", "question", "answer")}
            where = f"data set {self.dataset!r}, item {item['index']}"
            prompt = worded(text, self.prompt_template, self.chat, self.system_prompt, where)
            yield text, make_prompt(prompt, columns, place=where)

    @property
    def num_skipped(self) -> int:
        """The number of items that were left out because they raised an error or had no answer."""
        return self._items.count(None)

    def prompts(self, split: str) -> Sequence[Prompt]:
        """The prompts of "train" or "held-out", in the data set's order.

        Raises:
            SteelyardError: reasoning-gym is missing, the data set or a parameter is unknown, or a split is empty.
        """
        return take_split(self._splits, split)

    def score(self, episodes: Sequence[Episode]) -> list[Score]:
        """One score for each episode, in order; None if the verifier failed or was late."""
        answers = [gym_answer(episode) for episode in episodes]
        asked = [(e, a) for e, a in zip(episodes, answers, strict=True) if a.given is not None]
        jobs = [{"task": "score", "arguments": self._settings | self._question(e, a)} for e, a in asked]
        replies = iter(self._pool.map(jobs, timeout_s=self.timeout_s) if jobs else [])
        return [self._score(a, next(replies) if a.given is not None else Reply(0.0)) for a in answers]

    def _question(self, episode: Episode, answer: Answer) -> JsonObject:
        columns = episode.prompt.columns
        return {"index": columns["index"], "question": columns["question"], "answer": answer.given}

    def _score(self, answer: Answer, reply: Reply) -> Score:
        score = self._thresholded(score_of_reply(reply, f"data set {self.dataset!r}"))
        return dataclasses.replace(score, read=answer.read, read_from=answer.read_from)

    def _thresholded(self, score: Score) -> Score:
        if score.value is None or self.threshold is None or score.value >= self.threshold:
            return score
        return Score(0.0)

    def close(self) -> None:
        """End the child processes that generate items and check answers."""
        self._pool.close()
