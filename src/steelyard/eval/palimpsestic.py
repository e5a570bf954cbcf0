"""Palimpsestic membership inference: whether a model, or a text, comes from a training run, by the order of its data.

Differs: with reshuffled models p is that of the rank among them, which is exact, beside the source's z; k-grams are of
words, not of a tokenizer. One-sided: who trains on something later knows it better.

    query        rho = Spearman(t_i, log p(x_i) - log p_ref(x_i))             x_i was trained on at time t_i
    partition    rho = Spearman(b, matches of the text's k-grams in rows of part b)        b of B equal parts by time
    reshuffled   z = (l - mean l_r) / sd l_r,    p = (1 + |{r: l_r >= l}|) / (R + 1)
                 l = log p(text) under the run's model, l_r under R models whose last data came in another order

If whoever trained drew the order at random, a model or text that does not come from the run is independent of it, so p
is uniform, whatever the data are. A reference, which learned similar data in another order, takes away how hard a row
is. `query` asks the model; the other two read a text that is said to be another's, and the model is the run's own.
Source: Kuditipudi et al. 2025, arXiv:2510.19796, and its code.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import tyro
from jaxtyping import Float64
from msgspec import Meta

from steelyard.core import PositiveInt, method, require
from steelyard.core.columns import Column, check_row, text_of
from steelyard.core.table import Measure, Table
from steelyard.policy import Policy
from steelyard.policy.auditor import Auditor, PlacedRow
from steelyard.policy.likelihood import total_logp
from steelyard.pretrain.document import document, pieces, trajectory_of
from steelyard.task.files import read_rows

WHERE = "palimpsestic"
MEASURES = (
    Measure("rows", "number", "Rows whose place in the order is known; of a text, its k-grams, or reshuffled models."),
    Measure("statistic", "rho or z", "Spearman's rho of time and likelihood, or of time and matches; reshuffled: z."),
    Measure("p", "probability", "Of so large a statistic, where model or text are independent of the order."),
    Measure("logp", "nats", "Mean log-probability of a row, less the reference's; of a text, that of all of it."),
)


@method(
    WHERE,
    paper="arXiv:2510.19796",
    claim="Tells derivatives of a training run by the order of its data alone, with exact p-values.",
)
@dataclass(frozen=True)
class Palimpsestic(Auditor):
    """Settings of the three tests."""

    reference: str = ""
    """A model that learned similar data in another order: a directory or hub id; empty for none."""
    observed: str = ""
    """JSONL or Parquet file with a column text, said to be written by another: is it from this run?"""
    reshuffled: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """Models like this one whose last data came in another order, once for each; for a text alone."""
    k: PositiveInt = 4
    """Words of a k-gram."""
    parts: Annotated[int, Meta(ge=3)] = 50
    """Parts by time whose matches are counted; fewer where there are fewer rows."""
    text: str = "text"
    """Column with a row of training data, and with what was observed."""
    order: str = "order"
    """Column with the time at which a row was trained on, a number."""

    def columns(self) -> tuple[Column, ...]:
        """The row, and its time."""
        return Column(self.text, setting="--text"), Column(self.order, "number", "--order")

    def audit(self, policy: Policy, rows: Sequence[PlacedRow]) -> Table:
        """The model asked, and a text read, where one was observed.

        Raises:
            SteelyardError: there are fewer than three rows, or one lacks something.
        """
        alone = bool(self.reshuffled) and not self.observed
        require(not alone, "are for a text", where="--reshuffled", hint="name --observed")
        require(len(rows) > 2, f"there are {len(rows)} rows", where=WHERE, hint="give 3 or more, better hundreds")
        for place, row in rows:
            check_row(row, self.columns(), place)
        known = sorted((float(row[self.order]), str(row[self.text])) for _, row in rows)
        found = [("query", self._query(policy, known))]
        if self.observed:
            texts = self._observed()
            found.append(("partition", self._partition(known, texts)))
            if self.reshuffled:
                found.append(("reshuffled", self._reshuffled(policy, texts)))
        return Table(MEASURES, tuple(found))

    def _observed(self) -> list[str]:
        column = Column(self.text, setting="--text")
        rows = read_rows(self.observed)
        return sorted(text_of(row, column, f"{self.observed}, {place}") for place, row in rows)

    def _query(self, policy: Policy, known: Sequence[tuple[float, str]]) -> tuple[float | int | None, ...]:
        texts = [text for _, text in known]
        logp_N = document_logp(policy, texts)
        if self.reference:
            logp_N = logp_N - document_logp(Policy.load(self.reference), texts)
        rho, p = later_is_larger(np.array([time for time, _ in known]), logp_N)
        return len(known), rho, p, float(logp_N.mean())

    def _partition(self, known: Sequence[tuple[float, str]], texts: Sequence[str]) -> tuple[float | int | None, ...]:
        wanted = {gram for text in texts for gram in grams(text, self.k)}
        hint = "give longer texts, or a smaller --k"
        require(bool(wanted), f"no text has {self.k} words", where=self.observed, hint=hint)
        matches_N = np.array([float(len(wanted & set(grams(text, self.k)))) for _, text in known])
        parts = np.array_split(matches_N, min(self.parts, len(known)))
        rho, p = later_is_larger(np.arange(len(parts), dtype=np.float64), np.array([part.sum() for part in parts]))
        return len(wanted), rho, p, None

    def _reshuffled(self, policy: Policy, texts: Sequence[str]) -> tuple[float | int | None, ...]:
        own = float(document_logp(policy, texts).sum())
        others_R = np.array([float(document_logp(Policy.load(model), texts).sum()) for model in self.reshuffled])
        return len(others_R), standardized(own, others_R), rank_p(own, others_R), own


def document_logp(policy: Policy, texts: Sequence[str]) -> Float64[np.ndarray, "N"]:
    """The log-probability of each text as a training document, in pieces where it is too long (nats)."""
    cut = [pieces(trajectory_of(policy, document([text], _harmless)), policy.context_length) for text in texts]
    logp_M = total_logp(policy, [piece for one in cut for piece in one])
    ends = np.cumsum([len(one) for one in cut])[:-1]
    return np.array([part.sum() for part in np.split(logp_M, ends)])


def _harmless(text: str) -> float:
    return 0.0


def grams(text: str, k: int) -> list[tuple[str, ...]]:
    """The k-grams of a text's words.

    >>> grams("a b c", 2)
    [('a', 'b'), ('b', 'c')]
    """
    words = text.split()
    return [tuple(words[i : i + k]) for i in range(len(words) - k + 1)]


def later_is_larger(time_N: Float64[np.ndarray, "N"], value_N: Float64[np.ndarray, "N"]) -> tuple[float, float]:
    """Spearman's rho and its one-sided p-value; 0 and 1 where one side does not vary."""
    from scipy.stats import spearmanr

    if not np.ptp(time_N) or not np.ptp(value_N):
        return 0.0, 1.0
    found: Any = spearmanr(time_N, value_N, alternative="greater")
    return float(found.statistic), float(found.pvalue)


def standardized(own: float, others_R: Float64[np.ndarray, "R"]) -> float | None:
    """z; None where the others do not vary, or there is one."""
    spread = float(others_R.std(ddof=1)) if len(others_R) > 1 else 0.0
    return (own - float(others_R.mean())) / spread if spread and math.isfinite(spread) else None


def rank_p(own: float, others_R: Float64[np.ndarray, "R"]) -> float:
    """How often chance alone puts it so high among the others.

    >>> rank_p(2.0, np.array([0.0, 1.0, 3.0]))
    0.5
    """
    return (1 + int((others_R >= own).sum())) / (len(others_R) + 1)
