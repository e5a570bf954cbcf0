"""Patches: heat, the hottest window, and pasting, by hand."""

import torch

from steelyard.guard.patches import cut, heat, pasted, pasted_any, windows


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_heat_by_hand() -> None:
    # The score is 3 times the mean of channel 0 less the mean of channel 1, over 4 places: weights 3/4 and -1/4.
    activation = torch.tensor([[[[4.0, 0.0], [0.0, 0.0]], [[0.0, 4.0], [0.0, 0.0]]]])
    found = heat(activation, lambda own: 3 * own[:, 0].mean((1, 2)) - own[:, 1].mean((1, 2)))
    assert torch.allclose(found, torch.tensor([[[3.0, 0.0], [0.0, 0.0]]])), "what speaks against counts as nothing"


def test_the_hottest_window_is_cut_out() -> None:
    image = torch.arange(2 * 36.0).reshape(2, 1, 6, 6)
    hot = torch.zeros(2, 6, 6)
    hot[0, 1, 2] = hot[0, 2, 3] = hot[1, 5, 5] = 1.0
    found = windows(image, hot, 2)
    assert found[0, 0].tolist() == [[8.0, 9.0], [14.0, 15.0]]
    assert found[1, 0].tolist() == [[64.0, 65.0], [70.0, 71.0]]


def test_without_heat_it_is_the_first_window() -> None:
    image = torch.arange(24.0).reshape(1, 1, 4, 6)
    assert torch.equal(windows(image, torch.zeros(1, 2, 3), 3), cut(image, torch.tensor([[0, 0]]), 3))


def test_a_patch_is_pasted_once_and_changes_nothing_else() -> None:
    image = torch.zeros(50, 3, 8, 11)
    patch = torch.arange(1.0, 13.0).reshape(3, 2, 2)
    found = pasted(image, patch, draws())
    assert (image == 0).all(), "the images that were given stay as they are"
    assert ((found != 0).sum((1, 2, 3)) == 12).all()
    places = set()
    for one in found:
        row, column = (one[0] == 1.0).nonzero()[0].tolist()
        assert torch.equal(one[:, row : row + 2, column : column + 2], patch)
        places.add((row, column))
    assert len(places) > 20
    assert max(row for row, _ in places) == 6 and max(column for _, column in places) == 9, "the last places are used"


def test_a_patch_as_large_as_the_image_replaces_it() -> None:
    patch = torch.rand(1, 4, 4, generator=draws())
    assert torch.equal(pasted(torch.zeros(2, 1, 4, 4), patch, draws()), patch.expand(2, 1, 4, 4))


def test_any_of_several_patches_at_any_size() -> None:
    image = torch.zeros(200, 1, 8, 8)
    patches = torch.stack([torch.full((1, 3, 3), 1.0), torch.full((1, 3, 3), 2.0)])
    found = pasted_any(image, patches, (1, 4), draws())
    kinds = {(float(one.max()), int((one > 0).sum())) for one in found}
    assert kinds == {(value, side**2) for value in (1.0, 2.0) for side in (1, 2, 3, 4)}


def test_patches_are_never_larger_than_the_image() -> None:
    found = pasted_any(torch.zeros(20, 1, 4, 4), torch.ones(1, 1, 3, 3), (9, 12), draws())
    assert (found == 1).all()


def test_equal_draws_paste_equally() -> None:
    image, patch = torch.zeros(9, 1, 8, 8), torch.ones(1, 2, 2)
    assert torch.equal(pasted(image, patch, draws(3)), pasted(image, patch, draws(3)))
    assert not torch.equal(pasted(image, patch, draws(3)), pasted(image, patch, draws(4)))
