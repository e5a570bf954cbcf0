import torch

from steelyard.model.corruption import Corruption, marked
from steelyard.model.intervention import Pass


def test_by_hand():
    # The row has a token of padding, a prompt of two and a completion of one: the first of the prompt gets the noise.
    prompt = torch.tensor([[False, True, True, False]])
    reads = Pass(torch.zeros(1, 4).long(), torch.tensor([[False, True, True, True]]), prompt)
    found = Corruption(2.0, torch.tensor([[3.0], [5.0]])).change("embeddings", torch.ones(1, 4, 2), reads)
    assert found.tolist() == [[[1.0, 1.0], [7.0, 1.0], [1.0, 1.0], [1.0, 1.0]]]


def test_a_prompt_of_one_token_has_it_marked_and_one_of_none_has_nothing():
    prompt = torch.tensor([[True, False], [False, False], [True, True]])
    assert marked(prompt).tolist() == [[True, False], [False, False], [True, False]]


def test_places_beyond_the_table_begin_anew():
    yes = torch.ones(1, 4, dtype=torch.bool)
    found = Corruption(1.0, torch.tensor([[3.0], [5.0]])).change(
        "embeddings", torch.zeros(1, 4, 1), Pass(yes.long(), yes, yes)
    )
    assert found[0, :, 0].tolist() == [3.0, 5.0, 3.0, 0.0]
