from steelyard.report.waits import bottleneck_of


def test_the_side_that_the_other_waits_for():
    assert bottleneck_of(0.4, 0.1) == "searchers"
    assert bottleneck_of(0.1, 0.4) == "learner"
    assert bottleneck_of(0.09, 0.0) is None
