"""The work of a steering job: one step, which fits the intervention, and what is measured before and after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import Prompt, Request, Sampling, SteelyardError
from steelyard.core.json import JsonMapping, JsonObject
from steelyard.learner import given
from steelyard.model.intervention import Steering
from steelyard.model.intervention_file import SETTINGS, Fitted, read_intervention, write_intervention
from steelyard.policy import Policy
from steelyard.policy.activations import mean_states
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.rollout import engine_for
from steelyard.steering.texts import Texts

SHOWN = 4
"""Prompts whose completions are kept to read."""


@dataclass
class SteeringWork:
    """A `Work` of one step."""

    policy: Policy
    """The model, with its intervention once there is one."""
    steering: Steering
    """What is fitted."""
    source: Texts
    target: Texts
    prompts: Sequence[Prompt]
    """What is completed to be read."""
    max_tokens: int
    """Most tokens of a completion."""
    seed: int
    facts: JsonMapping
    """The data in numbers."""
    num_steps: int = 1

    @property
    def steps(self) -> int:
        """1 once the intervention is fitted."""
        return int(self.policy.intervention is not None)

    def step(self) -> JsonObject:
        """Fit the intervention, and put it into the model. Its metrics are the norms of its numbers, by name."""
        sites = self.steering.sites(self.policy.model.config.num_hidden_layers)
        source, target = (mean_states(self.policy, texts.fit, sites) for texts in (self.source, self.target))
        fitted = self.steering.fit(source, target)
        self.policy.intervene(fitted)
        return {f"steering/norm/{name}": float(tensor.norm()) for name, tensor in self._fitted().tensors.items()}

    def evaluate(self) -> tuple[JsonObject, list[JsonObject]]:
        """How likely held-out texts are, and some completions."""
        source, target = (self._mean_logp(texts.held_out) for texts in (self.source, self.target))
        row = {"eval/source_logp": source, "eval/target_logp": target, "eval/preference": target - source}
        return row, self._samples()

    def save(self, directory: Path) -> None:
        """Write the intervention, where it is fitted."""
        if self.steps:
            write_intervention(self._fitted(), directory)

    def restore(self, directory: Path) -> None:
        """Take the intervention of a checkpoint, where it has one."""
        if (directory / SETTINGS).exists():
            self.policy.intervene(read_intervention(directory))

    def save_model(self, directory: Path) -> None:
        """Write the intervention."""
        write_intervention(self._fitted(), directory)

    def close(self) -> None:
        """There are no child processes."""

    def _fitted(self) -> Fitted:
        found = self.policy.intervention
        if not isinstance(found, Fitted):
            what = "what it fits has no method and tensors, so it cannot be written"
            raise SteelyardError(what, where=type(self.steering).__name__, hint="see steelyard.model.intervention_file")
        return found

    def _mean_logp(self, texts: Sequence[str]) -> float:
        """The log-probability of a token of these texts, all but each text's first (nats)."""
        rows = [self.policy.encode(text) for text in texts]
        given_rows = [given(f"{i}", row[:1], row[1:]) for i, row in enumerate(rows)]
        return float(total_logp(self.policy, given_rows).sum() / num_actions(given_rows).sum())

    def _samples(self) -> list[JsonObject]:
        shown = self.prompts[:SHOWN]
        asked = [Request(prompt.id, tuple(self.policy.encode(prompt.text)), 0) for prompt in shown]
        drawn = engine_for(self.policy, self.seed).generate(asked, Sampling(max_tokens=self.max_tokens))
        said = {t.prompt_id: self.policy.decode(t.completion_T) for t in drawn}
        return [{"prompt": prompt.text, "completion": said[prompt.id]} for prompt in shown]
