"""evaluate() against an engine whose answers are written down."""

import json
import math

import numpy as np
import pytest

from steelyard.core import Prompt, Sampling, Score, SteelyardError, Trajectory, Weights
from steelyard.eval import evaluate, wilson
from steelyard.reward import reward_function

SAMPLING = Sampling(temperature=1.0, max_tokens=6, top_k=5)


def encode(text):
    return [ord(c) for c in (text if isinstance(text, str) else text[-1]["content"])]


def decode(tokens):
    return "".join(chr(t) for t in tokens)


class Scripted:
    """Answers from a table: (prompt id, "greedy" or sample number) -> text. Yields them last first."""

    def __init__(self, table, version=7):
        self.table, self.version, self.asked = table, version, []

    def load(self, weights):
        self.version = weights.version

    def generate(self, requests, sampling):
        self.asked.append((sampling, list(requests)))
        for r in reversed(requests):
            text = self.table[r.prompt_id]["greedy" if sampling.temperature == 0 else r.sample]
            yield self._trajectory(r, text, sampling)

    def _trajectory(self, r, text, sampling):
        finish = "error" if text == "!" else "length" if len(text) == sampling.max_tokens else "stop"
        tokens = np.array([*r.tokens, *encode(text)], np.int32)
        action = np.arange(len(tokens)) >= len(r.tokens)
        return Trajectory(r.prompt_id, tokens, action, np.zeros(len(tokens), np.float32), self.version,
                          f"digest-{self.version}", sampling, finish, r.sample)  # fmt: skip


class Sums:
    """Right when the number after the last "=" is the prompt's; "?" makes the verifier fail."""

    def prompts(self, split):
        return []

    def score(self, episodes):
        assert all(e.trajectory.finish != "error" for e in episodes)
        return [Score(self._value(e)) for e in episodes]

    def _value(self, e):
        if e.completion == "?":
            return None
        if e.completion == "nan":
            return math.nan
        return 1.0 if e.completion.rpartition("=")[2] == e.prompt.columns["answer"] else 0.25


class StyledSums(Sums):
    def style(self, completion):
        return "worked" if "=" in completion else "bare"


PROMPTS = [Prompt("a", "1+1", {"answer": "2"}), Prompt("b", [{"role": "user", "content": "2+2"}], {"answer": "4"})]
TABLE = {
    "a": {"greedy": "2", 0: "2", 1: "1+1=2", 2: "2", 3: "3"},
    "b": {"greedy": "9", 0: "1+1+1=", 1: "5", 2: "9", 3: "=1"},
}


def measure(table=TABLE, task=None, prompts=PROMPTS, k=4, **kwargs):
    engine = Scripted(table)
    return evaluate(
        engine, task or StyledSums(), prompts, encode, decode, sampling=SAMPLING, samples_per_prompt=k, **kwargs
    ), engine


def ends(key, interval):
    return {f"{key}_low": interval[0], f"{key}_high": interval[1]}


def test_every_metric_by_hand():
    result, engine = measure()
    low, high = wilson(1, 2)
    assert result.metrics == {
        "eval/accuracy": 0.5, "eval/accuracy_low": low, "eval/accuracy_high": high, "eval/prompts": 2,
        "eval/reward_mean": pytest.approx((3 + 5 * 0.25) / 8),
        "eval/reward_mean_low": pytest.approx(-0.02), "eval/reward_mean_high": pytest.approx(1.0825),
        "eval/pass_at_1": pytest.approx((3 / 4 + 0) / 2), "eval/pass_at_4": 0.5,
        **ends("eval/pass_at_1", wilson(3 / 4, 2)), **ends("eval/pass_at_4", wilson(1, 2)),
        "eval/distinct_correct": 1.0,  # "2" and "1+1=2" for a, none for b
        "eval/length_mean": pytest.approx((1 + 5 + 1 + 1 + 6 + 1 + 1 + 2) / 8), "eval/truncated": pytest.approx(1 / 8),
        "eval/length_stopped": pytest.approx((1 + 5 + 1 + 1 + 1 + 1 + 2) / 7),
        "eval/styles": {"bare": pytest.approx(5 / 8), "worked": pytest.approx(3 / 8)},
        "eval/correct_styles": {"bare": pytest.approx(2 / 3), "worked": pytest.approx(1 / 3)},
        "eval/errors": 0,
    }  # fmt: skip
    assert result.version == 7
    assert json.loads(json.dumps(result.row(30)))["step"] == 30
    (greedy, asked), (drawn, samples) = engine.asked
    assert greedy == Sampling(temperature=0.0, max_tokens=6) and [r.prompt_id for r in asked] == ["a", "b"]
    assert drawn == SAMPLING and len(samples) == 8


