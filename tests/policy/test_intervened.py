"""A policy whose hidden states are changed on the way: what it says, which engines take it, and that it ends."""

from dataclasses import dataclass, replace

import pytest
import torch

from rollout.drawn import assert_same, requests_for, run, step_logp
from steelyard.core import Sampling, SteelyardError
from steelyard.decode import CNTP
from steelyard.model import MeanShift
from steelyard.policy import Policy, loading
from steelyard.rollout import CandidateEngine, NativeEngine, TransformersEngine, engine_for
from steelyard.rollout.reading import Cached, Whole, reading_for
from steelyard.unlearn.value_vectors import value_vectors

FAMILIES = ["llama", "qwen3", "gpt2", "gpt-neox"]
SAMPLING = Sampling(max_tokens=6)


@dataclass(frozen=True)
class Blind:
    """Prompts with token 9 lose the first half of their embeddings: a gate on the prompt, then a corruption."""

    def sites(self, num_layers):
        return ("embeddings",)

    def change(self, site, hidden_NTD, reads):
        gated_N = ((reads.tokens_NT == 9) & reads.prompt_NT).any(1)
        struck_NT = reads.prompt_NT & gated_N[:, None]
        return hidden_NTD.where(~struck_NT[..., None] | (torch.arange(hidden_NTD.shape[2]) >= 8), 0.0)


def shift(layer=0, where="completion", strength=3.0):
    states = torch.randn(4, 16, generator=torch.Generator().manual_seed(layer))
    return MeanShift(layer, strength, where).fit({f"layers.{layer}": states}, {f"layers.{layer}": states.flip(1)})


@dataclass(frozen=True)
class Stilled:
    """The first neurons of the last layer never call for their value vectors."""

    site: str = "layers.1.mlp.keys"

    def sites(self, num_layers):
        return (self.site,)

    def change(self, site, hidden_NTD, reads):
        return hidden_NTD.where(torch.arange(hidden_NTD.shape[2]) >= 12, 0.0)


@pytest.fixture(params=FAMILIES)
def policy(request, tiny_model_dir):
    return Policy.load(str(tiny_model_dir(request.param)))


@pytest.mark.parametrize(
    "intervention",
    [shift(), shift(1, "all"), Blind(), Stilled(), Stilled("layers.0.mlp.gate")],
    ids=["completion", "all", "prompt", "keys", "gate"],
)
def test_what_is_sampled_and_what_is_learned_are_changed_alike(policy, intervention):
    plain = run(TransformersEngine(policy, 0), requests_for(), SAMPLING)
    policy.intervene(intervention)
    found = run(engine_for(policy, 0), requests_for(), SAMPLING)
    differ = 0
    for key, trajectory in found.items():
        said = step_logp(policy, trajectory)[trajectory.action_T]
        torch.testing.assert_close(
            torch.tensor(said), torch.tensor(trajectory.logp_behaviour_T[trajectory.action_T]), atol=1e-4, rtol=0
        )
        differ += trajectory.tokens_T.tolist() != plain[key].tokens_T.tolist()
    assert differ >= 2
    policy.intervene(None)
    for key, trajectory in run(engine_for(policy, 0), requests_for(), SAMPLING).items():
        assert_same(trajectory, plain[key])


def test_only_prompts_that_the_gate_knows_are_changed(policy):
    plain = run(TransformersEngine(policy, 0), requests_for(), SAMPLING)
    policy.intervene(Blind())
    found = run(engine_for(policy, 0), requests_for(), SAMPLING)
    assert {key[0] for key, t in found.items() if t.tokens_T.tolist() != plain[key].tokens_T.tolist()} == {"b"}


def test_stilled_neurons_are_those_whose_value_vectors_are_zero(policy):
    rows = [TransformersEngine(policy, 0), requests_for(), SAMPLING]
    policy.intervene(Stilled())
    found = run(*rows)
    policy.intervene(None)
    value_vectors(policy, 1)[:12] = 0.0
    for key, trajectory in run(*rows).items():
        assert_same(trajectory, found[key])


