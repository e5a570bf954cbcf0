import pytest

from steelyard.core import Needs, SteelyardError, needs_of


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fields": ("reward_GP",)}, "unknown field 'reward_GP'; did you mean 'reward_P"),
        ({"fields": ("entropy_PGT",)}, "entropy_PGT is computed by the learner; say entropy=True"),
        ({"fields": ("value_PGT",)}, "say value=HEAD"),
        ({"fields": ("tokens_PGT",)}, "unknown field 'tokens_PGT'"),
        ({"labels": ("domian",)}, "unknown label 'domian'; did you mean 'domain'"),
        ({"group_size": 1, "least_group": 2}, "group_size is 1 and least_group 2"),
        ({"least_group": 0}, "least_group 0"),
    ],
)
def test_wrong_needs_are_refused(wrong, message):
    with pytest.raises(SteelyardError, match=message):
        Needs(**wrong)


def test_what_is_read_and_collated():
    needs = Needs(
        fields=("reward_PG",), labels=("domain",), entropy=True, value=lambda width: None, demonstrations=True
    )
    assert needs.reads == {"reward_PG", "entropy_PGT", "value_PGT"}
    assert Needs(others=True).reads == {"others_logp_PGT"}
    assert needs.collated == ("domain", "demonstration")
    assert Needs(labels=("demonstration",), demonstrations=True).collated == ("demonstration",)


def test_a_plain_function_needs_nothing_else():
    assert needs_of(lambda batch: None) == Needs()
