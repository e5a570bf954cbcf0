"""How well a model draws from processes that it was not tuned on: three looks, each with and without what steers it.

    in-context    loss (nats a token) and greedy accuracy of outputs from the second on: what the draws before tell
    diversity     of N samples of a process: the share that is valid, the share of the valid ones that is distinct, and
                  the yield, which is how many valid ones are distinct
    distribution  over known outcomes k: q_k = pi(k) / sum_j pi(j) beside the known p; TV(p, q), JS(p, q) (nats), and
                  the mass sum_j pi(j) that the model gives to outcomes at all

Distributions are measured twice: `described`, after the description alone, and `in_context`, after draws alone.
pi(k) is the probability of an output with its end.
Source: the evaluations of Sorensen et al. 2025, arXiv:2510.06084.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from steelyard.core import Request, Sampling, Trajectory, rng
from steelyard.core.divergence import jensen_shannon, total_variation
from steelyard.core.json import JsonObject
from steelyard.policy import Policy
from steelyard.policy.likelihood import total_logp
from steelyard.pretrain.held_out import held_out_loss
from steelyard.pretrain.spectrum import DrawnSequence, Spectrum
from steelyard.rollout import engine_for
from steelyard.rollout.greedy import greedy
from steelyard.task.draws import Example, Process, Target

_STREAM = 0x59EC
"""Parts the samples' randomness from everything else that the seed draws."""
GREEDY = 128
"""Most outputs that are compared with greedy ones."""
_SHOWN = 4


