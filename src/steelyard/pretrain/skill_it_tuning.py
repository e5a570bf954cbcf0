"""Skill-it on rows with answers: `steelyard train skill-it --model DIR --path questions.jsonl --columns.skill topic`.

Differs: the paper trains on whole samples and validates on as many; here an answer alone is learned, and its loss is
measured on rows that are set aside (`drawn_rows.py`). The method is `curriculum/skill_it.py`.

    L_j = mean over validation rows of skill j of -log pi(y|x) / |y|      |y| counts tokens, the end included

Where no edges are given, the skills graph is learned first, by `graph_steps` steps from the model on every skill alone
and on every pair of skills; a checkpoint keeps it. P rows, G = 1 sample per prompt.
Source: Chen et al. 2023, arXiv:2307.14430.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np

from steelyard.core import NonNegativeInt, Prompt, ShareBelowOne, Trajectory, checked, derive
from steelyard.core.json import JsonObject
from steelyard.curriculum import SkillIt
from steelyard.curriculum.skill_graph import Losses, Way, learn_edges
from steelyard.curriculum.skill_it import SkillItDraws
from steelyard.learner import Learner
from steelyard.policy import Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.pretrain.by_skill import BySkill, by_domain, listed, names_of
from steelyard.pretrain.drawn_rows import Begun, DrawnTuning, Plain
from steelyard.pretrain.kept_file import read_kept
from steelyard.pretrain.supervised import given_answer
from steelyard.task.answered import Answered

GRAPH = "skill-graph.json"


@checked()
@dataclass(frozen=True)
class SkillItTuning(BySkill, DrawnTuning):
    """Teach a model the answers of a file, skill by skill as Skill-it draws them."""

    curriculum: Annotated[SkillIt, Plain] = field(default_factory=SkillIt)
    """Which skills are drawn."""
    graph_steps: NonNegativeInt = 0
    """Steps of each run that learns the skills graph, where no edges are given; 0 learns none."""
    graph_from: Way = "pairs"
    """Learn the graph by a run on each skill and on each pair of skills, or on each skill alone."""
    graph_least: ShareBelowOne = 0.1
    """Share by which a skill must lower the loss of another to have an edge to it."""

    @property
    def title(self) -> str:
        """What is learned from what."""
        return f"Skill-it, {super().title}"

    def planned(self, rows: Sequence[Answered], validation: Sequence[Answered]) -> JsonObject:
        """The skills by number, and the runs that learn their graph."""
        skills = by_domain(rows)
        self._opened(self.curriculum.edges, rows, validation)
        number = len(skills)
        runs = number * (number + 1) // 2 if self.graph_from == "pairs" else number
        learned = bool(self.graph_steps) and not self.curriculum.edges
        return {"skills": listed(rows)} | ({"runs_for_the_graph": runs} if learned else {})

    def begin(
        self, policy: Policy, rows: Sequence[Answered], validation: Sequence[Answered], kept: Path | None
    ) -> Begun:
        """Learn the graph, where there is none, and open the curriculum on it."""
        edges = self.curriculum.edges or self._learned(rows, validation, kept)
        draws = self._opened(edges, rows, validation)
        names = names_of(rows)
        given = [given_answer(policy, row) for row in validation]

        def shares() -> dict[str, float]:
            return {names[number]: float(share) for number, share in zip(draws.domains, draws.weights(), strict=True)}

        def keep(directory: Path) -> None:
            (directory / GRAPH).write_text(json.dumps(edges), encoding="utf-8")

        facts = {"skills": listed(rows), "edges": " ".join(edges) or "none"}
        return Begun(draws, partial(told_losses, policy, given), shares, facts, keep)

    def _opened(self, edges: Sequence[str], rows: Sequence[Answered], validation: Sequence[Answered]) -> SkillItDraws:
        prompts, probes = ([row.prompt for row in some] for some in (rows, validation))
        return replace(self.curriculum, edges=tuple(edges)).open(prompts, self.seed, probes)

    def _learned(self, rows: Sequence[Answered], validation: Sequence[Answered], kept: Path | None) -> tuple[str, ...]:
        """The edges that short runs show, or that a checkpoint keeps."""
        if not self.graph_steps:
            return ()
        if kept is not None:
            return tuple(read_kept(kept / GRAPH, list[str]))
        after = partial(self._after, by_domain(rows), by_domain(validation))
        return learn_edges(after, [*by_domain(rows)], way=self.graph_from, least=self.graph_least)

    def _after(
        self, rows: dict[int, list[Answered]], validation: dict[int, list[Answered]], places: Sequence[int]
    ) -> Losses:
        """The loss of each skill after a run from the model on some of them, drawn alike."""
        policy = self.policy()
        chosen = [row for place in places for row in [*rows.values()][place]]
        if chosen:
            prompts = [row.prompt for row in chosen]
            given = [given_answer(policy, row) for row in chosen]
            seed = derive(self.seed, "graph", *places)
            train_alike(self.learner(policy, self.objective), prompts, given, self.graph_steps, self.batch_size, seed)
        told = [told_losses(policy, [given_answer(policy, row) for row in own]) for own in validation.values()]
        return np.array([np.mean([1 - (t.reward or 0.0) for t in of]) for of in told])


def train_alike(
    learner: Learner, prompts: Sequence[Prompt], rows: Sequence[Trajectory], steps: int, batch_size: int, seed: int
) -> None:
    """A run that learns the graph: so many steps on the rows of these prompts, their skills in equal parts."""
    draws = SkillIt(eta=0.0).open(prompts, seed)
    for _ in range(steps):
        learner.step([[rows[i]] for i in draws.draw(batch_size)])


def told_losses(policy: Policy, given: Sequence[Trajectory]) -> list[Trajectory]:
    """The rows with 1 less their loss (nats a token) as reward, which is what a curriculum takes for it."""
    loss_N = -total_logp(policy, given) / num_actions(given)
    return [t.replace(reward=1 - float(loss)) for t, loss in zip(given, loss_N, strict=True)]