def test_a_model_without_such_a_matrix_is_refused(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    with pytest.raises(SteelyardError, match=r"the model has no site 'layers.0.mlp.queries'; use embeddings, or"):
        policy.intervene(Stilled("layers.0.mlp.queries"))
    del policy.model.model.layers[0].mlp.gate_proj
    with pytest.raises(SteelyardError, match="the feed-forward part of layer 0 has no gate; take a model whose"):
        policy.intervene(Stilled("layers.0.mlp.gate"))


def test_with_a_cache_and_whole(policy):
    policy.intervene(shift(1))
    assert reading_for(policy) is Cached
    prompts = [(5, 14, 6), (9,)]
    token_N = torch.tensor([4, 15])
    with torch.inference_mode():
        rows = [kind(policy, prompts) for kind in (Cached, Whole)]
        first, again = (torch.stack((r.first(), r.advance(token_N))) for r in rows)
    torch.testing.assert_close(first, again, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_the_native_engine_refuses_what_it_would_ignore(tiny_model_dir, family):
    policy = Policy.load(str(tiny_model_dir(family)))
    engine = engine_for(policy, 0)
    assert isinstance(engine, NativeEngine)
    assert policy.shares_prompts
    policy.intervene(shift())
    assert not policy.shares_prompts
    match = "engine: an intervention or a forward hook changes the model's hidden states"
    with pytest.raises(SteelyardError, match=match):
        next(engine.generate(requests_for(), SAMPLING))
    with pytest.raises(SteelyardError, match=match):
        NativeEngine(policy, 0)
    assert isinstance(engine_for(policy, 0), TransformersEngine)


def test_somebodys_forward_hook_counts_in_every_engine(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    native = engine_for(policy, 0)
    plain = run(native, requests_for(), SAMPLING)
    hook = policy.model.model.layers[0].mlp.register_forward_hook(lambda module, args, output: output * 3)
    with pytest.raises(SteelyardError, match="forward hook"):
        next(native.generate(requests_for(), SAMPLING))
    found = run(engine_for(policy, 0), requests_for(), SAMPLING)
    assert sum(t.tokens_T.tolist() != plain[key].tokens_T.tolist() for key, t in found.items()) >= 2
    for trajectory in found.values():
        said = step_logp(policy, trajectory)[trajectory.action_T]
        assert said == pytest.approx(trajectory.logp_behaviour_T[trajectory.action_T], abs=1e-4)
    hook.remove()
    for key, trajectory in run(native, requests_for(), SAMPLING).items():
        assert_same(trajectory, plain[key])


def test_a_decode_rule_goes_with_an_intervention(tiny_model_dir):
    policy = Policy.load(str(tiny_model_dir("llama")))
    policy.intervene(shift())
    rule = CandidateEngine(policy, CNTP(n_max=1), 0)
    for key, trajectory in run(rule, requests_for(), SAMPLING).items():
        plain = run(engine_for(policy, 0), requests_for(), SAMPLING)[key]
        assert_same(trajectory, replace(plain, sampling=trajectory.sampling))


def test_our_own_decoder_and_transformers_have_the_same_sites(tiny_model_dir, by_transformers):
    policy = Policy.load(str(tiny_model_dir("qwen3")))
    other = by_transformers(policy)
    tokens_NT = torch.tensor([[5, 9, 14, 6]])
    plain = policy.next_logp(tokens_NT)
    for intervention in (Blind(), *map(_At, ("layers.1", "layers.0.attention", "layers.1.mlp"))):
        for one in (policy, other):
            one.intervene(intervention)
        torch.testing.assert_close(policy.next_logp(tokens_NT), other.next_logp(tokens_NT), atol=1e-4, rtol=1e-4)
        assert (policy.next_logp(tokens_NT) - plain).abs().max() > 0.1


@dataclass(frozen=True)
class _At:
    site: str

    def sites(self, num_layers):
        return (self.site,)

    def change(self, site, hidden_NTD, reads):
        return -2.0 * hidden_NTD


@pytest.mark.parametrize(
    "site", ["", "layers", "layers.2", "layers.-1", "layers.0.norm", "layers.0.mlp.x", "embedding"]
)
def test_a_site_that_is_not_there(tiny_model_dir, site):
    policy = Policy.load(str(tiny_model_dir("gpt2")))
    with pytest.raises(
        SteelyardError, match=r"intervention: the model has no site .* use embeddings, or layers.0 to layers.1"
    ):
        policy.intervene(_At(site))
    assert policy.intervention is None
    assert not policy.hooked


def test_what_would_go_wrong_silently_is_refused(tiny_model_dir):
    policy = Policy(*loading.load(str(tiny_model_dir("gpt2")), "float32"))
    policy.intervene(shift())
    tokens_NT = torch.tensor([[5, 9]])
    with pytest.raises(SteelyardError, match="nobody says where the prompts end"):
        policy.backbone(input_ids=tokens_NT)
    with pytest.raises(SteelyardError, match="the model was called past it"):
        policy.model(tokens_NT)

    @dataclass(frozen=True)
    class Wide(_At):
        def change(self, site, hidden_NTD, reads):
            return torch.cat([hidden_NTD, hidden_NTD], 2)

    policy.intervene(Wide("layers.0"))
    with pytest.raises(SteelyardError, match=r"layers.0 was \(1, 2, 16\) torch.float32 and became something else"):
        policy.next_logp(tokens_NT)


def test_saving_writes_the_weights_alone(tiny_model_dir, tmp_path):
    policy = Policy.load(str(tiny_model_dir("llama")))
    tokens_NT = torch.tensor([[5, 9, 4]])
    plain = policy.next_logp(tokens_NT)
    policy.intervene(shift(0, "all"))
    changed = policy.next_logp(tokens_NT)
    again = Policy.load(str(policy.save(tmp_path / "model")))
    assert torch.equal(again.next_logp(tokens_NT), plain)
    assert torch.equal(policy.next_logp(tokens_NT), changed)
    assert not torch.allclose(changed, plain, atol=0.1)
