import numpy as np

from steelyard.core import Prompt
from steelyard.learner import Adam, Learner, demonstration
from steelyard.learner.referred import Referred
from steelyard.objective import DPO
from steelyard.policy import Policy
from steelyard.policy.reference import reference_logp


def test_what_is_found_is_of_the_reference_and_does_not_depend_on_the_company(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    learner = Learner(policy, DPO(), Adam(), learning_rate=1e-2)
    groups = [
        [demonstration(policy, Prompt("x", f"{n}+1="), said, reward=r) for said, r in (("2", 1.0), ("1" * n, 0.0))]
        for n in (1, 4, 9)
    ]
    start = [reference_logp(policy, learner.reference, group, 1.0) for group in groups]
    together = Referred(learner, groups)
    assert len(together) == 3
    learner.step(together.at([0, 2, 1]))
    later = Referred(learner, groups)
    for i, group in enumerate(start):
        for found in (together.at([i]), later.at([i])):
            assert all(np.array_equal(a.logp_ref_T, b.logp_ref_T) for a, b in zip(found[0], group, strict=True))
    assert together.at([1])[0] is together.at([1])[0]
