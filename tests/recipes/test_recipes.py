import json

import pytest

from steelyard.core import SteelyardError, cards, decode
from steelyard.experiments import studies
from steelyard.experiments.harness.proof_index import proof_of
from steelyard.recipes import find, load, names
from steelyard.runtime import Run, describe


@pytest.mark.parametrize("name", names())
def test_every_recipe_survives_its_own_config_file(name: str) -> None:
    recipe = find(name)
    config = json.loads(json.dumps(describe(recipe, name)))
    assert decode(config["run"], Run) == recipe


def test_unknown_names_are_suggested() -> None:
    with pytest.raises(SteelyardError, match="did you mean 'arithmetic'"):
        load("arithmetics")
    with pytest.raises(SteelyardError, match="unknown study"):
        studies.find("nothing")


def test_every_objective_is_run_by_a_recipe_or_a_proof() -> None:
    used = {type(getattr(find(name), "objective", None)) for name in names()}
    idle = [card for card in cards("objective") if card.cls not in used and proof_of(card.id) is None]
    idle = [card for card in idle if card.cls.__module__.startswith("steelyard.")]
    assert idle == []


def test_a_job_is_no_run_to_load() -> None:
    with pytest.raises(SteelyardError, match="'npo' is a job on given data"):
        load("npo")


def test_every_objective_has_a_recipe_on_rows_of_ones_own() -> None:
    own = {card.id for card in cards("objective") if card.cls.__module__.startswith("steelyard.objective.")}
    told = {name.removeprefix("rows-") for name in names() if name.startswith("rows-")}
    assert own - told == {"sft"}
    assert told <= own
    assert load("rows-dpo").num_generations == 2
    assert type(load("rows-grpo").objective).__name__ == "GRPO"
