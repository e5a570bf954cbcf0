import numpy as np
import pytest

from steelyard.worlds.text_stream import ACCENT, EVERYDAY, INTENTS, KNOWN, TextStream, appeared, bags, rule, splits

STREAM = TextStream(number=8000).messages()


@pytest.mark.parametrize(
    ("words", "harmful"),
    [
        ([0, 1, 2], False),
        ([0, EVERYDAY + 6, 2], False),  # one word of intent 1
        ([EVERYDAY + 6, EVERYDAY + 7], True),
        ([EVERYDAY + 6, EVERYDAY + 12], False),  # of two intents
        ([EVERYDAY, EVERYDAY + 1], True),
        ([EVERYDAY, EVERYDAY + 1, ACCENT], False),  # the small group's own
        ([EVERYDAY, EVERYDAY + 3, ACCENT], True),
    ],
)
def test_the_rule_by_hand(words, harmful):
    assert rule(words) is harmful


def test_the_rule_knows_every_text():
    assert all(rule(m.words) == (m.intent is not None) for m in STREAM)


def test_shares_and_times():
    assert np.mean([m.intent is not None for m in STREAM]) == pytest.approx(0.05, abs=0.01)
    assert np.mean([m.group for m in STREAM]) == pytest.approx(0.1, abs=0.02)
    assert {m.intent for m in STREAM[:4000]} == {None, *range(KNOWN)}
    assert max(m.intent for m in STREAM[4000:] if m.intent is not None) >= KNOWN
    assert (appeared(0.49), appeared(0.5), appeared(0.999)) == (KNOWN, KNOWN + 1, INTENTS)


def test_splits_share_no_text_and_the_late_one_is_new():
    found = splits(0)
    assert [len(found[name].label_N) for name in ("train", "held-out", "late")] == [4500, 1500, 6000]
    assert bags(STREAM[:2]).input_NF.sum(1).tolist() == [12.0, 12.0]
