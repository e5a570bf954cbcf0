"""The tables of cheats and of honest answers, against every verifier that ships."""

import dataclasses

import pytest
from answer_cases import DRESSES
from cheats import CHEATS
from honest import BY_VALUE, HONEST

from steelyard.reward import AnswerCheck, ExactAnswer
from steelyard.reward.worker import Reply
from steelyard.task import Arithmetic, Gym


def test_the_tables_are_long_enough_and_every_name_is_its_own():
    for table in (CHEATS, HONEST):
        names = [case.name for case in table]
        assert len(set(names)) == len(names) >= 40


@pytest.fixture
def episode_of(episode):
    """`episode_of(case, completion)`."""

    def of(case, completion):
        made = episode(completion, case.prompt, answer=case.answer)
        return dataclasses.replace(made, finish=case.finish)

    return of


def dressed(case, dresses=tuple(DRESSES)):
    """A case's completion in each dress that applies to it."""
    return [(d, DRESSES[d].format(case.completion)) for d in (dresses if case.dressed else ("bare",))]


def scored(verifier, table, episode_of, dresses=tuple(DRESSES)):
    """(name, dress) -> value and error of each case."""
    found = {}
    for settings in {case.settings for case in table}:
        cases = [(c, d, text) for c in table if c.settings == settings for d, text in dressed(c, dresses)]
        checked = type(verifier)(**{**vars_of(verifier), "check": AnswerCheck(**dict(settings))})
        checked.__dict__.update({k: v for k, v in verifier.__dict__.items() if k.startswith("_")})
        scores = checked([episode_of(c, text) for c, _, text in cases])
        found |= {(c.name, d): s for (c, d, _), s in zip(cases, scores, strict=True)}
    return found


def vars_of(verifier):
    return {k: v for k, v in verifier.__dict__.items() if not k.startswith("_")}


def wrong(scores, wanted):
    """What is not as wanted, short enough to be read."""
    return {key: (s.value, s.read, s.read_from, s.error) for key, s in scores.items() if s.value != wanted}


def test_no_cheat_earns_anything_from_math_verify(math_verify, episode_of):
    assert wrong(scored(math_verify, CHEATS, episode_of), 0.0) == {}


def test_every_honest_answer_earns_1_from_math_verify(math_verify, episode_of):
    scores = scored(math_verify, HONEST + BY_VALUE, episode_of)
    assert wrong(scores, 1.0) == {}
    assert all(score.read and score.read_from for score in scores.values())


@pytest.mark.parametrize("marker", ["####", ""])
def test_no_cheat_earns_anything_from_exact_answers(marker, episode_of):
    assert wrong(scored(ExactAnswer(marker=marker), CHEATS, episode_of), 0.0) == {}


def test_honest_answers_after_a_marker_earn_1_from_exact_answers(episode_of):
    marked = [case for case in HONEST if case.dressed or case.name.startswith("marker")]
    scores = scored(ExactAnswer(), marked, episode_of, ("marker",))
    assert len(scores) > 100
    assert wrong(scores, 1.0) == {}
    assert {score.read_from for score in scores.values()} == {"marker"}


def test_honest_answers_earn_1_where_the_whole_completion_is_the_answer(episode_of):
    scores = scored(ExactAnswer(marker=""), [case for case in HONEST if case.dressed], episode_of, ("bare",))
    assert wrong(scores, 1.0) == {}


class DefaultGrader:
    """The verifier that most data sets of reasoning-gym have, in this process."""

    def map(self, jobs, *, timeout_s):
        return [self.call(job["arguments"]) for job in jobs]

    def call(self, asked):
        given = asked["answer"]
        right = str(asked["right"])
        partial = len(right) / len(given) if right in given else 0.01
        return Reply(1.0 if given.strip() == right.strip() else partial)


@pytest.fixture
def gym_scores(episode_of):
    """`gym_scores(table, dresses)`: the scores of a table's cases whose right answer is one text, by name and dress."""
    task = Gym()
    task.__dict__.update(_pool=DefaultGrader(), _settings={})

    def of(table, dresses):
        found = {}
        for case in table:
            for dress, text in dressed(case, dresses):
                made = episode_of(case, text)
                columns = {"answer": case.answer, "question": case.prompt, "index": 0}
                prompt = dataclasses.replace(made.prompt, columns=columns)
                task.__dict__["_settings"] = {"right": case.answer}
                (found[case.name, dress],) = task.score([dataclasses.replace(made, prompt=prompt)])
        return found

    return of


def test_no_cheat_earns_anything_from_gym(gym_scores):
    cheats = [case for case in CHEATS if isinstance(case.answer, str) and not case.settings]
    assert wrong(gym_scores(cheats, ("bare", "marker", "tag", "phrase")), 0.0) == {}


def test_honest_numbers_in_decimal_digits_earn_1_from_gym(gym_scores):
    cases = [c for c in HONEST if c.answer == "108" and not c.settings and (c.dressed or c.name.startswith("marker"))]
    decimals = [case for case in cases if case.name not in ("with a decimal point", "with idle zeros")]
    scores = gym_scores(decimals, ("marker", "tag"))
    assert len(scores) > 25
    assert wrong(scores, 1.0) == {}
    assert {score.read_from for score in scores.values()} == {"marker", "answer tag"}


def test_no_number_of_another_script_is_a_sum(episode):
    sums = [episode(text, "12+7-15+9=", answer=13) for text in ("13", "١٣", "１３", "10+3", "13 or 14", "=13=")]
    scores = Arithmetic().score(sums)
    assert [s.value for s in scores] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert (scores[0].read, scores[0].read_from) == ("13", "after the last =")
