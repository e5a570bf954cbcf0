import pytest
import torch

from steelyard.rollout.network import Network, Shared, _to_prompts, _to_rows

PROMPTS = [(5, 14, 6, 16), (9,), (4, 4, 15, 7, 7, 16, 20)]


def _padded(prompts):
    width = max(map(len, prompts))
    tokens = torch.tensor([(3,) * (width - len(p)) + p for p in prompts])
    attend = torch.tensor([[False] * (width - len(p)) + [True] * len(p) for p in prompts])
    return tokens, attend


def _logits(llama, tokens):
    hidden = llama.backbone(input_ids=torch.tensor([tokens]))[0]
    return llama.head(hidden)[0, -1]


@torch.no_grad()
def test_reading_gives_the_logits_of_the_model(network, llama):
    logits_NV, _ = network.read(*_padded(PROMPTS))
    for logits_V, prompt in zip(logits_NV, PROMPTS, strict=True):
        torch.testing.assert_close(logits_V, _logits(llama, prompt), atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("width", [1, 3, 20])
def test_a_step_after_reading_gives_what_reading_all_gives(network, llama, width):
    """Columns in blocks of any width; two tokens more."""
    tokens, attend = _padded(PROMPTS)
    _, made = network.read(tokens, attend)
    held = torch.cat([made, network.blank(3, 2)], 4)
    bias = torch.where(torch.nn.functional.pad(attend, (0, 2), value=True), 0.0, -torch.inf)
    rows = [list(prompt) for prompt in PROMPTS]
    for column, new in ((7, [8, 12, 21]), (8, [7, 7, 9])):
        window = [*held[..., : column + 1, :].split(width, 4)]
        positions = torch.tensor([len(row) for row in rows])
        logits = network.step(torch.tensor(new), positions, window, bias[:, : column + 1], None)
        for row, token, logits_V in zip(rows, new, logits, strict=True):
            row.append(token)
            torch.testing.assert_close(logits_V, _logits(llama, row), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_shared_prompt_is_as_good_as_ones_own(network, llama):
    """Four rows of two prompts, one of them padded; the rows of the prompts lie mixed."""
    prompts = [PROMPTS[0], PROMPTS[1]]
    tokens, attend = _padded(prompts)
    _, made = network.read(tokens, attend)
    bias = torch.where(attend, 0.0, -torch.inf)
    # Rows 0, 2 and 3 have the first prompt, row 1 the second.
    shared = Shared(made, bias, torch.tensor([[0, 2, 3], [1, 0, 0]]), torch.tensor([0, 3, 1, 2]))
    own, new = network.blank(4, 1), [8, 12, 21, 8]
    positions = torch.tensor([4, 1, 4, 4])
    logits = network.step(torch.tensor(new), positions, [own], None, shared)
    for logits_V, prompt, token in zip(logits, (0, 1, 0, 0), new, strict=True):
        expected_V = _logits(llama, [*prompts[prompt], token])
        torch.testing.assert_close(logits_V, expected_V, atol=1e-4, rtol=1e-4)
    assert torch.equal(logits[0], logits[3])


def test_rows_come_back_from_their_prompts():
    rows_NHRX = torch.arange(4 * 2 * 3 * 5.0).reshape(4, 2, 3, 5)
    rows_UG, place_N = torch.tensor([[0, 2, 3], [1, 0, 0]]), torch.tensor([0, 3, 1, 2])
    shared = Shared(torch.empty(1, 2, 2, 2, 0, 5), None, rows_UG, place_N)
    prompts = _to_prompts(rows_NHRX, shared)
    assert prompts.shape == (2, 2, 9, 5)
    assert torch.equal(prompts[0, 1, 3:6], rows_NHRX[2, 1])
    assert torch.equal(_to_rows(prompts, shared, 3), rows_NHRX)


@torch.no_grad()
def test_it_copies_all_that_it_keeps(network, llama):
    before, _ = network.read(*_padded(PROMPTS))
    for p in llama.model.parameters():
        p.zero_()
    after, _ = network.read(*_padded(PROMPTS))
    assert torch.equal(before, after)
    network.take(llama.plain_weights())
    assert not network.read(*_padded(PROMPTS))[0].any()


@torch.no_grad()
def test_parts_whose_weights_are_the_same_are_kept(network, llama):
    outer, layers = network.outer, [*network.layers]
    weights = {name: weight.clone() for name, weight in llama.plain_weights().items()}
    weights["model.layers.1.mlp.down_proj.weight"].zero_()
    network.take(weights, weights.keys() - {"model.layers.1.mlp.down_proj.weight"})
    assert network.outer is outer
    assert network.layers[0] is layers[0]
    assert network.layers[1] is not layers[1]
    fresh = Network(llama.architecture, llama.device, llama.dtype)
    fresh.reserve(64)
    fresh.take(weights)
    assert torch.equal(network.read(*_padded(PROMPTS))[0], fresh.read(*_padded(PROMPTS))[0])


def test_more_positions_leave_the_first_ones(network):
    turns = network.turns.clone()
    network.reserve(10)
    assert network.turns.shape == (1, 64, 2)
    network.reserve(100)
    assert torch.equal(network.turns[:, :64], turns)
    assert network.turns.shape == (1, 100, 2)
