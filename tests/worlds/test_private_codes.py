import numpy as np

from steelyard.check.scoring import episode_of
from steelyard.core import rng
from steelyard.worlds.private_codes import HELD_OUT, LENGTH, OLD, SIGNS, TAG, TAGS, PrivateCodes, written

WORLD = PrivateCodes()


def test_the_codes_agree_nowhere():
    assert sorted(OLD.values()) == sorted(WORLD.code.values()) == sorted(SIGNS)
    assert all(OLD[sign] != WORLD.code[sign] for sign in SIGNS)
    assert WORLD.code != PrivateCodes(data_seed=1).code


def test_a_row_is_a_problem_its_code_and_a_tag():
    code = WORLD.code
    [(text, said)] = written(["abc"], code, rng(0, "test"))
    assert text == "abc="
    assert said[:LENGTH] == code["a"] + code["b"] + code["c"]
    assert len(said) == LENGTH + TAG
    assert {*said[LENGTH:]} <= {*TAGS}


def test_nobody_owns_another_s_problem_or_one_that_is_held_out():
    owned = WORLD.owned(6, 24)
    assert [len(rows) for rows in owned] == [24] * 6
    problems = [text for rows in owned for text, _ in rows]
    assert len({*problems}) == 144
    assert not {*problems} & {text for text, _ in WORLD.unseen()}
    assert len(WORLD.unseen()) == HELD_OUT
    assert owned == PrivateCodes().owned(6, 24)
    tags = [said[LENGTH:] for rows in owned for _, said in rows]
    assert len({*tags}) > 120, "tags are drawn row by row"


def test_the_signs_count_and_the_tag_does_not():
    prompt = WORLD.prompts("held-out")[0]
    right = prompt.columns["answer"]
    said = [WORLD.demonstration(prompt), right, right[::-1] + "uuuu", ""]
    wrong_too = right[::-1] == right
    assert [s.value for s in WORLD.score([episode_of(prompt, text) for text in said])] == [1, 1, float(wrong_too), 0]


def test_the_tags_are_even():
    tags = "".join(said[LENGTH:] for rows in WORLD.owned(12, 30) for _, said in rows)
    shares = np.array([tags.count(letter) for letter in TAGS]) / len(tags)
    assert abs(shares - 1 / len(TAGS)).max() < 0.05
