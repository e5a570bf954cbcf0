import numpy as np
import pytest
import torch

from steelyard.core import Batch, Loss, Needs, Prompt
from steelyard.objective import DrGRPO
from steelyard.policy import Policy
from steelyard.task import Arithmetic
from steelyard.worlds.sync_loop import SyncLoop, demonstration, imitate, tiny_policy

TASK = Arithmetic(problems=64, held_out=8)


@pytest.fixture(scope="module")
def shipped():
    return Policy.load("steelyard/arithmetic")


def lab_of(policy: Policy, seed: int = 0, **settings) -> SyncLoop:
    return SyncLoop(policy, TASK, DrGRPO(max_length=20), learning_rate=1e-3, seed=seed, num_generations=4, **settings)


def test_groups_are_scored_samples_of_the_asked_prompts_in_their_order(shipped):
    prompts = TASK.prompts("train")[:3]
    groups = lab_of(shipped).sample(prompts)
    assert [[t.prompt_id for t in group] for group in groups] == [[p.id] * 4 for p in prompts]
    assert all(t.reward in (0.0, 1.0) and np.array_equal(t.logp_ref_T, t.logp_behaviour_T) for g in groups for t in g)


def test_samples_are_new_each_time_and_the_same_for_a_seed(shipped):
    prompts = TASK.prompts("train")[:4]

    def texts(loop: SyncLoop) -> list:
        return [t.tokens_T.tolist() for group in loop.sample(prompts) for t in group]

    loop, twin = lab_of(shipped), lab_of(shipped)
    first = texts(loop)
    assert first == texts(twin)
    assert texts(loop) != first
    assert texts(lab_of(shipped, seed=1)) != first


def test_a_step_changes_the_labs_policy_and_what_it_samples_but_not_the_one_given(shipped):
    before, loop = shipped.weights(), lab_of(shipped)
    [row] = loop.run(1, 8)
    assert row["batch/prompts"] == 8
    assert not np.array_equal(loop.policy.weights(), before)
    assert np.array_equal(shipped.weights(), before)
    [group] = loop.sample(TASK.prompts("train")[:1])
    assert {t.version for t in group} == {1}
    assert all(t.ref_version == 0 for t in group)


def test_the_scale_is_the_parameters_and_the_tokens_learned_from(shipped):
    lab = lab_of(shipped)
    assert lab.scale == {"parameters": float(shipped.num_parameters()), "tokens": 0.0}
    groups = lab.sample(lab.task.prompts("train")[:2])
    lab.learn(groups)
    assert lab.scale["tokens"] == sum(len(t.tokens_T) for group in groups for t in group)


def test_imitation_learns_by_heart():
    policy = tiny_policy("abcd", seed=0, width=32)
    rows = imitate(policy, [("a", "bc"), ("d", "aa")], steps=60, batch=8, learning_rate=1e-2, seed=0)
    assert rows[-1]["learner/loss"] < 0.05 < rows[0]["learner/loss"]


def test_entropy_and_values_are_there_for_objectives_that_ask(shipped):
    seen: list[Batch] = []

    def head(hidden_size: int) -> torch.nn.Module:
        linear = torch.nn.Linear(hidden_size, 1)
        torch.nn.init.ones_(linear.weight)
        return torch.nn.Sequential(linear, torch.nn.Flatten(0))

    class Asking:
        needs = Needs(entropy=True, others=True, value=head)

        def __call__(self, batch: Batch) -> Loss:
            seen.append(batch)
            return Loss(batch.field("value_PGT").square().sum() - batch.logp_PGT.sum(), 1.0)

    loop = SyncLoop(shipped, TASK, Asking(), learning_rate=1e-3, seed=0, num_generations=2)
    before = loop.policy.weights()
    loop.learn(loop.sample(TASK.prompts("train")[:2]))
    [batch] = seen
    action_PGT = batch.action_PGT
    assert (batch.field("entropy_PGT")[action_PGT] > 0).all()
    assert not batch.field("entropy_PGT").requires_grad
    assert batch.field("others_logp_PGT").requires_grad
    assert (batch.field("others_logp_PGT")[action_PGT] < 0).all()
    assert (batch.field("value_PGT")[~action_PGT] == 0).all()
    assert batch.field("value_PGT")[action_PGT].std() > 0
    assert not np.array_equal(loop.policy.weights(), before)


def test_demonstrations_and_marks_reach_the_batch(shipped):
    seen: list[Batch] = []

    class Looking:
        needs = Needs(fields=("reward_PGT",), labels=("domain", "passes", "demonstration"))

        def __call__(self, batch: Batch) -> Loss:
            seen.append(batch)
            return Loss(-batch.logp_PGT.sum(), 1.0)

    prompt = TASK.prompts("train")[0]
    loop = SyncLoop(shipped, TASK, Looking(), learning_rate=1e-3, seed=0, num_generations=2)
    steps_T = np.zeros(len(prompt.text) + 3, np.float32)
    steps_T[-1] = -1
    given = demonstration(shipped, prompt, "13", reward_T=steps_T, labels={"domain": 2, "retain": False})
    groups = loop.sample([prompt, TASK.prompts("train")[1]])
    judged = groups[1][0].replace(labels={"passes": False})
    loop.learn([[given, *groups[0]], [judged, groups[1][1]]])
    loop.learn([[given]])
    mixed, alone = seen
    given_PG = mixed.label("demonstration")
    assert given_PG.sum() == 1
    assert mixed.label("domain").tolist() == [2, 0], "a prompt without a domain is of the default one"
    assert (~mixed.label("passes")[mixed.valid_PG]).sum() == 1
    assert mixed.field("reward_PGT")[given_PG].sum() == -1
    assert alone.label("domain").tolist() == [2]
    assert "retain" not in alone.labels, "nobody asked for it"


def test_an_unknown_character_is_padding():
    policy = tiny_policy("ab", seed=0)
    assert policy.encode("az") == [2, 0]
    assert demonstration(policy, Prompt("p", "a"), "b").tokens_T.tolist() == [2, 3, 1]


def test_spaced_symbols_are_words():
    policy = tiny_policy(["go", "stop"], seed=0, spaced=True)
    assert policy.encode("stop go halt") == [3, 2, 0]
    assert policy.decode([3, 2]) == "stop go"