@dataclass(frozen=True)
class HeldOutDraws:
    """Measures a policy as it is on processes that are held out."""

    policy: Policy
    method: Spectrum
    """How draws are shown."""
    processes: Sequence[Process]
    targets: Sequence[Target]
    """What is known of their distributions."""
    shots: int
    """Draws that are shown before a sample, and where a distribution is to be told by them."""
    samples: int
    """Samples of each process."""
    max_tokens: int
    seed: int

    def __call__(self) -> tuple[JsonObject, list[JsonObject]]:
        """The numbers, and some samples to read."""
        found, rows = self._diversity()
        return {**self._in_context(), **self._distributions(), **found}, rows

    def _in_context(self) -> JsonObject:
        """Loss and accuracy of outputs, by what stands before them."""
        whole = [self._whole(process) for process in self.processes]
        told = zip(self.processes, whole, strict=True)
        counted = [one.learning(one.outputs if p.description else one.outputs[1:]) for p, one in told]
        later = [(one, part) for one in whole for part in one.outputs[1:]]
        row: JsonObject = {}
        if any(t.action_T.any() for t in counted):
            row["eval/held_out_loss"] = held_out_loss(self.policy, counted)
        if later:
            row["eval/in_context_loss"] = held_out_loss(self.policy, [one.learning(one.outputs[1:]) for one in whole])
            begun = [_until(one, part) for one, part in later[:GREEDY]]
            said = greedy(self.policy, begun, self.max_tokens)
            same = [np.array_equal(tokens, t.completion_T) for tokens, t in zip(said, begun, strict=True)]
            row["eval/in_context_accuracy"] = float(np.mean(same))
        return row

    def _distributions(self) -> JsonObject:
        """Distances of known distributions, after a description and after draws."""
        processes = {process.name: process for process in self.processes}
        looks: dict[str, list[tuple[float, float, float]]] = {"described": [], "in_context": []}
        for target in self.targets:
            process = processes[target.process]
            for look, found in looks.items():
                described = process.description if look == "described" else ""
                shown = self._shots(process) if look == "in_context" else []
                if described or shown:
                    found.append(self.distance(described, shown, target))
        names = ("tv", "js", "mass")
        means = {look: np.mean(found, axis=0) for look, found in looks.items() if found}
        return {f"eval/{n}_{look}": float(v) for look, mean in means.items() for n, v in zip(names, mean, strict=True)}

    def prompt(self, process: Process) -> str:
        """The text that asks for a draw of a process, after its description and draws of it."""
        asked = process.examples[0].input
        return self.method.prompt(self.policy, process.description, self._shots(process), asked)

    def distance(self, described: str, shown: Sequence[Example], target: Target) -> tuple[float, float, float]:
        """TV and JS between a known distribution and the policy's, and the mass on all outcomes."""
        asked = [Example(output, target.input) for output in target.outputs]
        every = [self.method.sequence(self.policy, described, [*shown, one]) for one in asked]
        logp_K = total_logp(self.policy, [one.learning(one.outputs[-1:]) for one in every])
        q_K = normalised(logp_K)
        known_K = target.probability_K
        return total_variation(known_K, q_K), jensen_shannon(known_K, q_K), float(np.exp(logp_K).sum())

    def _diversity(self) -> tuple[JsonObject, list[JsonObject]]:
        """What samples of each process are like."""
        valid: list[float] = []
        distinct: list[float] = []
        rows = []
        for process in self.processes:
            text = self.prompt(process)
            drawn = self._sampled(process.name, text)
            known = self._valid(process, process.examples[0].input)
            ended = [self.policy.decode(t.completion_T) for t in drawn if t.finish == "stop"]
            right = [output for output in ended if output in known]
            valid.append(len(right) / len(drawn))
            distinct.append(float(len({*right})))
            rows.append({"prompt": text, "completion": self.policy.decode(drawn[0].completion_T)})
        right = self.samples * sum(valid)
        row = {
            "eval/valid": float(np.mean(valid)),
            "eval/unique": sum(distinct) / right if right else 0.0,
            "eval/yield": float(np.mean(distinct)),
        }
        return row, rows[:_SHOWN]

    def _valid(self, process: Process, asked: str) -> set[str]:
        """The outputs that are known of a process after an input."""
        known = {one.output for one in process.examples if one.input == asked}
        for target in self._targets(process):
            pairs = zip(target.outputs, target.probability_K, strict=True)
            known |= {output for output, share in pairs if share > 0 and target.input == asked}
        return known

    def _targets(self, process: Process) -> list[Target]:
        return [target for target in self.targets if target.process == process.name]

    def _sampled(self, name: str, text: str) -> list[Trajectory]:
        asked = [Request(name, tuple(self.policy.encode(text)), i) for i in range(self.samples)]
        drawn = engine_for(self.policy, self.seed ^ _STREAM).generate(asked, Sampling(max_tokens=self.max_tokens))
        return sorted(drawn, key=lambda t: t.sample)

    def _shots(self, process: Process) -> list[Example]:
        """The draws that are shown, always the same; fewer where more would leave no room."""
        order = rng(self.seed, "shots", process.name).permutation(len(process.examples))
        shown = [process.examples[i] for i in order[: self.shots]]
        known = self._targets(process)
        while shown and not room(self.policy, self.method, process, known, shown, self.max_tokens):
            shown = shown[:-1]
        return shown

    def _whole(self, process: Process) -> DrawnSequence:
        """As many of its draws as fit, in random order, after its description."""
        order = rng(self.seed, "shown", process.name).permutation(len(process.examples))
        return self.method.sequence(self.policy, process.description, [process.examples[i] for i in order])


def room(
    policy: Policy,
    method: Spectrum,
    process: Process,
    targets: Sequence[Target],
    shown: Sequence[Example],
    max_tokens: int,
) -> bool:
    """Whether any output of a process, and so many tokens, fit behind its description and these draws."""
    every = [*process.examples, *(Example(output, one.input) for one in targets for output in one.outputs)]
    asked = max((one.input for one in every), key=len)
    before = len(policy.encode(method.prompt(policy, process.description, shown, asked)))
    outputs = {one.output for one in every}
    longest = max(len(policy.tokenizer.encode(output, add_special_tokens=False)) for output in outputs)
    return before + max(longest + 1, max_tokens) <= min(method.max_length, policy.context_length)


def _until(one: DrawnSequence, part: slice) -> Trajectory:
    """The tokens up to the end of an output, which alone is an action."""
    whole = one.learning([part])
    until = slice(None, part.stop)
    return whole.replace(
        tokens_T=whole.tokens_T[until],
        action_T=whole.action_T[until],
        logp_behaviour_T=whole.logp_behaviour_T[until],
    )


def normalised(logp_K: Float64[np.ndarray, "K"]) -> Float64[np.ndarray, "K"]:
    """Probabilities among the outcomes."""
    p_K = np.exp(logp_K - logp_K.max())
    return p_K / p_K.sum()
