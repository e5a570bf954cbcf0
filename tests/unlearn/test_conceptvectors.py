import numpy as np
import pytest
import torch

from steelyard.core import Prompt
from steelyard.policy import Policy
from steelyard.policy.copied import copied
from steelyard.task.answered import Answered
from steelyard.unlearn import ConceptVectors
from steelyard.unlearn.audit import mean_logp
from steelyard.unlearn.conceptvectors import concept_tokens, given
from steelyard.unlearn.material import Material
from steelyard.unlearn.value_vectors import Place, down_projection, num_layers, projected, value_vectors
from steelyard.worlds.topic_unlearning import answered
from steelyard.worlds.topics import Topics, untaught

WORLD = Topics(topics=2, subjects=4, values=2)
PLACE = Place(1, 5)


@pytest.fixture(scope="module")
def material():
    return Material([answered(f) for f in WORLD.forgotten()], retain=[answered(f) for f in WORLD.retained()])


@pytest.fixture
def planted(material):
    """A model in which one value vector speaks for the forgotten answers, and its neuron answers to their prompts."""
    policy = untaught(WORLD, seed=0, width=16)
    part = policy.model.model.layers[PLACE.layer].mlp
    read: list[torch.Tensor] = []
    hook = part.register_forward_pre_hook(lambda module, args: read.append(args[0]))
    mean_logp(policy, given(policy, material.forget))
    hook.remove()
    with torch.no_grad():
        direction_D = torch.nn.functional.normalize(torch.cat(read).flatten(0, 1).mean(0), dim=0)
        for projection in (part.gate_proj, part.up_proj):
            projection.weight[PLACE.number] = 4 * direction_D
        concept = concept_tokens(policy, material)
        value_vectors(policy, PLACE.layer)[PLACE.number] = 40 * policy.head.weight[concept].mean(0)
    return policy


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_what_a_layer_adds_is_the_sum_of_its_value_vectors(tiny_model_dir, family):
    policy = Policy.load(str(tiny_model_dir(family)))
    module, vector_MD = down_projection(policy, 0), value_vectors(policy, 0)
    a_NM = torch.randn(3, len(vector_MD), generator=torch.Generator().manual_seed(0))
    bias = getattr(module, "bias", None)
    assert torch.allclose(module(a_NM) - (0 if bias is None else bias), a_NM @ vector_MD, atol=1e-5)
    assert vector_MD.shape[1] == policy.hidden_size
    assert num_layers(policy) >= 1


def test_the_concept_is_what_no_kept_answer_says(material):
    policy = untaught(WORLD, seed=0, width=16)
    values = {fact.value for fact in WORLD.forgotten()}
    assert {policy.decode([token]) for token in concept_tokens(policy, material)} == values
    same = Material(material.forget, retain=material.forget)
    assert concept_tokens(policy, same) == concept_tokens(policy, Material(material.forget))


def test_a_planted_vector_is_found(planted, material):
    audit = ConceptVectors(vectors=2, candidates=8)
    found = audit.found(planted, material)
    assert PLACE in found
    shares = audit._shares(planted, PLACE.layer, concept_tokens(planted, material))
    assert shares.argmax() == PLACE.number


def test_an_effect_by_hand(planted, material):
    """The mean drop of log p by the noise, of the forgotten answers beside the kept ones."""
    audit = ConceptVectors(noise=3.0)
    pierced = audit.needle(planted, [PLACE])
    before, after = (
        [np.mean([_logp(policy, row) for row in rows]) for rows in (material.forget, material.retain)]
        for policy in (planted, pierced)
    )
    expected = (before[0] - after[0]) - (before[1] - after[1])
    assert audit.effects(planted, material, [PLACE])[PLACE] == pytest.approx(expected, abs=1e-5)


def _logp(policy, row):
    tokens = policy.encode(str(row.prompt.text))
    said = policy.encode(row.answer)
    ids = torch.tensor([[*tokens, *said, 1]])
    with torch.no_grad():
        logp_TV = policy.model(input_ids=ids).logits[0].log_softmax(-1)
    at = range(len(tokens), ids.shape[1])
    return float(np.mean([logp_TV[i - 1, ids[0, i]] for i in at]))


def test_the_needle_changes_its_vectors_alone(planted):
    pierced = ConceptVectors().needle(planted, [PLACE])
    changed = (value_vectors(pierced, 1) != value_vectors(planted, 1)).any(1)
    assert changed.nonzero().flatten().tolist() == [PLACE.number]
    assert torch.equal(value_vectors(pierced, 0), value_vectors(planted, 0))
    old_D, new_D = (value_vectors(one, 1)[PLACE.number] for one in (planted, pierced))
    assert float((new_D - old_D).norm() / old_D.norm()) == pytest.approx(2.0, rel=0.5)


def test_before_and_after(planted, material):
    """The same model has all its traces; one whose vector points elsewhere has lost them."""
    same = ConceptVectors(vectors=1).measure(planted, material)
    assert same.number("mean", "jaccard") == same.number("mean", "cosine") == pytest.approx(1)
    assert same.number("mean", "distance") == 0
    assert same.number("mean", "effect") == same.number("mean", "effect_now")
    emptied = copied(planted)
    (place,) = ConceptVectors(vectors=1).found(planted, material)
    with torch.no_grad():
        value_vectors(emptied, place.layer)[place.number] *= -1
    concept = concept_tokens(planted, material)
    jaccard, cosine, distance, _ = ConceptVectors()._compared(planted, emptied, place, concept)
    assert cosine == pytest.approx(-1)
    assert distance == pytest.approx(2)
    assert jaccard < 1


def test_projections_are_the_heads(planted):
    vector_MD = value_vectors(planted, 0)[:2]
    assert torch.allclose(projected(planted, vector_MD), vector_MD @ planted.head.weight.T)
    assert ConceptVectors(tokens=200)._most(planted) == planted.vocab_size // 10


def test_without_rows():
    assert ConceptVectors().lacks(Material([])) == "rows to be forgotten"
    assert Answered(Prompt("a", "a"), "x").wrong == ()
