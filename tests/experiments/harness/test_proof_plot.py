from steelyard.experiments.harness.proof_plot import picture
from steelyard.experiments.harness.proof_record import Block, ClaimFigures, ClaimRecord, ProofRecord


def test_a_picture_holds_every_seed_of_both_blocks():
    figures = ClaimFigures(0.5, (0.4, 0.6), 0.01, "shown", 0.0, "not shown", [2.0, 2.2], [1.0, 1.1], [1.0, 0.9])
    claim = ClaimRecord("more & more", "score", "ours", "base", 0.1, control="off")
    block = Block([0, 1], "shown", 0.01, [figures], "2026-01-01", "a machine", 3.0, 1.5, None)
    record = ProofRecord("toy", "all", [claim], "abc", "steelyard prove toy", block, block)
    text = picture(record)
    assert text.count("<circle") == 12
    assert text.count('class="ours later"') == 2
    assert "more &amp; more" in text
    assert "0.5 [0.4, 0.6], claimed 0.1: shown" in text
    assert f'cx="{660.0}"' in text  # the largest value lies at the right end


def test_a_long_label_moves_the_axes_and_a_number_says_that_it_was_given():
    figures = ClaimFigures(0.5, (0.4, 0.6), 0.01, "shown", None, None, [2.0, 2.2], [1.0, 1.0], [])
    name = "a-method-of-a-long-name-indeed"
    block = Block([0, 1], "shown", 0.01, [figures], "2026-01-01", "a machine", 3.0, 1.5, None)
    record = ProofRecord("toy", "all", [ClaimRecord("more", "score", name, 1.0, 0.1)], "abc", "x", block, None)
    text = picture(record)
    assert ">given: 1<" in text
    assert 'x1="214"' in text  # 10 and 6.8 for each of 30 letters
