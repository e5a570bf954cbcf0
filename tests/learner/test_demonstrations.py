import numpy as np
import pytest

from steelyard.core import Batch, Loss, Needs, Prompt, SteelyardError
from steelyard.learner import Adam, Learner, demonstration, demonstrations_of
from steelyard.objective import HPT
from steelyard.policy import Policy
from steelyard.recipes import load
from steelyard.runtime.factories import make_demonstrations, make_learner
from steelyard.task import Arithmetic, Enumerable
from steelyard.worlds.sync_loop import SyncLoop

TASK = Arithmetic(problems=16, held_out=8)


@pytest.fixture(scope="module")
def shipped():
    return Policy.load("steelyard/arithmetic")


@pytest.fixture
def seen() -> list[Batch]:
    return []


@pytest.fixture
def learner(seen) -> Learner:
    class Looking:
        needs = Needs(demonstrations=True)

        def __call__(self, batch: Batch) -> Loss:
            seen.append(batch)
            return Loss(-batch.logp_PGT.sum(), 1.0)

    policy = Policy.load("steelyard/arithmetic")
    given = demonstrations_of(TASK, TASK.prompts("train")[:1], policy)
    return Learner(policy, Looking(), Adam(), learning_rate=1e-3, reference_reset=1, demonstrations=given)


def test_a_prompts_demonstration_joins_its_group_and_no_other(learner, seen, shipped):
    first, second = SyncLoop(shipped, TASK, HPT(), learning_rate=0.0, seed=0, num_generations=2).sample(
        TASK.prompts("train")[:2]
    )
    row = learner.step([first, second])
    [batch] = seen
    assert batch.label("demonstration").tolist().count([False, False, True]) == 1
    assert batch.valid_PG.sum() == 5
    assert row["batch/trajectories"] == 4, "what was drawn from the buffer, without what was given"
    assert row["batch/staleness_max"] == 0


def test_a_demonstration_carries_the_present_reference(learner, seen, shipped):
    [group] = SyncLoop(shipped, TASK, HPT(), learning_rate=0.0, seed=0, num_generations=2).sample(
        TASK.prompts("train")[:1]
    )
    for _ in range(2):  # the reference becomes the policy after each step
        learner.step([group])
    before, after = seen
    given_PG = before.label("demonstration")
    for batch, version in ((before, 0), (after, 1)):
        assert (batch.field("ref_version_PG")[batch.valid_PG] == version).all()
    own = before.logp_PGT[given_PG] - before.field("logp_ref_PGT")[given_PG]
    assert float(own.detach().abs().max()) < 1e-5, "at the first step policy and reference are one"
    assert not np.allclose(before.field("logp_ref_PGT")[given_PG], after.field("logp_ref_PGT")[given_PG])


def test_every_demonstration_of_the_task_is_right(shipped):
    prompts = TASK.prompts("train")
    texts = {TASK.demonstration(p) for p in prompts}
    assert all(eval(t.rpartition("=")[2]) == p.columns["answer"] for p in prompts for t in [TASK.demonstration(p)])
    assert len({TASK.style(text) for text in texts}) > 1
    assert "other" not in {TASK.style(text) for text in texts}
    [one] = demonstrations_of(TASK, prompts[:1], shipped).values()
    assert shipped.decode(one.completion_T) == TASK.demonstration(prompts[0])
    assert one.logp_ref_T is None


def test_a_run_gets_them_where_its_objective_wants_them(shipped):
    recipe = load("arithmetic-hpt")
    assert len(make_demonstrations(recipe, shipped)) == len(recipe.task.prompts("train"))
    assert make_demonstrations(load("arithmetic"), shipped) is None


def test_a_task_without_any_is_refused(shipped):
    from dataclasses import replace

    with pytest.raises(SteelyardError, match="HPT: Enumerable has no demonstrations"):
        make_learner(replace(load("arithmetic-hpt"), task=Enumerable()), shipped)


def test_one_that_does_not_fit_or_cannot_end_is_refused(shipped):
    class Endless:
        def demonstration(self, prompt: Prompt) -> str:
            return "1" * 64

    with pytest.raises(SteelyardError, match=r"exceed the model's context of 64"):
        demonstrations_of(Endless(), TASK.prompts("train")[:1], shipped)
    with pytest.raises(SteelyardError, match="nothing ends a completion"):
        demonstration(Policy.load("steelyard/enumerable"), Prompt("p", "be"), "a")
