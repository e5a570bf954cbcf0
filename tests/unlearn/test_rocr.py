"""ROCR: an edit by hand, what it leaves alone, and a name that is taken for another."""

import pytest
import torch

from steelyard.core import Prompt, SteelyardError
from steelyard.learner import demonstration
from steelyard.policy import Policy
from steelyard.unlearn import ROCR
from steelyard.unlearn.rocr import edit, moments, null_space, placed
from steelyard.unlearn.value_vectors import value_vectors

ONE = {"templates": ("{}",), "threshold": 1e9}


def kept(policy, *texts):
    return [demonstration(policy, Prompt(text, text), "1") for text in texts or ("1+2=", "3-2=")]


@pytest.fixture(params=["llama", "gpt2"])
def policy(request, tiny_model_dir):
    return Policy.load(str(tiny_model_dir(request.param)))


def double(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def test_an_edit_by_hand():
    # P = I, C = 0, k = (1, 0): [k k^T + I]^-1 k = (1/2, 0), so that half of the residual is written.
    none, key, residual = torch.zeros(2, 2).double(), double(1.0, 0.0), double(4.0)
    assert edit(torch.eye(2).double(), none, key, residual, 1.0).tolist() == [[2.0], [0.0]]
    # The first direction is text's, so k is read in the second alone: [P k k^T + I]^-1 P k = (0, 1/2).
    free = null_space(double([1.0, 0.0], [0.0, 0.001]), 0.02)
    assert free.tolist() == [[0.0, 0.0], [0.0, 1.0]]
    assert edit(free, none, double(1.0, 1.0), residual, 1.0).tolist() == [[0.0], [2.0]]


def test_without_a_penalty_it_writes_what_is_asked_as_rome_does():
    key, residual = double(2.0, 1.0), double(3.0, -1.0)
    update = edit(torch.eye(2).double(), torch.zeros(2, 2).double(), key, residual, 1e-9)
    assert (key @ update).tolist() == pytest.approx(residual.tolist(), abs=1e-6)


def test_what_was_written_before_is_left_by_a_later_edit():
    earlier = double(1.0, 0.0)
    written = torch.outer(earlier, earlier) * 1e6
    update = edit(torch.eye(2).double(), written, double(1.0, 1.0), double(2.0), 1e-6)
    assert abs(float(earlier @ update)) < 1e-5
    assert float(double(1.0, 1.0) @ update) == pytest.approx(2.0, abs=1e-3)


def test_a_name_is_taken_for_another(policy):
    edits = ROCR(layers=(0,), penalty=1e-9, **ONE).begin(policy, kept(policy))
    told = edits.redirect("12", "34")
    assert told["rocr/apart_before"] > 0.1
    assert told["rocr/apart"] < 1e-3 * told["rocr/apart_before"]
    _, first_D = edits.read("12")
    second = edits.redirect("56", "34")
    assert second["rocr/apart_before"] > 0.1
    _, kept_D = edits.read("12")
    assert float((first_D - kept_D).norm()) < 1e-3 * told["rocr/apart_before"]


def test_two_layers_share_the_way(policy):
    edits = ROCR(layers=(0, 1), penalty=1e-9, **ONE).begin(policy, kept(policy))
    told = edits.redirect("12", "34")
    assert told["rocr/apart"] < 0.2 * told["rocr/apart_before"]


def test_keys_of_kept_text_are_called_for_as_before(policy):
    rows = kept(policy, "1+2=", "4+4=", "5-3=")
    before = value_vectors(policy, 0).clone()
    found = ROCR(layers=(0,), penalty=1e-9, threshold=1e-6, templates=("{}",))
    edits = found.begin(policy, rows)
    moment = moments(policy, rows, [0])[0]
    edits.redirect("78", "34")
    update = (value_vectors(policy, 0) - before).double()
    assert float(update.norm()) > 0.01
    # E |k U|^2 over kept text, beside what an update of that size would do to an average key.
    assert float((update.T @ moment @ update).trace()) < 1e-3 * float(moment.trace() * update.square().mean())


def test_where_a_name_stands(policy):
    row, at = placed(policy, "a {} 12 b", "12")
    text = policy.tokenizer.decode(row.tokens_T[: at + 1].tolist())
    assert text.endswith("a 12")
    row, at = placed(policy, "12 {} b", "12")
    assert policy.tokenizer.decode(row.tokens_T[: at + 1].tolist()).endswith("12 12")


def test_a_chat_is_a_user_s_message(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("qwen3")))
    row, at = placed(policy, "ab {}", "12", chat=True)
    assert policy.tokenizer.decode(row.tokens_T.tolist()).endswith(":ab 12#a:")
    assert policy.tokenizer.decode(row.tokens_T[: at + 1].tolist()).endswith("ab 12")


@pytest.mark.parametrize(("layers", "chosen"), [((), (0,)), ((1,), (1,))])
def test_the_layers_that_are_edited(policy, layers, chosen):
    assert ROCR(layers=layers).layers_of(policy) == chosen


@pytest.mark.parametrize(("made", "said"), [
    ({"layers": (0, 2)}, r"rocr.layers: is \(0, 2\); name layers that follow each other"),
    ({"templates": ("ab",)}, "rocr.templates: 'ab' has not one {}"),
    ({"penalty": 0.0}, "penalty: is 0.0"),
])  # fmt: skip
def test_wrong_settings(made, said):
    with pytest.raises(SteelyardError, match=said):
        ROCR(**made)


def test_what_is_wrong_is_said(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    with pytest.raises(SteelyardError, match="--layers: is 2, and the model has 2 layers; name some of 0 to 1"):
        ROCR(layers=(2,)).begin(policy, kept(policy))
    with pytest.raises(SteelyardError, match="rocr: there is nothing to keep"):
        ROCR(layers=(0,)).begin(policy, [])
    with pytest.raises(SteelyardError, match="--threshold: text to be kept leaves no direction of layer 0 free"):
        many = kept(policy, *(f"{a}{b}+{b}{a}=" for a in range(5) for b in range(5)))
        ROCR(layers=(0,), threshold=1e-30).begin(policy, many)
    with pytest.raises(SteelyardError, match=r"'xyz' is not found in '\{\}' as the model reads it"):
        ROCR(layers=(0,), **ONE).begin(policy, kept(policy)).redirect("xyz", "12")
