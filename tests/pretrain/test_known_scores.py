import pytest

from steelyard.core import SteelyardError
from steelyard.pretrain.known_scores import FILE, KnownScores


def counting(asked):
    def scores(texts):
        asked.extend(texts)
        return [None if text == "?" else float(len(text)) for text in texts]

    return scores


def test_each_text_is_asked_about_once_and_what_failed_stays_failed(tmp_path):
    asked = []
    known = KnownScores()
    assert known.of(["a", "bb", "a", "?"], counting(asked)) == [1.0, 2.0, 1.0, None]
    known.write(tmp_path)
    again = KnownScores.read(tmp_path)
    assert again.of(["?", "ccc", "bb"], counting(asked)) == [None, 3.0, 2.0]
    assert asked == ["a", "bb", "?", "ccc"]


def test_without_scores_there_is_no_file_and_a_damaged_one_is_one_line(tmp_path):
    KnownScores().write(tmp_path)
    assert not list(tmp_path.iterdir())
    assert KnownScores.read(tmp_path).of([], counting([])) == []
    (tmp_path / FILE).write_text('{"a": "b"}')
    with pytest.raises(SteelyardError, match=r"scores\.json: is damaged"):
        KnownScores.read(tmp_path)
