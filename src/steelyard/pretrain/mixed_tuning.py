"""Fine-tuning with a mixing agent: `steelyard train mixed-sft --model DIR --path questions.jsonl --agent RUN`.

The rows of a file have domains (`--columns.skill topic`). Where a round begins, the agent is told the loss of every
domain on rows that are set aside (`drawn_rows.py`), and gives the shares of the domains in the next round. The agent is
what `steelyard train data-mixing-agent` fitted, on these domains or on others (`curriculum/data_mixing_agent.py`).

Differs: answers are learned, where the paper goes on with pretraining on documents.
Source: Yang et al. 2025, arXiv:2507.15640.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

from steelyard.core import checked, require
from steelyard.core.json import JsonObject
from steelyard.curriculum import DataMixingAgent
from steelyard.curriculum.data_mixing_agent import DataMixingDraws
from steelyard.curriculum.mixing_agent import HINT
from steelyard.policy import Policy
from steelyard.pretrain.by_skill import BySkill, listed, names_of
from steelyard.pretrain.drawn_rows import Begun, DrawnTuning, Plain
from steelyard.pretrain.skill_it_tuning import told_losses
from steelyard.pretrain.supervised import given_answer
from steelyard.task.answered import Answered


@checked()
@dataclass(frozen=True)
class MixedTuning(BySkill, DrawnTuning):
    """Teach a model the answers of a file, domain by domain as an agent draws them."""

    OWN_DATA: ClassVar[str] = "--path questions.jsonl --columns.skill domain --agent AGENT"

    curriculum: Annotated[DataMixingAgent, Plain] = field(default_factory=DataMixingAgent)
    """Which domains are drawn."""

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"data mixing agent {self.curriculum.agent}, {super().title}"

    def planned(self, rows: Sequence[Answered], validation: Sequence[Answered]) -> JsonObject:
        """The domains by number."""
        self._opened(rows, validation)
        return {"skills": listed(rows)}

    def begin(
        self, policy: Policy, rows: Sequence[Answered], validation: Sequence[Answered], kept: Path | None
    ) -> Begun:
        """Open the curriculum; it is told of losses."""
        draws = self._opened(rows, validation)
        names = names_of(rows)
        given = [given_answer(policy, row) for row in validation]

        def shares() -> dict[str, float]:
            return {names[number]: float(share) for number, share in zip(draws.domains, draws.weights(), strict=True)}

        facts = {"skills": listed(rows)}
        return Begun(draws, partial(told_losses, policy, given), shares, facts, lambda directory: None)

    def _opened(self, rows: Sequence[Answered], validation: Sequence[Answered]) -> DataMixingDraws:
        require(bool(self.curriculum.agent), "is missing", where="--agent", hint=HINT)
        prompts, probes = ([row.prompt for row in some] for some in (rows, validation))
        return self.curriculum.open(prompts, self.seed, probes)
