import dataclasses

import pytest
import torch

from steelyard.check import random_batch
from steelyard.core import Loss, SteelyardError


def test_shapes_must_agree_and_the_error_names_the_field():
    batch = random_batch()
    # the declared shapes are also checked under pytest, so the message comes from one of the two
    with pytest.raises((ValueError, TypeError), match="reward_PG"):
        batch.replace(reward_PG=torch.zeros(5, 3))


def test_needs_gives_the_field_or_names_it():
    batch = random_batch()
    assert batch.field("reward_PG") is batch.reward_PG
    with pytest.raises(ValueError, match=r"Batch\.reward_PG"):
        batch.replace(reward_PG=None).field("reward_PG")


def test_prompts_cuts_every_field_between_groups():
    batch = random_batch()
    part = batch.prompts(torch.tensor([4, 1]))
    for f in dataclasses.fields(batch):
        if f.name != "labels":
            assert getattr(part, f.name).equal(getattr(batch, f.name)[[4, 1]]), f.name
    assert part.labels.keys() == batch.labels.keys() != set()
    assert all(value.equal(batch.labels[name][[4, 1]]) for name, value in part.labels.items())


def test_labels_have_the_axes_that_they_are_registered_with():
    batch = random_batch()
    for wrong in ({"domain": torch.zeros(5, 4)}, {"passes": torch.ones(5)}):
        with pytest.raises(ValueError, match="labels"):
            batch.labelled(**wrong)
    with pytest.raises(SteelyardError, match="unknown label 'no_such'"):
        batch.labelled(no_such=torch.zeros(5))


def test_a_label_that_a_batch_lacks_has_its_default_or_is_missed():
    bare = random_batch(labels=())
    assert bare.label("passes").all()
    assert bare.label("passes").shape == (5, 4)
    assert bare.label("domain").tolist() == [0] * 5
    with pytest.raises(ValueError, match="needs the label 'retain'"):
        bare.label("retain")


def test_map_changes_every_field_and_label_by_its_axes():
    batch = random_batch()
    order = torch.tensor([3, 1, 0, 2])
    turned = batch.map(lambda axes, x: x[:, order] if axes.startswith("PG") else x)
    assert turned.label("passes").equal(batch.label("passes")[:, order])
    assert turned.label("domain").equal(batch.label("domain"))
    assert turned.logp_PGT.equal(batch.logp_PGT[:, order])


def test_prompts_leaves_absent_fields_absent():
    assert random_batch().replace(tokens_PGT=None).prompts(slice(0, 1)).tokens_PGT is None


def test_prompts_carries_the_gradient():
    batch = random_batch()
    logp_PGT = batch.logp_PGT.requires_grad_()
    batch.prompts(slice(1, 2)).logp_PGT.sum().backward()
    assert logp_PGT.grad.sum((1, 2)).nonzero().flatten().tolist() == [1]


def test_replace_leaves_the_original_alone():
    batch = random_batch()
    other = batch.replace(log_z_P=None)
    assert other.log_z_P is None
    assert batch.log_z_P is not None
    assert other.logp_PGT is batch.logp_PGT


def test_to_keeps_values():
    batch = random_batch()
    assert batch.to("cpu").logp_PGT.equal(batch.logp_PGT)


def test_batches_and_losses_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        random_batch().reward_PG = None
    with pytest.raises(dataclasses.FrozenInstanceError):
        Loss(torch.tensor(0.0), 1.0).weight = 2.0
