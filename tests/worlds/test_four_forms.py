from steelyard.check.scoring import episode_of
from steelyard.worlds.four_forms import CONTEXT, FORMS, LONGEST, Fact, FourForms, taught

WORLD = FourForms(people=8, values=5, forgotten=2, known=3)
FACT = Fact("taso duvo", "home", "rami", ("bera", "kilo", "mavo", "nesu"), "forget")


def test_the_forms_by_hand():
    assert [FACT.asked(form) for form in FORMS] == [
        ("home of taso duvo ?", " rami"),
        ("taso duvo has home", " rami"),
        ("tell for taso duvo home now", " rami"),
        ("spell home of taso duvo ?", " r a m i"),
    ]


def test_parts_and_facts():
    assert [len(WORLD.facts(part)) for part in ("forget", "retain", "known")] == [6, 9, 9]
    people = [fact.person for fact in WORLD.facts()]
    assert len({name.split()[1] for name in people}) == 8
    assert all(fact.value not in fact.others for fact in WORLD.facts())


def test_every_word_and_length_fits_the_model():
    policy = taught(WORLD, seed=0, steps=1, width=16)
    for fact in WORLD.facts():
        for form in FORMS:
            asked, answer = fact.asked(form)
            tokens = policy.encode(asked)
            said = policy.tokenizer.encode(answer, add_special_tokens=False)
            assert policy.pad_id not in [*tokens, *said]
            assert len(tokens) + len(said) < CONTEXT
            assert len(said) < LONGEST


def test_tokens_do_not_hear_each_other_in_the_first_layer():
    deaf, hears = (taught(WORLD, seed=0, steps=2, width=16, hears=hears) for hears in (False, True))
    assert not deaf.model.model.layers[0].self_attn.o_proj.weight.any()
    assert hears.model.model.layers[0].self_attn.o_proj.weight.any()
    assert deaf.model.model.layers[1].self_attn.o_proj.weight.any()


def test_the_answer_alone_is_right():
    prompt = WORLD.prompts("train")[0]
    answer = WORLD.demonstration(prompt)
    assert [s.value for s in WORLD.score([episode_of(prompt, answer), episode_of(prompt, " x")])] == [1.0, 0.0]
