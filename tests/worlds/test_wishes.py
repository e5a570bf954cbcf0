"""Wishes: a conversation by its own rules, words that nobody shares, and new places."""

from steelyard.worlds.wishes import COLOURS, Wishes, states

WORLD = Wishes()


def test_the_last_turn_calls_on_one_of_the_places() -> None:
    means = {word: names[0] for names in WORLD.names for word in names}
    for one in WORLD.conversations("train", 50):
        colour = one.turns[-1].split()[-1]
        assert colour in COLOURS
        (mention,) = [turn for turn in one.turns[:-1] if turn.endswith(f" {colour}")]
        quality, place = (means[turn.split()[0]] for turn in (one.turns[-1], mention))
        assert one.state == f"{quality} of {place}"
        assert one.summary.startswith(f"wants {one.state} ")
        assert sum(turn.split()[-1] in COLOURS for turn in one.turns[:-1]) == WORLD.mentions


def test_splits_and_seeds_are_apart_and_new_places_are_new() -> None:
    train, again = (WORLD.conversations("train", 40) for _ in range(2))
    assert train == again
    assert train != Wishes(data_seed=1).conversations("train", 40)
    assert train != WORLD.conversations("pool", 40)
    places = {state.split()[-1] for state in states(train).tolist()}
    new = {state.split()[-1] for state in states(WORLD.conversations("new", 40)).tolist()}
    assert not places & new
    assert len({*WORLD.vocabulary}) == len(WORLD.vocabulary)
    known = {*WORLD.vocabulary}
    every = [one for split in ("train", "new") for one in WORLD.conversations(split, 20)]
    assert all(word in known for one in every for word in f"{one.text} {one.summary}".split())