def test_words_of_reflection_are_counted_among_samples_with_words():
    table = {**TABLE, "b": {"greedy": "9", 0: "wait=", 1: "four=", 2: "9", 3: "=1"}}
    assert measure(table)[0].metrics["eval/reflection"] == 0.5
    assert "eval/reflection" not in measure()[0].metrics


def test_records_are_readable():
    result, _ = measure(num_records=2)
    assert result.samples == [
        {"prompt": "1+1", "completion": "2", "reward": 1.0, "version": 7, "style": "bare"},
        {"prompt": "user: 2+2", "completion": "1+1+1=", "reward": 0.25, "version": 7, "style": "worked"},
    ]


@pytest.mark.parametrize("failure", ["?", "!", "nan"])
def test_failures_are_counted_and_left_out_of_every_rate(failure):
    table = {"a": TABLE["a"] | {"greedy": failure}, "b": TABLE["b"] | {0: failure}}
    m = measure(table)[0].metrics
    assert m["eval/errors"] == 2
    assert (m["eval/accuracy"], m["eval/prompts"]) == (0.0, 1)
    assert m["eval/reward_mean"] == pytest.approx((3 + 4 * 0.25) / 7)
    assert m["eval/truncated"] == 0.0
    # Prompt b has three scored samples left: it counts for pass@1, not for pass@4.
    assert m["eval/pass_at_1"] == pytest.approx((3 / 4 + 0) / 2)
    assert m["eval/pass_at_4"] == 1.0


def test_nothing_scored_leaves_the_rates_absent():
    m = measure({p: dict.fromkeys(answers, "?") for p, answers in TABLE.items()})[0].metrics
    assert m == {"eval/prompts": 0, "eval/errors": 10}


def test_all_wrong_has_no_style_of_correct_samples():
    m = measure({p: dict.fromkeys(answers, "7") for p, answers in TABLE.items()})[0].metrics
    assert m["eval/styles"] == {"bare": 1.0} and "eval/correct_styles" not in m


def test_the_threshold_moves_what_is_correct():
    m = measure(correct_at=0.25)[0].metrics
    assert (m["eval/accuracy"], m["eval/pass_at_1"]) == (1.0, 1.0)
    # Equal completions count once: 3 of a's, 4 of b's.
    assert m["eval/distinct_correct"] == pytest.approx(3.5)


def test_without_styles_without_samples_and_on_a_subset():
    plain = measure(task=Sums())[0]
    assert "eval/styles" not in plain.metrics and "style" not in plain.samples[0]
    greedy, engine = measure(k=0)
    assert set(greedy.metrics) == {
        "eval/accuracy",
        "eval/accuracy_low",
        "eval/accuracy_high",
        "eval/prompts",
        "eval/errors",
    }
    assert len(engine.asked) == 1 and [s["completion"] for s in greedy.samples] == ["2", "9"]
    subset = measure(num_sampled_prompts=1)[0].metrics
    assert subset["eval/prompts"] == 2 and subset["eval/pass_at_4"] == 1.0


def test_weights_are_loaded_first():
    weights = Weights.of(np.zeros(3, np.uint8), 41)
    assert measure(weights=weights)[0].version == 41


@pytest.mark.parametrize(("kwargs", "message"), [
    ({"prompts": []}, "no prompts"), ({"prompts": [PROMPTS[0]] * 2}, "repeat"), ({"k": -1}, "samples_per_prompt"),
])  # fmt: skip
def test_wrong_input_is_refused(kwargs, message):
    with pytest.raises(SteelyardError, match=message):
        measure(**kwargs)


