"""Supervised tuning on proposals with verdicts, as a job: `steelyard train spoc-sft --model DIR --path FILE`.

Differs: the source's verifications are written by a model; these are the bare verdict. Whoever has texts of
verifications writes whole sequences into the answers of a file and takes `train sft`.

    answer VERIFY ACCEPT                                     for each row
    wrong VERIFY REJECT answer VERIFY ACCEPT                 for each wrong answer of the row

So both verdicts are learned. What is measured is held-out rows of the first kind.
Source: the pair tuning of Zhao et al. 2025, arXiv:2506.06923.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Annotated

import tyro

from steelyard.core import checked, require
from steelyard.pretrain.supervised import SupervisedTuning
from steelyard.task.answered import Answered
from steelyard.task.self_check import SelfCheckMarks


@checked()
@dataclass(frozen=True)
class PairTuning(SupervisedTuning):
    """Teach a model to follow a proposal by a verdict, and a refused one by another."""

    marks: Annotated[SelfCheckMarks, tyro.conf.OmitArgPrefixes] = field(default_factory=SelfCheckMarks)
    """The texts of verdicts, the same as in the run that follows."""

    def _read(self) -> tuple[list[Answered], list[Answered], Counter[str]]:
        train, held, notes = super()._read()
        some = any(row.wrong for row in train)
        hint = "give rows a list of wrong answers, in the column that --columns.wrong names"
        require(some, "no row to learn from has a wrong answer", where=self.path, hint=hint)
        return [one for row in train for one in self.sequences(row)], [self.sequences(row)[0] for row in held], notes

    def sequences(self, row: Answered) -> list[Answered]:
        """The accepted answer, then each wrong one with the right one after it."""
        right = (row.answer, "")
        told = [[right], *([(wrong, ""), right] for wrong in row.wrong)]
        return [replace(row, answer=self.marks.written(proposals)) for proposals in told]
