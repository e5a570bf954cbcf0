import numpy as np
import pytest
import torch

from steelyard.core import Prompt, SteelyardError
from steelyard.learner import Adam, Learner, demonstration
from steelyard.learner.collate import collate
from steelyard.model import MeanShift
from steelyard.policy.copied import copied
from steelyard.unlearn import LAT
from steelyard.unlearn.held_out_attack import held_out_attack, told
from steelyard.unlearn.latent_attack import LatentAttack, find, perturbed, read
from steelyard.unlearn.latent_learner import LatentLearner
from steelyard.worlds.sync_loop import imitate, tiny_policy

NONE = np.random.default_rng(0)


@pytest.fixture(scope="module")
def policy():
    """Says b after a, and d after c."""
    made = tiny_policy("abcdn", seed=1, width=16, layers=3, context=16)
    imitate(made, [("a", "b"), ("aa", "bb"), ("c", "d")], steps=60, batch=8, learning_rate=1e-2, seed=0)
    return made


def pair(policy, prompt, good, bad):
    marks = {"retain": False}
    return [demonstration(policy, Prompt(prompt, prompt), said, reward=r, labels=marks)
            for said, r in ((good, 1.0), (bad, 0.0))]  # fmt: skip


def pairs(policy):
    return [pair(policy, "a", "b", "nn"), pair(policy, "aa", "bb", "n")]


def batch_of(policy):
    return collate(
        [*pairs(policy), [demonstration(policy, Prompt("c", "c"), "d", labels={"retain": True})]], ("retain",)
    )


def attacked(batch):
    return ~batch.label("retain")


def test_default_sites_are_spread(policy):
    assert LatentAttack().sites_in(policy) == ("embeddings", "layers.0", "layers.1", "layers.2")
    assert LatentAttack(sites=("layers.2",)).sites_in(policy) == ("layers.2",)
    with pytest.raises(SteelyardError, match=r"the model has no site 'layers.3'"):
        LatentAttack(sites=("layers.3",)).sites_in(policy)


@pytest.mark.parametrize("kind", ["targeted", "untargeted", "random"])
def test_a_perturbation_keeps_to_its_radius_and_to_attacked_prompts(policy, kind):
    batch = batch_of(policy)
    adversary = LatentAttack(kind, radius=0.5, attack_steps=4, attack_rate=1.0)
    found = find(policy, adversary, batch, attacked(batch), LAT(adversary=adversary).harm, NONE)
    assert found is not None
    assert {*found.sites(3)} == {"embeddings", "layers.0", "layers.1", "layers.2"}
    for delta_PTD in found.delta.values():
        assert delta_PTD.norm(dim=-1).max().item() <= 0.5 + 1e-6
        assert not delta_PTD.requires_grad
        last = torch.stack([delta_PTD[0, 0], delta_PTD[1, 1]])
        assert last.norm(dim=-1).min().item() > 0.4, "a large step ends on the sphere"
        assert not delta_PTD[2].any(), "benign prompts are left alone"


def test_completions_are_not_perturbed_and_their_prompts_alike(policy):
    """Both answers are read after the same perturbation: with equal completions they are equally likely."""
    group = [demonstration(policy, Prompt("a", "aa"), "bb", reward=r, labels={"retain": False}) for r in (1.0, 0.0)]
    batch = collate([group], ("retain",))
    adversary = LatentAttack(radius=1.0, attack_steps=3)
    found = find(policy, adversary, batch, attacked(batch), LAT().harm, NONE)
    seen = []

    class Watch:
        def sites(self, num_layers):
            return ("layers.1",)

        def change(self, site, hidden_NTD, reads):
            changed = found.change(site, hidden_NTD, reads)
            seen.append((changed - hidden_NTD).norm(dim=-1))
            return changed

    with torch.no_grad():
        policy.intervene(Watch())
        logp = read(policy, batch).logp_PGT
        policy.intervene(None)
    assert seen[0][:, 2:].max().item() == 0.0
    assert seen[0][:, :2].min().item() > 0.0
    torch.testing.assert_close(logp[0, 0], logp[0, 1])


