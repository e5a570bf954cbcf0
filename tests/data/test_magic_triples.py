from types import SimpleNamespace

from steelyard.data import MagicTriples, Tools, records_of
from steelyard.data.endings import Written


class Writer(SimpleNamespace):
    """Answers by the first word of what it is asked."""

    name = "writer"

    def written(self, questions, seed):
        self.asked.extend(question.prompt for question in questions)
        said = {"Help": "gladly", "Answer": "so", "Decline": "no"}
        return [Written(said[_first(q.prompt)], q.prompt not in self.cut) for q in questions]

    def __call__(self, questions, seed):
        return [one.text for one in self.written(questions, seed)]


def _first(prompt):
    return (prompt if isinstance(prompt, str) else prompt[0]["content"]).split()[0]


def built(rows, cut=()):
    records = records_of([(f"line {n}", row) for n, row in enumerate(rows)])
    writer = Writer(asked=[], cut=cut)
    return MagicTriples().build(records, records, Tools(0, writer)), writer.asked, records


def test_by_hand():
    found, asked, records = built([{"prompt": "x?", "topic": 1}])
    assert found[0].fields == {"prompt": "x?", "topic": 1, "positive": "gladly", "negative": "so", "rejective": "no"}
    assert found[0].origin.sources == (records[0].id,)
    assert [text.split("\n\n")[1] for text in asked] == ["x?"] * 3


def test_an_answer_that_a_row_brings_is_kept_and_not_asked_for():
    found, asked, _ = built([{"prompt": "x?", "rejective": "I will not."}])
    assert found[0].fields["rejective"] == "I will not."
    assert len(asked) == 2


def test_what_was_cut_off_or_is_the_answer_of_another_mode_leaves_its_mode_out():
    cut = MagicTriples().asking("negative", "x?")
    found, _, _ = built([{"prompt": "x?"}], [cut])
    assert found[0].fields == {"prompt": "x?", "positive": "gladly", "rejective": "no"}
    alike, _, _ = built([{"prompt": "x?", "rejective": "gladly"}])
    assert alike[0].fields == {"prompt": "x?", "rejective": "gladly", "negative": "so"}
    alone, _, _ = built([{"prompt": "x?", "rejective": "so"}], [MagicTriples().asking("positive", "x?")])
    assert alone == [], "one answer is none to tell from others"


def test_in_a_chat_the_system_is_told():
    user = {"role": "user", "content": "x?"}
    told = MagicTriples().asking("rejective", [user])
    assert told == [{"role": "system", "content": "Decline to answer this, in one polite sentence."}, user]
    both = MagicTriples().asking("rejective", [{"role": "system", "content": "Be kind."}, user])
    assert both[0]["content"].startswith("Be kind.\n\nDecline")
