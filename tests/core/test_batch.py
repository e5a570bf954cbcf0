import dataclasses

import pytest
import torch

from steelyard.check import random_batch
from steelyard.core import Loss


def test_shapes_must_agree_and_the_error_names_the_field():
    batch = random_batch()
    # the declared shapes are also checked under pytest, so the message comes from one of the two
    with pytest.raises((ValueError, TypeError), match="reward_PG"):
        batch.replace(reward_PG=torch.zeros(5, 3))


def test_needs_gives_the_field_or_names_it():
    batch = random_batch()
    assert batch.needs("reward_PG") is batch.reward_PG
    with pytest.raises(ValueError, match=r"Batch\.reward_PG"):
        batch.replace(reward_PG=None).needs("reward_PG")


def test_prompts_cuts_every_field_between_groups():
    batch = random_batch()
    part = batch.prompts(torch.tensor([4, 1]))
    for f in dataclasses.fields(batch):
        assert getattr(part, f.name).equal(getattr(batch, f.name)[[4, 1]]), f.name


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
