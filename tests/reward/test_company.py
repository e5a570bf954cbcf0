from steelyard.reward import Constrained, ExactAnswer, Spurious, WeightedRewards, compares_samples


def test_a_sum_and_a_constraint_compare_where_a_part_does():
    vote = Spurious("majority")
    assert compares_samples(vote)
    assert not compares_samples(ExactAnswer())
    assert not compares_samples(None)
    assert compares_samples(WeightedRewards((ExactAnswer(), vote), (1.0, 1.0)))
    assert not compares_samples(WeightedRewards((ExactAnswer(),), (1.0,)))
    assert compares_samples(Constrained(ExactAnswer(), (vote,)))
    assert compares_samples(Constrained(vote))