def test_greedy_samples_are_refused():
    with pytest.raises(SteelyardError, match="temperature 0"):
        evaluate(
            Scripted(TABLE), Sums(), PROMPTS, encode, decode, sampling=Sampling(temperature=0.0), samples_per_prompt=2
        )


def test_an_engine_that_loses_a_request_or_changes_weights_is_refused():
    class Losing(Scripted):
        def generate(self, requests, sampling):
            yield from list(super().generate(requests, sampling))[1:]

    class Changing(Scripted):
        def generate(self, requests, sampling):
            self.version += 1
            yield from super().generate(requests, sampling)

    for engine, message in ((Losing(TABLE), "unanswered"), (Changing(TABLE), "new weights")):
        with pytest.raises(SteelyardError, match=message):
            evaluate(engine, Sums(), PROMPTS, encode, decode, sampling=SAMPLING, samples_per_prompt=2)


def said(completion):
    return completion if isinstance(completion, str) else completion[0]["content"]


def brief(prompts, completions, **columns):
    return [2.0 - len(said(c)) for c in completions]


def test_what_trains_is_what_is_measured_and_the_verifier_stands_beside_it():
    result, _ = measure(reward=reward_function(brief))
    assert result.metrics["eval/accuracy"] == 1.0  # both greedy completions have one character
    assert result.metrics["eval/verifier_accuracy"] == 0.5
    lengths = [1, 5, 1, 1, 6, 1, 1, 2]
    assert result.metrics["eval/reward_mean"] == pytest.approx(2 - sum(lengths) / 8)
    assert "eval/verifier_accuracy" not in measure()[0].metrics


def test_without_answers_ones_own_reward_is_measured_without_errors():
    class NoAnswers(Sums):
        needs_answer = False

        def score(self, episodes):
            raise AssertionError("there is nothing to verify by")

    result, _ = measure(task=NoAnswers(), reward=reward_function(brief))
    assert result.metrics["eval/errors"] == 0
    assert result.metrics["eval/accuracy"] == 1.0
    assert "eval/verifier_accuracy" not in result.metrics


def test_each_reward_of_a_sum_has_a_mean_and_stands_in_the_samples():
    def ones(prompts, completions, **columns):
        return [None if said(c) == "5" else 1.0 for c in completions]

    result, _ = measure(reward=reward_function([brief, (ones, 0.5)]), num_records=2)
    assert result.metrics["eval/reward/ones"] == 1.0
    assert result.metrics["eval/reward/brief"] == pytest.approx(2 - 18 / 8)
    assert result.samples[0]["parts"] == {"brief": 1.0, "ones": 1.0}
    assert result.metrics["eval/errors"] == 1


def test_the_samples_say_what_was_read_and_what_failed():
    class Reader(Sums):
        def score(self, episodes):
            return [
                Score(1.0, read=e.completion, read_from="text") if e.completion == "2" else Score(None, error="late")
                for e in episodes
            ]

    result, _ = measure(task=Reader(), num_records=2)
    first, second = result.samples
    assert (first["read"], first["read_from"]) == ("2", "text")
    assert second["error"] == "late"
    assert "read" not in second


def test_a_reward_gets_held_out_samples_as_many_at_a_time_as_from_a_searcher():
    def count(prompts, completions, **columns):
        seen.append(len(completions))
        return [1.0] * len(completions)

    seen = []
    prompts = [Prompt(str(i), "1+1", {"answer": "2"}) for i in range(150)]
    table = {str(i): {"greedy": "2"} for i in range(150)}
    measure(table, prompts=prompts, k=0, reward=reward_function(count))
    assert seen == [64, 64, 22]


def test_a_verifier_cannot_change_what_others_see():
    class Rude(Sums):
        def score(self, episodes):
            found = super().score(episodes)
            for e in episodes:
                e.prompt.columns["answer"] = "changed"
            return found

    assert measure(task=Rude())[0].metrics["eval/pass_at_1"] == pytest.approx(3 / 8)
    assert PROMPTS[0].columns == {"answer": "2"}
