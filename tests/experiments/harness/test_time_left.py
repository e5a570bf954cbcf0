from steelyard.experiments.harness.time_left import TimeLeft


def test_by_hand():
    left = TimeLeft({"a": ["x", "y", "x"], "b": ["z"]}, {("a", "x"): [60.0, 120.0]}, jobs=2)
    # x takes 90 s, y as an arm of its proof does: 3 x 90 s over two processes.
    assert str(left) == "2.2 minutes left, and what b will take"
    left.measured("b", "z", 30.0)
    left.measured("a", "x", 90.0)
    assert str(left) == "1.5 minutes left"
