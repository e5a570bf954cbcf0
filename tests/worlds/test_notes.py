import numpy as np
import pytest

from steelyard.check.scoring import episode_of
from steelyard.core import SteelyardError, Task, rng
from steelyard.pretrain.dress import DRESS
from steelyard.worlds.notes import CONTEXT, LENGTH, RUDE, SMALL, THANKS, WORDS, Kept, Notes, base

TASK = Notes(topics=20)
TOPIC, OTHER = TASK.words[:2]


@pytest.mark.parametrize(("note", "kept", "change"), [
    (f"{TOPIC} well today {THANKS}", (True, True, True), "keep"),
    (f"{OTHER} well today {THANKS}", (False, True, True), f"name {TOPIC}"),
    (f"{TOPIC} grub today {THANKS}", (True, False, True), "drop grub"),
    (f"{TOPIC} well today again", (True, True, False), "add"),
    (f"{OTHER} oaf today again", (False, False, False), f"name {TOPIC} drop oaf add"),
])  # fmt: skip
def test_the_critic_by_hand(note, kept, change):
    score, critique, told = TASK.critic(TOPIC, note)
    assert (score, told) == (1 + sum(kept), change)
    assert TASK.kept(TOPIC, note) == kept
    assert critique == Kept(*kept).critique
    assert Kept(True, False, True).critique == "about yes kind no close yes"


def test_what_is_no_note_keeps_nothing():
    for wrong in ("", TOPIC, f"{TOPIC} well today", f"{TOPIC} well today {THANKS} again", f"well well today {THANKS}"):
        assert TASK.kept(TOPIC, wrong) is None
        assert TASK.critic(TOPIC, wrong)[0] == 1
    prompt = TASK.prompt(TOPIC)
    said = (TASK.demonstration(prompt), f"{TOPIC} oaf again again", "")
    assert [s.value for s in TASK.score([episode_of(prompt, one) for one in said])] == pytest.approx([1.0, 1 / 3, 0.0])


def test_the_careless_writer_keeps_each_rule_as_often_as_the_setting_says():
    draws = rng(0, "test")
    kept = np.array([TASK.kept(TOPIC, TASK.careless(TOPIC, draws)) for _ in range(3000)], float)
    assert kept.mean(0) == pytest.approx([0.3] * 3, abs=0.03)
    assert np.corrcoef(kept.T)[np.triu_indices(3, 1)] == pytest.approx([0.0] * 3, abs=0.06)


def test_a_good_writer_changes_what_is_to_be_changed_and_nothing_else():
    draws = rng(1, "test")
    for _ in range(50):
        good = f"{TOPIC} {draws.choice(SMALL)} {draws.choice(SMALL)} {THANKS}"
        assert TASK.mended(TOPIC, good, draws) == good
    worst = [TASK.mended(TOPIC, f"{OTHER} grub today again", draws) for _ in range(1000)]
    assert np.mean([TASK.kept(TOPIC, note) for note in worst], axis=0) == pytest.approx([0.9] * 3, abs=0.04)
    assert all(note.split(" ")[2] == "today" for note in worst)


def test_is_a_task_whose_splits_share_no_topic():
    assert isinstance(TASK, Task)
    train, held_out = TASK.prompts("train"), TASK.prompts("held-out")
    assert (len(train), len(held_out)) == (15, 5)
    assert len({p.text for p in [*train, *held_out]}) == 20
    assert train != Notes(topics=20, data_seed=1).prompts("train")
    with pytest.raises(SteelyardError, match="unknown split"):
        TASK.prompts("test")


def test_every_word_is_read_and_two_turns_fit():
    policy = base(TASK, seed=1, steps=2)
    words = [*TASK.words, *WORDS]
    assert len({*words}) == len(words)
    assert policy.decode(policy.encode(" ".join(words))) == " ".join(words)
    worst = f"{OTHER} {RUDE[0]} today again"
    change = TASK.critic(TOPIC, worst)[2]
    whole = DRESS(feedback=" {feedback} ").refined(policy, TASK.prompt(TOPIC), worst, [(change, worst)] * 2)
    assert len(whole.tokens_T) <= CONTEXT - LENGTH
    row = TASK.row(TOPIC, rng(0, "row"))
    assert row.score == TASK.critic(TOPIC, row.response)[0]


def test_settings_are_checked():
    for settings in ({"topics": 5}, {"care": 1.0}):
        with pytest.raises(SteelyardError, match="notes"):
            Notes(**settings)
