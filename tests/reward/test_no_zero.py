"""However a verifier fails, there is no reward, and never one of 0: for all that have a process of their own."""

import pytest

from steelyard.reward import FunctionReward, MathVerify, Pool
from steelyard.task import Gym, Rows

LIMIT_S = 1.5
FAILURES = {
    "raises": "ArithmeticError: broke",
    "hangs": "no answer within",
    "dies": "died with exit code 7",
    "hogs": "MemoryError",
    "gives_nan": "nan",
    "gives_infinity": "inf",
    "gives_text": "'1.0'",
    "gives_nothing": "None",
}


def verifiers():
    yield "math-verify", MathVerify(timeout_s=LIMIT_S)
    yield "rows", Rows(path="x.jsonl", timeout_s=LIMIT_S)
    yield "gym", Gym(timeout_s=LIMIT_S)
    yield "gym graded", Gym(timeout_s=LIMIT_S, threshold=None)


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_never_a_zero(failure, episode):
    """Each verifier with its own function replaced by one that fails."""
    with Pool(f"hostile_rewards:{failure}", memory_mb=512, num_workers=2) as pool:
        for name, verifier in verifiers():
            inner = verifier._reward if isinstance(verifier, Rows) else verifier
            inner.__dict__["_pool"] = pool
            inner.__dict__["_settings"] = {}
            one = episode(
                "42", answer="\\sqrt{1764}", index=0, question="6*7?"
            )  # a formula: only a process compares it
            scores = (verifier if isinstance(verifier, MathVerify) else verifier.score)([one, one])
            assert [s.value for s in scores] == [None, None], name
            assert all(FAILURES[failure] in (s.error or "") for s in scores), (name, scores)


@pytest.mark.parametrize("failure", ["raises", "hangs", "dies", "hogs"])
def test_nor_of_a_reward_function(failure, episode):
    with FunctionReward(f"hostile_rewards:{failure}", timeout_s=LIMIT_S, memory_mb=512) as reward:
        scores = reward([episode("42"), episode("43")])
    assert [s.value for s in scores] == [None, None]
    assert all(FAILURES[failure] in (s.error or "") for s in scores)
