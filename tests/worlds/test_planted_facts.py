import torch

from steelyard.unlearn.value_vectors import num_layers, value_vectors
from steelyard.worlds import planted_facts
from steelyard.worlds.topics import Topics, untaught

WORLD = Topics(topics=2, subjects=4, values=2)


def test_what_is_learned_lies_in_the_chosen_neurons_alone(monkeypatch):
    monkeypatch.setattr(planted_facts, "STEPS", 2)
    before = untaught(WORLD, seed=0, width=16)
    after, places = planted_facts.planted(WORLD, before, seed=3)
    layer = num_layers(after) - 1
    chosen = sorted(place.number for place in places)
    assert len(chosen) == planted_facts.NEURONS
    assert {place.layer for place in places} == {layer}
    changed = {name: (weight != before.model.state_dict()[name]) for name, weight in after.model.state_dict().items()}
    end = f"layers.{layer}.mlp."
    assert {name.rpartition(end)[2] for name, c in changed.items() if c.any()} == {
        "down_proj.weight",
        "gate_proj.weight",
        "up_proj.weight",
    }
    rows = (value_vectors(after, layer) != value_vectors(before, layer)).any(1)
    assert rows.nonzero().flatten().tolist() == chosen
    for name, c in changed.items():
        if name.endswith(("gate_proj.weight", "up_proj.weight")) and c.any():
            assert c.any(1).nonzero().flatten().tolist() == chosen
    again, same = planted_facts.planted(WORLD, before, seed=3)
    assert same == places
    assert torch.equal(value_vectors(again, layer), value_vectors(after, layer))
