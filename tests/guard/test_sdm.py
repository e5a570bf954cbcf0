"""SDM: numbers by hand, softmax as a special case, and abstention far from what was seen."""

import math

import pytest
import torch

from steelyard.core import SteelyardError
from steelyard.guard import SDM
from steelyard.guard.sdm import (
    Awareness,
    Distances,
    Region,
    Support,
    log_sdm,
    loss_of,
    quantile,
    rescaled,
    softmax_awareness,
)
from steelyard.guard.sdm_fit import SDMFit


def two_clouds(number: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    label_N = torch.arange(number) % 2
    return torch.randn(number, 4, generator=draws) + 3.0 * label_N[:, None], label_N


def test_similarity_and_distance_by_hand():
    # On a line: 0 and 1 are rightly predicted as 0, 2 is wrongly predicted, 3 is rightly predicted as 1.
    support = Support(
        torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 1])
    )
    asked = torch.tensor([[0.2], [3.1], [2.1], [0.2]])
    similarity_N, nearest_N = support.near(asked, torch.tensor([0, 1, 0, 1]))
    assert similarity_N.tolist() == [2.0, 1.0, 0.0, 0.0]  # the third's nearest is wrong, the fourth's says otherwise
    assert nearest_N.tolist() == pytest.approx([0.2, 0.1, 0.1, 0.2])
    own_N, apart_N = support.near(support.distilled_TM, support.predicted_T, themselves=True)
    assert own_N.tolist() == [1.0, 0.0, 0.0, 0.0]  # as near as an agreeing one is one that does not: it counts first
    assert apart_N.tolist() == [1.0, 1.0, 1.0, 1.0]


def test_activation_and_loss_by_hand():
    known = Awareness(torch.tensor([2.0]), torch.tensor([0.5]))
    sdm_NC = log_sdm(torch.tensor([[2.0, 0.0]]), known).exp()
    assert sdm_NC[0].tolist() == pytest.approx([4 / 5, 1 / 5])  # (2 + 2)^(.5 * 2) = 4 against 1
    assert loss_of(torch.tensor([[2.0, 0.0]]), known, torch.tensor([0])).item() == pytest.approx(math.log(5 / 4, 4))
    assert rescaled(sdm_NC, known.similarity_N).item() == pytest.approx(2.0)  # min(2, 4^.8)
    assert rescaled(torch.tensor([[0.5, 0.5]]), torch.tensor([14.0])).item() == pytest.approx(4.0)


def test_without_neighbours_it_is_softmax():
    logit_NC = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    label_N = torch.tensor([0, 1, 2, 0, 1])
    torch.testing.assert_close(log_sdm(logit_NC, softmax_awareness(5)), logit_NC.log_softmax(-1))
    loss_N = torch.nn.functional.cross_entropy(logit_NC, label_N, reduction="none")
    torch.testing.assert_close(loss_of(logit_NC, softmax_awareness(5), label_N), loss_N)


def test_distance_is_the_worst_class_and_no_states_are_far():
    distances = Distances.of(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 1.0, 1.0, 0.0]),
                             torch.tensor([0, 0, 1, 1]), 2)  # fmt: skip
    assert [known.tolist() for known in distances.of_class] == [[1.0, 2.0], [3.0]]
    assert distances.quantile(torch.tensor([0.5, 1.5, 9.0])).tolist() == [1.0, 0.5, 0.0]
    none = Distances.of(torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([0]), 2)
    assert none.quantile(torch.tensor([0.1])).tolist() == [0.0]


def test_the_region_is_the_largest_that_keeps_the_level():
    sdm_NC = torch.tensor([[0.99, 0.01], [0.01, 0.99], [0.98, 0.02], [0.02, 0.98], [0.6, 0.4]])
    label_N = torch.tensor([0, 1, 0, 1, 1])
    similarity_N = torch.tensor([9.0, 9.0, 5.0, 5.0, 1.0])
    region = Region.of(sdm_NC, similarity_N, label_N, 0.95)
    assert region.least == pytest.approx(5.0)
    assert region.threshold_C.tolist() == pytest.approx([0.98, 0.98])
    assert region.admits(sdm_NC, similarity_N).tolist() == [True, True, True, True, False]
    hopeless = Region.of(torch.full((4, 2), 0.5), torch.ones(4), torch.tensor([0, 1, 0, 1]), 0.95)
    assert hopeless.least == math.inf and not hopeless.admits(torch.tensor([[1.0, 0.0]]), torch.tensor([99.0])).any()
    assert quantile(torch.tensor([3.0, 1.0, 2.0]), 0.34).item() == 2.0


def test_it_admits_what_it_knows_and_abstains_far_away():
    state_ND, label_N = two_clouds()
    head = SDMFit(SDM(splits=1, epochs=12, filters=8, learning_rate=1e-2), state_ND, label_N, 0).run()
    ruling = head.rule(state_ND)
    assert ruling.admitted_N is not None
    right_N = (ruling.harm_N >= 0.5) == (label_N == 1)
    assert float(ruling.admitted_N.float().mean()) > 0.5 and bool(right_N[ruling.admitted_N].all())
    far = head.rule(torch.full((3, 4), 1000.0))
    assert far.admitted_N is not None and not far.admitted_N.any()
    assert far.harm_N.tolist() == pytest.approx([0.5] * 3)  # d is 0: nothing is known
    none = head.rule(state_ND[:0])
    assert none.admitted_N is not None and len(none.admitted_N) == len(none.harm_N) == 0


def test_a_head_comes_back_and_a_fit_goes_on(tmp_path):
    state_ND, label_N = two_clouds(60)
    method = SDM(splits=2, epochs=3, filters=4)
    whole = SDMFit(method, state_ND, label_N, 0)
    for _ in range(4):
        whole.step()
    whole.save(tmp_path)
    again = SDMFit(method, state_ND, label_N, 0)
    again.restore(tmp_path)
    for fit in (whole, again):
        fit.run()
    before, after = whole.run().tensors(), again.run().tensors()
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    restored = method.restored(before)
    assert torch.equal(restored.rule(state_ND).harm_N, whole.run().rule(state_ND).harm_N)
    with pytest.raises(SteelyardError, match="holds no fit"):
        again.restore(tmp_path / "nowhere")


def test_one_class_teaches_nothing():
    with pytest.raises(SteelyardError, match="too little"):
        SDMFit(SDM(), torch.zeros(4, 2), torch.zeros(4, dtype=torch.int64), 0)
    with pytest.raises(SteelyardError, match="even odds"):
        SDMFit(SDM(level=0.4), torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]), 0)
