import pytest
import torch
from torch import nn

from steelyard.core import SteelyardError
from steelyard.diffusion.players import Player, Players


def pair():
    """One runs after the other, whose place is drawn anew."""
    stream = torch.Generator().manual_seed(3)
    hare, hound = (nn.Linear(1, 1, bias=False) for _ in range(2))
    for module, start in ((hare, 1.0), (hound, 0.0)):
        nn.init.constant_(module.weight, start)
    noise = lambda: torch.randn(1, generator=stream)  # noqa: E731
    first = Player(hare, torch.optim.SGD(hare.parameters(), lr=0.1), lambda: (hare.weight * 9 * (1 + noise())).sum())
    second = Player(
        hound, torch.optim.Adam(hound.parameters(), lr=0.1), lambda: (hound.weight - hare.weight).square().sum()
    )
    return Players({"hare": first, "hound": second}, stream, 6)


def test_each_moves_by_its_own_loss_and_a_gradient_is_clipped():
    players = pair()
    loss = players.step()
    hare, hound = (p.module.weight.item() for p in players.players.values())
    assert abs(hare - 1.0) == pytest.approx(0.1), "its slope is above 1"
    assert hound == pytest.approx(0.1) and loss == pytest.approx(hare**2)


def test_a_restored_pair_goes_on_to_the_same_end(tmp_path):
    whole, cut = pair(), pair()
    whole.run()
    for _ in range(2):
        cut.step()
    cut.save(tmp_path)
    again = pair()
    again.restore(tmp_path)
    assert again.steps == 2
    again.run()
    for name, player in whole.players.items():
        assert torch.equal(player.module.weight, again.players[name].module.weight)


def test_what_is_no_checkpoint_of_these_is_refused(tmp_path):
    with pytest.raises(SteelyardError, match="holds no fit of these networks"):
        pair().restore(tmp_path)
