"""KARD: rationales are learned beside the passage that they find; a reranker finds it when only the question is known.

Differs: the student is a decoder that reads question, passage and what it writes as one text, where the paper has
encoder-decoders (and, beside them, decoders); the answer stands behind a marker, where the paper asks for a letter; the
learned map of the reranker is narrower. The released code makes both temperatures smaller as training goes on, from 1
by up to 4, which at its default is below 0: they are constant here. Rationales are a column of the rows: a teacher's
that end in the right answer are what `rejection-sampling` writes. Unconfirmed: how rationales were filtered; one
temperature of the votes is in the code (1, with top-k 50 and top-p 0.95), and only the temperature is kept here.

    learn   p(r, a | x, d),            d   = argmax_{d in knowledge} BM25(d; r)               the rationale's passage
    rerank  KL(Q || P),                Q   = softmax_d BM25(d; r) / tau_1,    P = softmax_d f(d, x) / tau_2
            over K drawn candidates,   half of the best for x, half of the best for r
    answer  d = argmax f(d, x) over the best for x by BM25;    the commonest a of several (r, a) ~ p(. | x, d)

x is the question, r its rationale, a the answer, f a reranker (data/late_interaction.py), BM25 as in data/bm25.py. N
questions, K candidates.
Source: Kang et al. 2023, arXiv:2305.18395, and its released code.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Meta
from torch import Tensor
from torch.nn.functional import kl_div

from steelyard.core import Positive, PositiveInt, Share, checked, method, require, rng
from steelyard.data.bm25 import Index
from steelyard.data.late_interaction import LateInteraction
from steelyard.learner.fitting import Fitting
from steelyard.task.base import OnCommandLine, PlainText

PassageTemplate = Annotated[
    str,
    Meta(
        pattern=r"(?s)\{prompt\}.*\{passage\}|\{passage\}.*\{prompt\}", description="a text with {prompt} and {passage}"
    ),
    OnCommandLine,
]
LESSONS = "kard"
"""Name of the stream that lessons of the reranker are drawn from."""


@method(
    "kard",
    paper="arXiv:2305.18395",
    claim="Taught rationales beside the passages that they find, a 250M model beats fine-tuned ones of 3B on MedQA.",
)
@checked("kard")
@dataclass(frozen=True)
class KARD:
    """Settings of what stands beside a question, and of the reranker that finds it."""

    passages: PositiveInt = 1
    """Passages that stand beside a question."""
    taught_by: Literal["rationale", "question"] = "rationale"
    """What finds the passages that are learned with: the rationale, or the question, to see what that is worth."""
    candidates: PositiveInt = 32
    """Best passages for a question and as many for its rationale, of which the reranker's lessons are drawn."""
    lesson: Annotated[int, Meta(ge=2, multiple_of=2, description="an even number of 2 or more")] = 8
    """K: candidates in a lesson, half of them found by the question and half by the rationale."""
    target_temperature: Positive = 1.0
    """tau_1: of the rationale's scores."""
    reranker_temperature: Positive = 100.0
    """tau_2: of the reranker's scores."""
    reranker_epochs: PositiveInt = 3
    """Passes of the reranker over the questions."""
    reranker_batch: PositiveInt = 16
    """Questions in a step of the reranker."""
    reranker_rate: Positive = 1e-4
    """The reranker's highest learning rate."""
    warmup: Share = 0.05
    """Share of its steps over which the rate rises; it then falls to 0."""
    width: PositiveInt = 128
    """Numbers that the reranker compares a token by."""
    reranked: PositiveInt = 100
    """Best passages for a question that are reranked to answer it."""
    votes: PositiveInt = 5
    """Rationales that are drawn to answer a question by the commonest answer; 1 writes one without drawing."""
    vote_temperature: Positive = 1.0
    """At which they are drawn."""
    beside: PassageTemplate = "{prompt}\nKnowledge: {passage}\nExplanation: "
    r"""The question with its passages. On the command line \n, \t and \\ are a line break, a tab and a backslash."""
    marker: PlainText = "\nAnswer: "
    """What stands between a rationale and its answer."""

    def __post_init__(self) -> None:
        require(bool(self.marker.strip()), "is empty", where="kard.marker", hint="write what stands before an answer")

    # What the student reads and writes

    def silver(self, index: Index, question: str, rationale: str) -> list[int]:
        """The places of the passages that a question is learned with."""
        return index.best(rationale if self.taught_by == "rationale" else question, self.passages)

    def asked(self, question: str, passages: Sequence[str]) -> str:
        """A question with its passages."""
        before, _, after = self.beside.partition("{passage}")  # a passage may itself hold {prompt}
        halves = (half.replace("{prompt}", question) for half in (before, after))
        return "\t".join(passages).join(halves)

    def taught(self, rationale: str, answer: str) -> str:
        """What is learned to be written."""
        return f"{rationale}{self.marker}{answer}"

    def answer_of(self, written: str) -> str:
        """The answer in what was written; empty where no marker stands in it."""
        return written.rpartition(self.marker)[2].strip() if self.marker in written else ""

    def vote(self, written: Sequence[str]) -> str:
        """The commonest answer, of equally common ones the first; empty where nobody gave one."""
        said = [answer for answer in map(self.answer_of, written) if answer]
        return Counter(said).most_common(1)[0][0] if said else ""

    # The reranker

    def found(self, index: Index, question: str, reranker: LateInteraction | None) -> list[int]:
        """The places of the passages that stand beside a question to be answered; without a reranker BM25 says."""
        if reranker is None:
            return index.best(question, self.passages)
        places = index.best(question, self.reranked)
        order = reranker.ranked(question, [index.texts[i] for i in places])
        return [places[i] for i in order[: self.passages]]

    def begin(
        self,
        reranker: LateInteraction,
        index: Index,
        questions: Sequence[str],
        rationales: Sequence[str],
        *,
        seed: int,
        steps: int | None = None,
    ) -> Fitting:
        """The reranker's fit before its first step.

        Args:
            reranker: who learns.
            index: the passages.
            questions: what it will know.
            rationales: of each question, by which the right passages are known.
            seed: of the lessons.
            steps: to make, in place of those of the settings.

        Raises:
            SteelyardError: there are no questions, or fewer passages than a lesson takes.
        """
        require(len(questions) > 0, "there are no questions", where="kard", hint="give at least one")
        what = f"has {len(index.texts)} passages, and half a lesson takes {self.lesson // 2}"
        require(len(index.texts) >= self.lesson // 2, what, where="--knowledge", hint="lower --lesson, or give more")
        draws = rng(seed, LESSONS)
        lessons = [self._lesson(index, *one) for one in zip(questions, rationales, strict=True)]
        num_steps = steps or self.reranker_steps(len(questions))

        def loss() -> Tensor:
            of = draws.integers(len(questions), size=self.reranker_batch).tolist()
            drawn = [lessons[i](draws) for i in of]
            texts = [[index.texts[place] for place in places] for places, _ in drawn]
            score_NK = reranker([questions[i] for i in of], texts)
            return self.loss(score_NK, torch.from_numpy(np.stack([target for _, target in drawn])).to(score_NK))

        learned = [p for p in reranker.parameters() if p.requires_grad]
        adam = torch.optim.AdamW(learned, lr=self.reranker_rate, weight_decay=1e-2)

        def rate(step: int) -> float:
            return self.reranker_rate * self._rise((step + 0.5) / num_steps)

        return Fitting(reranker, adam, loss, draws, num_steps, rate=rate)

    def reranker_steps(self, questions: int) -> int:
        """Steps of the reranker on so many questions."""
        return self.reranker_epochs * -(-questions // self.reranker_batch)

    def loss(self, score_NK: Float[Tensor, "N K"], bm25_NK: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
        """The divergence of a batch (nats).

        Args:
            score_NK: of the reranker, for the question.
            bm25_NK: of BM25, for the rationale.
        """
        target_NK = (bm25_NK / self.target_temperature).softmax(-1)
        said_NK = (score_NK / self.reranker_temperature).log_softmax(-1)
        return kl_div(said_NK, target_NK, reduction="batchmean")

    def _lesson(
        self, index: Index, question: str, rationale: str
    ) -> Callable[[np.random.Generator], tuple[list[int], np.ndarray]]:
        """What draws the candidates of a question, with the rationale's score of each."""
        score_N = index.scores(rationale)
        halves = [index.best(text, self.candidates) for text in (rationale, question)]

        def drawn(draws: np.random.Generator) -> tuple[list[int], np.ndarray]:
            half = self.lesson // 2
            chosen = [draws.choice(best, min(half, len(best)), replace=False).tolist() for best in halves]
            of = [place for places in chosen for place in places]
            return of, score_N[of]

        return drawn

    def _rise(self, progress: float) -> float:
        """The rate as a share of the highest, when this share of the steps is done."""
        if progress < self.warmup:
            return progress / self.warmup
        return (1 - progress) / (1 - self.warmup) if self.warmup < 1 else 1.0
