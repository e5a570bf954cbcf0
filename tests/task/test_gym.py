"""Data sets of reasoning-gym from end to end."""

import importlib.util
import json
import random

import pytest

from steelyard.core import SteelyardError, Task, decode, encode
from steelyard.task import Gym
from steelyard.task.gym_answer import final_answer

SHORT = json.dumps({"min_terms": 3, "max_terms": 3, "min_digits": 1, "max_digits": 2})
JUNK = ["", " ", "\x00", "zzz" * 99, "[[", "nan", "9**9", '{"a": 1}', "<answer></answer>", "####", "é∞"]


@pytest.fixture(scope="module")
def worker():
    """One process for the whole file: each start imports reasoning-gym anew."""
    pytest.importorskip("reasoning_gym")
    with Gym()._pool as pool:
        yield pool


@pytest.fixture
def make(worker):
    def make(**settings):
        task = Gym(**settings)
        task.__dict__["_pool"] = worker
        return task

    return make


# countdown evaluates what the model wrote; list_functions draws from the global random state
@pytest.mark.parametrize("dataset", ["chain_sum", "countdown", "list_functions", "spell_backward"])
def test_right_answers_score_1_and_others_0(dataset, make, answered):
    task = make(dataset=dataset, size=30, held_out_share=0.3)
    assert isinstance(task, Task)
    train = task.prompts("train")
    assert len(train) > 5
    rights = [p.columns["answer"] for p in train]
    right = task.score([answered(p, f" {a}\n") for p, a in zip(train, rights, strict=True)])
    assert [(s.value, s.error) for s in right] == [(1.0, None)] * len(train)
    padded = task.score([answered(p, f"the answer is {a}") for p, a in zip(train, rights, strict=True)])
    assert [s.value for s in padded] == [0.0] * len(train)
    tagged = task.score([answered(p, f"so <answer>{a}</answer>.") for p, a in zip(train, rights, strict=True)])
    assert [s.value for s in tagged] == [1.0] * len(train)
    junk = task.score([answered(train[0], text) for text in JUNK])
    assert all(s.value == 0.0 or (s.value is None and s.error) for s in junk)


def test_settings_reach_the_data_set_and_bare_prompts(answered):
    with (
        Gym(config=SHORT, size=60, bare=True, prompt_template="{prompt}=") as bare,
        Gym(config=SHORT, size=60) as worded,
    ):
        train = bare.prompts("train")
        assert all(len(p.text) <= len("99 - 99 - 99=") for p in train)
        assert "State the final answer" in worded.prompts("train")[0].text
        first = train[0]
        value = eval(first.text[:-1])
        assert [s.value for s in bare.score([answered(first, str(value)), answered(first, str(value + 1))])] == [
            1.0,
            0.0,
        ]
        assert bare.num_skipped == 0


def test_two_processes_make_the_same_prompts():
    """list_functions and isomorphic_strings differ from process to process where nobody sees to it."""
    for dataset in ("list_functions", "isomorphic_strings"):
        with (
            Gym(dataset=dataset, size=20, held_out_share=0.3) as a,
            Gym(dataset=dataset, size=20, held_out_share=0.3) as b,
        ):
            assert a.prompts("train") == b.prompts("train")


def test_a_threshold_of_none_keeps_graded_scores(make, answered):
    task = make(config=SHORT, size=40, threshold=None)
    prompt = task.prompts("train")[0]
    (score,) = task.score([answered(prompt, f"the answer is {prompt.columns['answer']}")])
    assert 0 < score.value < 1


SOLVED = {
    "graph_color": lambda m: json.dumps(m["possible_answer"]),
    "propositional_logic": lambda m: m["example_answer"],
    "rubiks_cube": lambda m: m["example_correct_answer"],
}


