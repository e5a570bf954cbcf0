from steelyard.report.waits import bottleneck_of, told_of_windows


def test_the_side_that_the_other_waits_for():
    assert bottleneck_of(0.4, 0.1) == "searchers"
    assert bottleneck_of(0.1, 0.4) == "learner"
    assert bottleneck_of(0.4, 0.1, 0.9) == "driver"
    assert bottleneck_of(0.09, 0.0) is None


def test_windows_are_counted_the_most_frequent_first():
    told = told_of_windows([None, "driver", "learner", "driver"])
    assert told == (
        "Of 4 windows: in 2 both wait for the driver, in 1 neither waits for long, in 1 searchers wait for the learner."
    )
    assert told_of_windows([]) == ""
