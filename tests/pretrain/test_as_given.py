from steelyard.pretrain import AsGiven, document


def test_nothing_is_left_out_and_nothing_added():
    corpus = [document([text, "."], lambda text: 1.0) for text in ("one", "two", "one")]
    assert AsGiven().prepare(corpus) == AsGiven().present(corpus) == corpus
    assert AsGiven().tags == ()
    assert not AsGiven().needs_scores
