import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.model.gated import Gated
from steelyard.model.intervention import Pass
from steelyard.model.ngram_gate import BUCKETS, NgramGate, fit_gate, ngrams


def reads(*rows, prompts=None):
    """Rows of equal length, all of them prompt or the first `prompts` tokens of each."""
    tokens = torch.tensor(rows)
    real = torch.ones_like(tokens, dtype=torch.bool)
    asked = real if prompts is None else torch.arange(tokens.shape[1]) < torch.tensor(prompts)[:, None]
    return Pass(tokens, real, real & asked)


def test_by_hand():
    # Three unigrams and two bigrams, of which two weigh 2 and 1: the score is sigma(.5 + 3/sqrt 5).
    places, known = ngrams(torch.tensor([[4, 7, 4]]), torch.ones(1, 3, dtype=torch.bool), 2)
    assert known[0].tolist() == [[True, False], [True, True], [True, True]]
    assert places[0, 0, 0] == places[0, 2, 0] != places[0, 1, 0]
    weight = torch.zeros(BUCKETS)
    weight[places[0, 1, 0]], weight[places[0, 2, 1]] = 2.0, 1.0
    gate = NgramGate(weight, torch.tensor(0.5), 2)
    assert gate.score(reads([4, 7, 4])).item() == pytest.approx(1 / (1 + torch.tensor(-0.5 - 3 / 5**0.5).exp().item()))


def test_it_learns_what_no_token_says_alone():
    first, second = [[1, 2, 3, 4], [3, 4, 1, 2]], [[2, 1, 4, 3], [4, 3, 2, 1], [1, 3, 2, 4]]
    gate = fit_gate(first, second)
    assert gate.opens(reads(*first, *second)).tolist() == [True] * 2 + [False] * 3
    alone = fit_gate(first, second, longest=1)
    assert alone.score(reads(*first, *second)).tolist() == pytest.approx([0.5] * 5, abs=1e-3)
    back = NgramGate.restored(gate.tensors, gate.longest, gate.threshold)
    assert torch.equal(back.score(reads(*first)), gate.score(reads(*first)))


def test_only_the_prompt_counts_and_without_one_the_gate_is_closed():
    gate = fit_gate([[1, 2]], [[3, 4]])
    assert gate.opens(reads([1, 2, 3, 4], [3, 4, 1, 2], [1, 2, 1, 2], prompts=[2, 2, 0])).tolist() == [
        True,
        False,
        False,
    ]
    padded = Pass(torch.tensor([[9, 1, 2]]), torch.tensor([[False, True, True]]), torch.tensor([[False, True, True]]))
    torch.testing.assert_close(gate.score(padded), gate.score(reads([1, 2])))


def test_the_action_is_on_the_rows_that_the_gate_lets_through():
    class Double:
        def sites(self, num_layers):
            return ("layers.0",)

        def change(self, site, hidden, seen):
            return 2 * hidden

    gated = Gated(fit_gate([[1, 2]], [[3, 4]]), Double())
    hidden = torch.ones(2, 2, 3)
    assert gated.change("layers.0", hidden, reads([1, 2], [3, 4])).mean((1, 2)).tolist() == [2.0, 1.0]
    assert gated.change("layers.0", hidden, reads([3, 4], [3, 4])) is hidden
    assert gated.sites(1) == ("layers.0",)


@pytest.mark.parametrize(("rows", "said"), [(([], [[1]]), "no prompt to open to"), (([[1]], [[]]), "has no token")])
def test_what_cannot_be_told_apart(rows, said):
    with pytest.raises(SteelyardError, match=said):
        fit_gate(*rows)