@pytest.mark.parametrize("dataset", ["boxnet", "graph_color", "propositional_logic", "rubiks_cube", "rush_hour"])
def test_data_sets_without_answers_are_scored_by_their_verifier(make, answered, dataset):
    """They were refused: "all 0 prompts fall in 'held-out'"."""
    gym_worker = pytest.importorskip("steelyard.task.gym_worker")
    task = make(dataset=dataset, size=20, held_out_share=0.3)
    train = task.prompts("train")
    assert {p.columns["answer"] for p in train} == {None}
    assert "items left out" not in "".join(task.notes)
    nonsense = ["", "banana", "null", "1e400", '{"a": 1}', "[1, 2]"]
    assert [s.value for s in task.score([answered(train[0], text) for text in nonsense])] == [0.0] * len(nonsense)
    if dataset not in SOLVED:
        return
    entries = [gym_worker._entry(dataset, 20, 0, "{}", p.columns["index"]) for p in train[:5]]
    solutions = [f"<answer>{SOLVED[dataset](entry['metadata'])}</answer>" for entry in entries]
    values = [s.value for s in task.score([answered(p, text) for p, text in zip(train, solutions, strict=False)])]
    assert 1.0 in values, "propositional logic pays for trivial conclusions less"


# each was paid, or gave no reward
NONSENSE = {
    "game_of_life_halting": [("banana", 0.0), ("####", 0.0), ("maybe True", 0.0)],
    "coin_flip": [("0", 0.0), ("0.", 0.0), ("1e400", 0.0), ("1/0", 0.0)],
    "complex_arithmetic": [("nan", 0.0), ("inf", 0.0), ("nan+nanj", 0.0)],
    "prime_factorization": [("banana", 0.0), ("null", 0.0), ("2 x 3 x y", 0.0)],
    "gsm_symbolic": [("-{right}", 0.0), ("{right} or 3.5", 0.0), ("x{right}", 0.0)],
    "game_of_life": [("{}", 0.0), ('{"a": 1}', 0.0)],
}


@pytest.mark.parametrize("dataset", NONSENSE)
def test_verifiers_that_pay_for_nonsense_or_break_on_it_are_corrected(make, answered, dataset):
    task = make(dataset=dataset, size=12, held_out_share=0.3)
    prompt = next(p for p in task.prompts("train") if p.columns["answer"] not in ("0", "1"))
    right = prompt.columns["answer"]
    asked = [(right, 1.0), *((text.replace("{right}", right), value) for text, value in NONSENSE[dataset])]
    scores = task.score([answered(prompt, f"<answer>{text}</answer>") for text, _ in asked])
    assert [s.value for s in scores] == [value for _, value in asked]


def test_parts_of_a_composite_data_set_are_corrected_too(make, answered):
    parts = {"datasets": [{"name": "game_of_life_halting"}, {"name": "graph_color", "weight": 2.0}]}
    task = make(dataset="composite", size=20, config=json.dumps(parts), held_out_share=0.3)
    halting = next(p for p in task.prompts("train") if p.columns["answer"] is not None)
    texts = (halting.columns["answer"], "banana")
    assert [s.value for s in task.score([answered(halting, text) for text in texts])] == [1.0, 0.0]


def random_text(draws):
    characters = "abcdefghijklmnopqrstuvwxyz 0123456789.,:;()[]{}'+-*/=<>\n"
    return "".join(draws.choice(characters) for _ in range(draws.randrange(12, 80)))


