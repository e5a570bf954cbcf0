import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from restored import check_goes_on
from searched import DOMAINS, found, prompts

from steelyard.core import Curriculum, Prompt, SteelyardError, decode, encode
from steelyard.curriculum import SkillIt

CHAIN = ("0:10", "10:20")


def opened(seed=0, probes=(), **settings):
    return SkillIt(**settings).open(prompts(), seed, probes)


def softmax(scores):
    weights = np.exp(np.array(scores))
    return pytest.approx(weights / weights.sum())


def told(draws, losses):
    """Tell it the loss of every domain, and begin the next round."""
    for domain, loss in enumerate(losses):
        draws.observe(found(domain, [1 - loss]))
    draws.draw(0)


def test_weights_by_hand():
    """A chain 0 -> 10 -> 20 with edges of .5. Losses of 0, .5 and 1, then of 0, 0 and .5."""
    draws = opened(eta=2.0, edges=CHAIN, round_size=1)
    assert isinstance(draws, Curriculum)
    assert draws.weights() == softmax([2 * 1.5, 2 * 1.5, 2 * 1.0]), "before the first round all losses are 1"
    draws.draw(1)
    told(draws, [0.0, 0.5, 1.0])
    assert draws.weights() == softmax([2 * 0.5 * 0.5, 2 * (0.5 + 0.5 * 1.0), 2 * 1.0])
    draws.draw(1)
    told(draws, [0.0, 0.0, 0.5])
    assert draws.weights() == softmax([2 * 0.5 * 0.5, 2 * (0.5 + 0.5 * 1.5), 2 * 1.5]), "summed over both rounds"


def test_a_loss_is_one_less_the_mean_reward_over_prompts_each_over_its_own_samples():
    draws = opened(eta=1.0, round_size=1)
    draws.draw(1)
    draws.observe(found(0, [1.0, 0.0, 0.0, 0.0]))
    draws.observe(found(3, [1.0]))
    draws.observe(found(1, [None, 0.5]))
    draws.observe(found(2, [None, float("nan")]))
    draws.draw(0)
    assert draws.weights() == softmax([1 - (0.25 + 1.0) / 2, 0.5, 1.0]), "without a reward the loss stays 1"


def test_the_window_forgets_and_an_unmeasured_skill_keeps_its_loss():
    draws = opened(eta=1.0, window=2, round_size=1)
    for losses in ([1.0, 1.0, 1.0], [0.5, 0.0, 0.25]):
        draws.draw(1)
        told(draws, losses)
    draws.draw(1)
    draws.observe(found(0, [0.9]))
    draws.draw(0)
    assert draws.weights() == softmax([0.5 + 0.1, 0.0, 0.25 * 2])


def test_with_equal_losses_and_rows_of_one_sum_it_is_stratified_and_so_it_is_at_eta_0():
    cycle = ("0:10", "10:20", "20:0")
    draws = opened(eta=3.0, edges=cycle, round_size=1)
    draws.draw(1)
    told(draws, [0.4, 0.4, 0.4])
    assert draws.weights() == pytest.approx([1 / 3] * 3)
    flat = opened(eta=0.0, edges=CHAIN, round_size=1)
    flat.draw(1)
    told(flat, [0.0, 0.5, 1.0])
    assert flat.weights() == pytest.approx([1 / 3] * 3)
    counts = np.bincount([i % DOMAINS for i in flat.draw(3000)])
    assert counts == pytest.approx([1000] * 3, abs=100)


def test_targets_count_alone():
    """To learn 20, skill 10 helps by .5; 0 does not."""
    draws = opened(eta=1.0, edges=CHAIN, targets=(20,))
    assert draws.weights() == softmax([0.0, 0.5, 1.0])


def test_a_round_has_so_many_prompts_and_without_news_the_weights_stay():
    draws = opened(eta=1.0, round_size=4)
    before = draws.weights()
    draws.draw(3)
    draws.observe(found(0, [1.0]))
    assert not draws.begins_round
    draws.draw(1)
    assert draws.begins_round
    assert draws.weights() == pytest.approx(before)
    draws.draw(1)
    assert draws.weights()[0] < before[0]
    after = draws.weights()
    draws.draw(8)
    draws.draw(8)
    assert draws.weights() == pytest.approx(after)


def test_probes_are_told_of_and_never_drawn():
    probe = Prompt("held", "held", {"domain": 10})
    draws = opened(eta=1.0, round_size=1, probes=[probe])
    draws.draw(1)
    draws.observe([t.replace(prompt_id="held") for t in found(0, [0.75])])
    assert max(draws.draw(200)) < len(prompts())
    assert draws.weights() == softmax([1.0, 0.25, 1.0])
    with pytest.raises(SteelyardError, match="no prompt has its domain, 30"):
        opened(probes=[Prompt("far", "far", {"domain": 30})])


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 9))
def test_a_restored_one_goes_on_bit_for_bit(sizes, seed):
    settings = {"window": 2, "round_size": 4, "edges": CHAIN}
    check_goes_on(lambda: opened(seed, **settings), sizes, lambda i: [i / 7, 0.1, (i * i) % 5 / 3])


def test_settings_survive_json():
    method = SkillIt(edges=("0:1", "1:2:0.25"), targets=(2,), window=5)
    assert decode(msgspec.json.decode(msgspec.json.encode(encode(method)))) == method


def test_wrong_input_is_refused():
    for wrong in (
        {"eta": -1.0}, {"window": 0}, {"round_size": 0}, {"edges": ("0-1",)}, {"edges": ("0:1:x",)},
        {"edge_weight": 0.0},
    ):  # fmt: skip
        with pytest.raises(SteelyardError, match="skill-it"):
            SkillIt(**wrong)
    with pytest.raises(SteelyardError, match=r"skill-it.targets: no prompt has domain 7; name some of 0, 10, 20"):
        opened(targets=(7,))
    with pytest.raises(SteelyardError, match="no prompts"):
        SkillIt().open([], 0)
    with pytest.raises(SteelyardError, match="no column domain"):
        SkillIt().open([Prompt("a", "a")], 0)
    for change in ({"told": [1]}, {"losses": [[1.0]]}, {"walked": [0]}, {"position": "1"}, {"more": 1}):
        with pytest.raises(SteelyardError, match="curriculum state"):
            opened().restore({**opened().state(), **change})
