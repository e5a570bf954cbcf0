import pytest
import torch

from steelyard.core import Prompt, SteelyardError
from steelyard.core.auc import auc
from steelyard.learner import Adam, Learner, demonstration
from steelyard.objective import SFT
from steelyard.policy import LoRA, Policy
from steelyard.policy.likelihood import num_actions, total_logp
from steelyard.pretrain.federation import Exposure, Federation, Passes, factor_of, put, taken
from steelyard.pretrain.fedrand import FedAvg, FedRand

TEXTS = [[("1+1=", "2"), ("2+1=", "3")], [("3+1=", "4")], [("4+1=", "5"), ("5+1=", "6"), ("6+1=", "7")]]


@pytest.fixture
def made(tiny_model_dir):
    """A federation of three clients, of two, one and three rows."""

    def make(sharing, *, rounds=2, texts=TEXTS, lora=True, epochs=1, rate=1e-2):
        policy = Policy.load(str(tiny_model_dir("llama")), lora=LoRA(rank=2) if lora else None)
        learner = Learner(policy, SFT(), Adam(), learning_rate=rate)
        return Federation(learner, sharing, [rows_of(policy, own) for own in texts], Passes(epochs, 2, 0), rounds)

    return make


def rows_of(policy, texts):
    return [demonstration(policy, Prompt(text, text), said) for text, said in texts]


def split(adapters):
    return {f: {n: x for n, x in adapters.items() if factor_of(n) == f} for f in ("A", "B")}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_client_draws_one_factor_by_chance_and_anew():
    drawn = [FedRand(share_a=0.25).drawn(client, turn, 0) for client in range(40) for turn in range(50)]
    assert {*drawn} == {("A",), ("B",)}
    assert drawn.count(("A",)) / len(drawn) == pytest.approx(0.25, abs=0.03)
    assert len({tuple(drawn[i : i + 50]) for i in range(0, 2000, 50)}) == 40
    assert FedRand(share_a=1.0).drawn(0, 0, 0) == ("A",)
    assert FedRand(share_a=0.0).drawn(0, 0, 0) == ("B",)


def test_the_average_by_hand(made):
    # Clients of 2, 1 and 3 rows: the first and the last upload A, so (2 A_0 + 3 A_2) / 5; B is client 1's alone.
    federation = made(FedRand())
    name_a = next(n for n in federation.server if factor_of(n) == "A")
    name_b = next(n for n in federation.server if factor_of(n) == "B")
    ones = torch.ones_like(federation.server[name_a])
    federation._uploads = {
        0: {name_a: ones},
        1: {name_b: torch.ones_like(federation.server[name_b])},
        2: {name_a: 6 * ones},
    }
    other = {n: x.clone() for n, x in federation.server.items() if n not in (name_a, name_b)}
    federation._average()
    assert torch.allclose(federation.server[name_a], 4 * ones)
    assert (federation.server[name_b] == 1).all()
    assert same({n: federation.server[n] for n in other}, other), "what nobody uploaded stays"


def test_what_is_drawn_comes_from_the_server_and_the_rest_is_the_client_s_own(made, monkeypatch):
    federation = made(FedRand(), rounds=4)
    begins = []
    monkeypatch.setattr(
        federation, "_trained", lambda client, turn: begins.append(taken(federation.learner.policy)) or {}
    )
    for step in range(federation.num_steps):
        turn, client = divmod(step, 3)
        before = {n: x + 1 for n, x in federation.server.items()}
        federation.server = dict(before)
        own = {n: x + 100 + client for n, x in federation.own[client].items()}
        federation.own[client] = own
        (shared,) = FedRand().drawn(client, turn, 0)
        federation.step()
        private = "B" if shared == "A" else "A"
        begun = split(begins[-1])
        assert same(begun[shared], split(before)[shared])
        assert same(begun[private], split(own)[private])
        # The server has the upload, and beside it what it held itself: never the client's own factor.
        assert same(split(federation.rebuilt[client])[private], split(before)[private])


def test_sharing_both_with_one_client_is_plain_fine_tuning(made):
    texts = [[row for own in TEXTS for row in own]]
    federation = made(FedAvg(), texts=texts, rounds=3)
    start = dict(federation.server)
    for _ in range(3):
        federation.step()
    alone = made(FedAvg(), texts=texts)
    put(alone.learner.policy, start)
    for turn in range(3):
        alone.learner.optimizer.state.clear()
        alone._trained(0, turn)
    assert all(torch.allclose(federation.server[n], x) for n, x in taken(alone.learner.policy).items())
    assert same(federation.rebuilt[0], federation.own[0]), "a server that is told all rebuilds the client"
    assert federation.uploaded == 3 * sum(x.numel() for x in start.values())


def test_the_attack_by_hand(made):
    federation = made(FedRand())
    others = rows_of(federation.learner.policy, [("7+1=", "8"), ("8+1=", "9")])
    assert Exposure.of(federation, others) is None
    for _ in range(3):
        federation.step()
    found = Exposure.of(federation, others)
    assert found is not None
    assert same(taken(federation.learner.policy), federation.server), "afterwards the policy is the server's"
    expected = []
    for rows, guess in zip(federation.clients, federation.rebuilt, strict=True):
        assert guess is not None
        put(federation.learner.policy, guess)
        expected.append(auc(*(total_logp(federation.learner.policy, p) / num_actions(p) for p in (rows, others))))
    assert found.rebuilt == pytest.approx(sum(expected) / 3)


def test_it_goes_on_bit_for_bit(made, tmp_path):
    whole = made(FedRand(), rounds=3)
    for _ in range(4):
        whole.step()
    whole.save(tmp_path)
    metrics = [whole.step() for _ in range(5)]
    again = made(FedRand(), rounds=3)
    again.restore(tmp_path)
    assert [again.step() for _ in range(5)] == metrics
    assert same(again.server, whole.server)
    assert all(same(a, b) for a, b in zip(again.rebuilt, whole.rebuilt, strict=True))
    assert again.uploaded == whole.uploaded


def test_what_it_refuses(made, tmp_path):
    with pytest.raises(SteelyardError, match=r"--lora-rank: trains other weights than adapters"):
        made(FedRand(), lora=False)
    with pytest.raises(SteelyardError, match="a client has no rows"):
        made(FedRand(), texts=[*TEXTS, []])
    with pytest.raises(SteelyardError, match="holds no federation"):
        made(FedRand()).restore(tmp_path)
    federation = made(FedRand())
    federation.step()
    federation.save(tmp_path)
    with pytest.raises(SteelyardError, match="other clients"):
        made(FedRand(), texts=[*TEXTS, TEXTS[0]]).restore(tmp_path)
    with pytest.raises(SteelyardError, match=r"is 2.0; use 0 to 1"):
        FedRand(share_a=2.0)
