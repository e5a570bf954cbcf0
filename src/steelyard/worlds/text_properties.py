"""What the arms of a text world say together: its properties, each with the numbers behind it.

A property matters where its mean over the seeds is at least 3 points and every seed has its sign, unless said
otherwise. A collapse is an end at least 10 points below the base model.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence

from steelyard.worlds.contract import ArmMetrics, Property, absent, counts, differences, percent, plain, points, values

FALLEN = 0.10
"""How far below the base a collapsed arm ends."""
LONG = 64
"""Tokens from which on a prompt is long, for models as small as these."""
Seeds = Sequence[ArmMetrics]


def judged(seeds: Seeds, without: Mapping[str, str]) -> list[Property]:
    """Every property, in the order of the table; `without` names those that make no sense, with the reason."""
    found = [
        Property("base", percent(values(seeds, "base", "score")), None, "score of samples on held-out prompts"),
        Property("pass@8", percent(values(seeds, "base", "pass")), None, "prompts of which one sample is right"),
        _gain("GRPO", "grpo", seeds),
        _gain("RFT", "rft", seeds),
        _gain("SFT", "sft", seeds),
        *(judge(seeds) for judge in _JUDGES),
    ]
    return [absent(p.name, without[p.name]) if p.name in without else p for p in found]


def _gain(name: str, arm: str, seeds: Seeds) -> Property:
    if arm not in seeds[0]:
        return absent(name, "the task has no demonstrations")
    gain = differences(seeds, arm, "base", "score")
    seconds = statistics.fmean(values(seeds, arm, "cpu_s"))
    return Property(name, f"{points(gain)} in {seconds:.0f} s", counts(gain), f"score of {arm} above the base's")


def _pair(name: str, arm: str, other: str, why: str) -> Callable[[Seeds], Property]:
    def judge(seeds: Seeds) -> Property:
        difference = differences(seeds, arm, other, "score")
        return Property(name, points(difference), counts(difference), why)

    return judge


def _collapse(name: str, arm: str) -> Callable[[Seeds], Property]:
    def judge(seeds: Seeds) -> Property:
        fall = differences(seeds, arm, "base", "score")
        fallen = sum(one <= -FALLEN for one in fall)
        value = f"{fallen} of {len(fall)} seeds, {points(fall)}"
        return Property(name, value, fallen > 0, f"{arm} against the base: an end 10 points below is a collapse")

    return judge


def _step_labels(seeds: Seeds) -> Property:
    name = "step labels"
    if any("flawless" not in seed.get(arm, {}) for seed in seeds for arm in ("steps", "outcome")):
        return absent(name, "its score labels no steps")
    gain = differences(seeds, "steps", "outcome", "flawless")
    why = "right answers whose steps are all right: Step-KTO against KTO"
    return Property(name, points(gain), counts(gain), why)


def _domains(seeds: Seeds) -> Property:
    domains = sorted(set.intersection(*({m for m in s["base"] if m.startswith("score@")} for s in seeds)))
    if not domains:
        return absent("domains", "there is one")
    gains = {d: statistics.fmean(differences(seeds, "grpo", "base", d)) for d in domains}
    low, high = min(gains.values()), max(gains.values())
    value = f"{len(domains)}, gains {100 * low:+.0f} to {100 * high:+.0f}"
    return Property("domains", value, high - low >= 0.1, "what GRPO gains in each; 10 points apart matter")


def _answers(seeds: Seeds) -> Property:
    base, after = (values(seeds, arm, "distinct") for arm in ("base", "grpo"))
    value = f"{plain(base)}, after GRPO {plain(after)}"
    several = statistics.fmean(base) >= 1.5
    return Property("right answers", value, several, "different right completions of a prompt in 8 samples")


def _loophole(seeds: Seeds) -> Property:
    name = "loophole"
    if all(seed[arm]["reward"] == seed[arm]["score"] for seed in seeds for arm in ("base", "grpo")):
        return absent(name, "the reward is the score")
    reward, score = (differences(seeds, "grpo", "base", metric) for metric in ("reward", "score"))
    value = f"reward {points(reward)}, score {points(score)}"
    hacked = counts(reward) and statistics.fmean(score) < 0 < statistics.fmean(reward)
    return Property(name, value, hacked, "GRPO against the base: the reward rises and the score falls")


def _prompts(seeds: Seeds) -> Property:
    longest = statistics.fmean(values(seeds, "base", "prompt_tokens"))
    return Property("long prompts", f"{longest:.0f} tokens", longest >= LONG, f"the longest; {LONG} and more are long")


def _turns(seeds: Seeds) -> Property:
    turns = statistics.fmean(values(seeds, "base", "turns"))
    if turns == 1 or "first" not in seeds[0]["base"]:
        return Property("turns", f"{turns:.0f}", turns > 1, "turns of the policy in an episode, at most")
    later = [arms["base"]["score"] - arms["base"]["first"] for arms in seeds]
    value = f"{turns:.0f}, later ones add {points(later)}"
    return Property("turns", value, counts(later), "the base's score against that of its first turns")


_JUDGES: tuple[Callable[[Seeds], Property], ...] = (
    _collapse("RFT collapses", "rft-hot"),
    _collapse("unregularised RL collapses", "grpo-hot"),
    _pair("exploration", "grpo", "likely", "GRPO against GRPO that samples the likely four fifths only"),
    _pair("negatives", "grpo", "rft", "GRPO against imitation of the best samples"),
    _pair("old data", "grpo", "stored", "fresh samples against those that the base drew before"),
    _step_labels,
    _domains,
    _answers,
    _pair("reward noise", "grpo", "noisy", "true rewards against rewards of which a fifth is turned round"),
    _loophole,
    _prompts,
    _turns,
)