def test_a_targeted_attack_raises_the_bad_answer_and_a_wider_one_more(policy):
    batch = batch_of(policy)
    losses = []
    for radius in (0.01, 0.3, 1.0):
        adversary = LatentAttack(radius=radius, attack_steps=12, attack_rate=radius / 3)
        with torch.no_grad(), perturbed(policy, find(policy, adversary, batch, attacked(batch), LAT().harm, NONE)):
            losses.append(LAT().harm(read(policy, batch)).item())
    with torch.no_grad():
        bare = LAT().harm(read(policy, batch)).item()
    assert bare > losses[0] > losses[1] > losses[2]


def test_the_model_is_left_as_it_was(policy):
    before, grads = policy.weights(), [p.grad for p in policy.trainable().values()]
    kept = [None if grad is None else grad.clone() for grad in grads]
    batch = batch_of(policy)
    find(policy, LatentAttack(attack_steps=2), batch, attacked(batch), LAT().harm, NONE)
    assert policy.intervention is None
    assert policy.weights().tobytes() == before.tobytes()
    for p, grad in zip(policy.trainable().values(), kept, strict=True):
        assert (p.grad is None) == (grad is None)
        assert grad is None or torch.equal(p.grad, grad)


def test_a_model_with_an_intervention_is_refused(policy):
    shifted = copied(policy)
    states = {"layers.0": torch.zeros(1, 16)}
    shifted.intervene(MeanShift().fit(states, states))
    batch = batch_of(policy)
    with pytest.raises(SteelyardError, match="the model has an intervention"):
        find(shifted, LatentAttack(), batch, attacked(batch), LAT().harm, NONE)


def test_without_an_attack_it_learns_as_any_learner_does(policy):
    method = LAT(adversary=LatentAttack("none"))
    ours = LatentLearner(copied(policy), method, Adam(), learning_rate=1e-3)
    theirs = Learner(copied(policy), method, Adam(), learning_rate=1e-3)
    for learner in (ours, theirs):
        learner.step(pairs(policy))
    assert ours.policy.weights().tobytes() == theirs.policy.weights().tobytes()


def test_leaks_are_told_by_the_answers_own_tokens(policy):
    """The base model says b to a: as a bad answer it leaks without an attack, as a good one it does not."""
    groups = [pair(policy, "a", "n", "b"), pair(policy, "aa", "bb", "n")]
    assert told(policy, LAT(), groups, LatentAttack("none")).greedy == [True, False]
    row = held_out_attack(policy, LAT(), groups, LatentAttack(radius=1e-6))
    assert row["eval/leak"] == row["eval/bare_leak"] == 0.5
    assert row["eval/leak_probability"] == pytest.approx(row["eval/bare_leak_probability"], abs=1e-3)


def test_training_under_attack_holds_where_refusal_training_does_not():
    rows = [(f"{x}{y}", f"{y}{x}") for x in "abcd" for y in "abcd"]
    start = tiny_policy("abcdn!=", seed=1, width=32, layers=2, context=16)
    plain = [(f"{p}=", said) for p, said in rows]
    shown = [*plain, *[(f"{p}!", "nn") for p, _ in rows] * 3, *[(f"{p}!", said) for p, said in rows]]
    imitate(start, shown, steps=200, batch=32, learning_rate=8e-3, seed=0)
    groups = [pair(start, f"{p}!", "nn", said) for p, said in rows]
    benign = [[demonstration(start, Prompt(p, f"{p}="), said, labels={"retain": True})] for p, said in rows]
    leaks = {}
    for kind in ("targeted", "none"):
        adversary = LatentAttack(kind, radius=0.6, attack_steps=6, attack_rate=0.2)
        learner = LatentLearner(copied(start), LAT(adversary=adversary), Adam(), learning_rate=5e-4)
        for _ in range(40):
            learner.step([*groups, *benign])
        fresh = LatentAttack(radius=0.6, attack_steps=12, attack_rate=0.2)
        leaks[kind] = held_out_attack(learner.policy, LAT(), groups, fresh)["eval/leak"]
    assert leaks["none"] > 0.5
    assert leaks["targeted"] < leaks["none"] / 2
