import json

import pytest

from steelyard.core import SteelyardError, cards, decode, encode
from steelyard.experiments import studies
from steelyard.experiments.harness.proof_index import proof_of
from steelyard.recipes import load, names
from steelyard.runtime import Run


@pytest.mark.parametrize("name", names())
def test_every_recipe_survives_its_own_config_file(name: str) -> None:
    recipe = load(name)
    assert decode(json.loads(json.dumps(encode(recipe))), Run) == recipe


def test_unknown_names_are_suggested() -> None:
    with pytest.raises(SteelyardError, match="did you mean 'arithmetic'"):
        load("arithmetics")
    with pytest.raises(SteelyardError, match="unknown study"):
        studies.find("nothing")


def test_every_objective_is_run_by_a_recipe_or_a_proof_or_is_supervised() -> None:
    used = {type(load(name).objective) for name in names()}
    idle = [card for card in cards("objective") if card.cls not in used and proof_of(card.id) is None]
    idle = [card for card in idle if card.cls.__module__.startswith("steelyard.")]
    assert {card.cls.__name__ for card in idle} == {"SFT"}