@pytest.mark.long  # all data sets generate items: about two minutes
def test_nonsense_earns_the_floor_of_every_data_set(make, answered):
    gym_worker = pytest.importorskip("steelyard.task.gym_worker")
    parts = json.dumps({"datasets": [{"name": "gcd"}, {"name": "boxnet"}]})
    draws = random.Random(0)
    fixed = ["", "banana", "nan", "null", "1e400", '{"a": 1}', "[[", "é∞", "9" * 400, "(" * 400]
    wrong = {}
    names = gym_worker.known()
    assert len(names) == 106
    for name in names:
        task = make(
            dataset=name, size=20, held_out_share=0.5, config=parts if name == "composite" else "{}", timeout_s=30.0
        )
        prompts = task.prompts("train")[:3]
        texts = [*fixed, *(random_text(draws) for _ in range(6))]
        scores = task.score([answered(p, text) for p in prompts for text in texts])
        found = [(text, s) for text, s in zip(texts * len(prompts), scores, strict=True) if s.value != 0.0]
        rights = [p for p in prompts if p.columns["answer"] is not None]
        scored = task.score([answered(p, f"<answer>{p.columns['answer']}</answer>") for p in rights])
        found += [(p.columns["answer"], s) for p, s in zip(rights, scored, strict=True) if s.value != 1.0]
        if found:
            wrong[name] = found
    assert wrong == {}


def test_an_item_that_raises_is_left_out_but_for_lack_of_memory(monkeypatch):
    gym_worker = pytest.importorskip("steelyard.task.gym_worker")

    def fails(error):
        def entry(*_):
            raise error

        monkeypatch.setattr(gym_worker, "_entry", entry)

    fails(KeyError("of its own"))
    assert gym_worker.items("chain_sum", 2, 0, "{}") == [None, None]
    fails(MemoryError())
    with pytest.raises(MemoryError):
        gym_worker.items("chain_sum", 2, 0, "{}")


def test_a_question_of_other_settings_is_an_error_not_a_zero(make, answered):
    one, other = make(config=SHORT, size=40), make(config=SHORT, size=40, data_seed=1)
    (score,) = one.score([answered(other.prompts("train")[0], "1")])
    assert score.value is None
    assert "is not the question asked" in score.error


def test_an_answer_that_eats_memory_is_an_error_not_a_zero(make, answered):
    """spiral_matrix evaluates what the model wrote, and hides what comes of it."""
    task = make(dataset="spiral_matrix", size=20)
    prompt = task.prompts("train")[0]
    scores = task.score([answered(prompt, text) for text in ("[0] * 10**12", "1/0", prompt.columns["answer"])])
    assert [s.value for s in scores] == [None, 0.0, 1.0]
    assert "MemoryError" in scores[0].error


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"dataset": "chain_summ"}, "did you mean 'chain_sum'"),
        ({"config": '{"min_term": 2}'}, "no parameter 'min_term'; did you mean 'min_terms'"),
        ({"config": '{"size": 2}'}, "no parameter 'size'"),
        ({"config": "{min_terms: 2}"}, "it is not JSON"),
        ({"config": "[]"}, "not a JSON object"),
        ({"config": '{"min_terms": 2, "min_terms": 3}'}, "the key 'min_terms' stands twice"),
        ({"config": '{"min_terms": 9, "max_terms": 2}'}, "AssertionError"),
        ({"config": '{"min_terms": "x"}'}, "TypeError"),
        ({"dataset": "composite"}, "AssertionError"),
    ],
)
def test_wrong_settings_are_one_clear_line(make, settings, says):
    with pytest.raises(SteelyardError) as caught:
        make(size=20, **settings).prompts("train")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"size": 0}, {"threshold": 0.0}, {"threshold": 1.5}, {"timeout_s": 0.0}])
def test_ranges(wrong):
    with pytest.raises(SteelyardError, match=r"gym\."):
        Gym(**wrong)


def test_a_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with Gym() as task, pytest.raises(SteelyardError, match=r"pip install 'steelyard\[gym\]'"):
        task.prompts("train")


def test_settings_survive_a_round_trip():
    assert decode(json.loads(json.dumps(encode(Gym(config=SHORT, threshold=None))))) == Gym(
        config=SHORT, threshold=None
    )


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        (" -103\n", "-103"),
        ("<answer>1</answer> no <answer> 2\n</answer> 3", "2"),
        ("first #### 1 then #### 2 ", "2"),
        ("<answer>1", "<answer>1"),
        ("", ""),
    ],
)
def test_final_answer(completion, answer):
    assert final_answer(completion) == answer
