import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from steelyard.core import (
    FaultError,
    Request,
    Sampling,
    Schedule,
    SteelyardError,
    Trajectory,
    WarmupStableDecay,
    Weights,
)
from steelyard.learner import Adam, Learner
from steelyard.learner.optimizer import memory
from steelyard.learner.saved import lacks_masters
from steelyard.objective import LearnedZTB, Objective, Reinforce, ReinforceEMA, VarGradTB
from steelyard.policy import LoRA, Policy
from steelyard.policy.reference import reference_logp
from steelyard.rollout import engine_for

Groups = list[list[Trajectory]]
Make = Callable[..., Learner]
TENSORS, FACTS = "learner.safetensors", "learner.json"

CASES: dict[str, dict[str, Any]] = {
    "full": {},
    "lora": {"lora": LoRA(rank=2)},
    "lora with dropout": {"lora": LoRA(rank=2, dropout=0.5)},
    "lora of a tied embedding": {"family": "qwen3", "lora": LoRA(rank=2, targets="embed_tokens,q_proj", dropout=0.1)},
    "lora of a tied head": {"family": "qwen3", "lora": LoRA(rank=2, targets="lm_head,v_proj")},
    "learned log Z": {"objective": LearnedZTB(beta=0.5)},
    "learned log Z, lora": {"objective": LearnedZTB(beta=0.5), "lora": LoRA(rank=2)},
    "moved reference": {"reference_reset": 2},
    "moved reference, lora": {"reference_reset": 2, "lora": LoRA(rank=2)},
    "bfloat16": {"dtype": "bfloat16"},
    "bfloat16, lora": {"dtype": "bfloat16", "lora": LoRA(rank=2)},
    "schedules": {
        "optimizer": Adam(weight_decay=0.1, schedule=WarmupStableDecay(warmup=2, stable=1, decay=3)),
        "schedules": {"beta": Schedule(0.4, 0.1, 4)},
    },
    "state": {"objective": ReinforceEMA(beta=0.1, decay=0.7), "schedules": {"decay": Schedule(0.7, 0.3, 4, "cosine")}},
}


@pytest.fixture
def make(tiny_model_dir: Callable[[str], Path]) -> Make:
    def make(family: str = "llama", dtype: str = "float32", lora: LoRA | None = None, **settings: Any) -> Learner:
        policy = Policy.load(str(tiny_model_dir(family)), dtype=dtype, lora=lora)
        options = {"learning_rate": 1e-2} | settings
        objective, optimizer = options.pop("objective", VarGradTB(beta=0.1)), options.pop("optimizer", Adam())
        return Learner(policy, objective, optimizer, **options)

    return make


@pytest.fixture
def groups(make: Make) -> Groups:
    """The same data for every learner; its reference log-probabilities are those of the float32 model."""
    policy = make().policy
    requests = [Request(p, tuple(policy.encode(p)), s) for p in ("1+2=", "7-5=") for s in range(4)]
    found = list(engine_for(policy, 0).generate(requests, Sampling(max_tokens=6)))
    found = reference_logp(policy, Weights.of(policy.weights(), 0), found, 1.0)
    rewarded = [t.replace(reward=float(t.tokens_T.sum() % 3)) for t in found]
    return [[t for t in rewarded if t.prompt_id == p] for p in ("1+2=", "7-5=")]


def run(learner: Learner, groups: Groups, steps: int) -> list[dict[str, Any]]:
    """Steps on data that differs from step to step, by rewards that depend on the step alone."""
    rows = []
    for _ in range(steps):
        at = learner.steps
        changed = [[t.replace(reward=float((t.tokens_T.sum() + at * i) % 5)) for i, t in enumerate(g)] for g in groups]
        rows.append(learner.step(changed))
    return rows


def bits(learner: Learner) -> dict[str, bytes]:
    """Everything that decides the next step."""
    masters = {f"master.{name}": master for name, master in learner.masters.copies.items()}
    tensors = learner._named | masters | memory(learner.optimizer, learner.masters.named)
    found = {name: t.detach().contiguous().view(-1).view(torch.uint8).numpy().tobytes() for name, t in tensors.items()}
    kinds = {name: f"{t.dtype} {t.shape}".encode() for name, t in tensors.items()}
    return (
        found
        | {f"kind of {name}": kind for name, kind in kinds.items()}
        | {"reference": learner.reference.data, "state": np.frombuffer(repr(learner.state).encode(), np.uint8)}
    )


def named(learner: Learner) -> tuple[int, int, int, str]:
    return learner.steps, learner.version, learner.reference.version, learner.reference.digest


@pytest.mark.parametrize("case", CASES)
def test_a_restored_learner_goes_on_bit_for_bit(make: Make, groups: Groups, tmp_path: Path, case: str) -> None:
    settings = CASES[case]
    whole = make(**settings)
    expected = run(whole, groups, 6)
    first = make(**settings)
    rows = run(first, groups, 3)
    first.save(tmp_path)
    before = bits(first)
    second = make(**settings)
    second.restore(tmp_path)
    assert bits(second).keys() == before.keys()
    assert all(np.array_equal(bits(second)[name], before[name]) for name in before)
    assert named(second) == named(first)
    rows += run(second, groups, 3)
    assert rows == expected
    assert named(second) == named(whole)
    assert all(np.array_equal(a, b) for a, b in zip(bits(second).values(), bits(whole).values(), strict=True))


def test_what_is_saved_is_restored_before_the_first_step_and_after_it(
    make: Make, groups: Groups, tmp_path: Path
) -> None:
    """A parameter without a gradient has no memory: none is made up for it."""
    fresh = make(objective=LearnedZTB(beta=0.5))
    fresh.save(tmp_path)
    assert not any(name.startswith("adam.") for name in load_file(tmp_path / TENSORS))
    other = make(objective=LearnedZTB(beta=0.5))
    other.restore(tmp_path)
    assert run(other, groups, 2) == run(fresh, groups, 2)


@pytest.mark.parametrize("settings", [{}, {"reference_reset": 2}], ids=["reference at the start", "later reference"])
def test_large_weights_that_an_earlier_release_saved_are_resumed(
    make: Make, groups: Groups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    """Their digests were made in one go; those of today are made of pieces."""
    first = make(**settings)
    run(first, groups, 3)
    first.save(tmp_path)
    monkeypatch.setattr("steelyard.core.weights.PIECE", 1000)
    second = make(**settings)
    assert second.reference.digest != first.reference.digest
    second.restore(tmp_path)
    assert all(np.array_equal(bits(second)[name], bits(first)[name]) for name in bits(first))
    assert run(second, groups, 2) == run(first, groups, 2)
    facts = json.loads((tmp_path / "learner.json").read_text())
    (tmp_path / "learner.json").write_text(json.dumps(facts | {"digest": "0" * 16}))
    with pytest.raises(SteelyardError, match="weights with digest"):
        make(**settings).restore(tmp_path)


def test_saving_changes_nothing(make: Make, groups: Groups, tmp_path: Path) -> None:
    saved, plain = make(reference_reset=2), make(reference_reset=2)
    rows = []
    for _ in range(4):
        rows += run(saved, groups, 1)
        saved.save(tmp_path)
    assert rows == run(plain, groups, 4)


FRESH = """
import json, sys
from pathlib import Path
import torch
from steelyard.core import from_bytes
from steelyard.learner import Adam, Learner
from steelyard.objective import LearnedZTB
from steelyard.policy import Policy
torch.set_num_threads(int(sys.argv[3]))
model, directory = sys.argv[1], Path(sys.argv[2])
learner = Learner(Policy.load(model), LearnedZTB(beta=0.5), Adam(), learning_rate=1e-2, reference_reset=2)
learner.restore(directory)
data = (directory / "data").read_bytes()
groups, at = [], 0
for group in json.loads((directory / "cuts.json").read_text()):
    groups.append([])
    for size in group:
        groups[-1].append(from_bytes(data[at : at + size]))
        at += size
learner.step(groups)
(directory / "again").mkdir()
learner.save(directory / "again")
"""


def test_a_fresh_process_makes_the_same_next_step(
    make: Make, groups: Groups, tmp_path: Path, tiny_model_dir: Callable[[str], Path]
) -> None:
    from steelyard.core import to_bytes

    learner = make(objective=LearnedZTB(beta=0.5), reference_reset=2)
    run(learner, groups, 3)
    learner.save(tmp_path)
    data = [[to_bytes(t) for t in group] for group in groups]
    (tmp_path / "data").write_bytes(b"".join(t for group in data for t in group))
    (tmp_path / "cuts.json").write_text(json.dumps([[len(t) for t in group] for group in data]))
    arguments = [str(tiny_model_dir("llama")), str(tmp_path), str(torch.get_num_threads())]
    subprocess.run([sys.executable, "-c", FRESH, *arguments], check=True, timeout=200)
    learner.step(groups)
    (tmp_path / "here").mkdir()
    learner.save(tmp_path / "here")
    for name in (TENSORS, FACTS):
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


# Master weights


def test_low_precision_weights_are_trained_by_float32_masters(make: Make, groups: Groups) -> None:
    """At a rate of 1e-6 one step moves every master, and hardly any bfloat16 weight; the masters are not lost."""
    learner = make(dtype="bfloat16", learning_rate=1e-6)
    before = {name: p.clone() for name, p in learner.masters.copies.items()}
    run(learner, groups, 2)
    moved = sum(int((p != before[name]).sum()) for name, p in learner.masters.copies.items())
    reached = sum(p.numel() for p in learner.masters.copies.values() if p.grad is not None)
    assert moved > 0.9 * reached > 0
    for name, p in learner.policy.trainable().items():
        assert p.dtype == torch.bfloat16
        assert torch.equal(p, learner.masters.copies[f"policy.{name}"].bfloat16())
    assert {t.dtype for t in memory(learner.optimizer, learner.masters.named).values()} == {torch.float32}


def test_adapters_and_heads_have_32_bits_and_no_copies(make: Make) -> None:
    assert make(dtype="bfloat16", lora=LoRA(rank=2)).masters.copies == {}
    copies = make(dtype="bfloat16", objective=LearnedZTB(beta=0.5)).masters.copies
    assert copies
    assert not any(name.startswith("head.") for name in copies)


def test_a_checkpoint_without_masters_takes_the_weights_for_them(make: Make, groups: Groups, tmp_path: Path) -> None:
    """As earlier releases wrote it: weights and Adam's means in bfloat16."""
    learner = make(dtype="bfloat16")
    run(learner, groups, 2)
    learner.save(tmp_path)
    assert not lacks_masters(tmp_path)
    tensors = load_file(tmp_path / TENSORS)
    old = {name: t for name, t in tensors.items() if not name.startswith("master.")}
    coarse = {name: t.bfloat16() for name, t in old.items() if name.startswith("adam.exp_avg") and t.dim()}
    save_file(old | coarse, tmp_path / TENSORS)
    assert lacks_masters(tmp_path)
    other = make(dtype="bfloat16")
    other.restore(tmp_path)
    for name, master in other.masters.copies.items():
        assert torch.equal(master, tensors[name].float())
        assert torch.equal(other.optimizer.state[master]["exp_avg"], coarse[f"adam.exp_avg.{name}"].float())
    run(other, groups, 1)


def test_a_master_that_is_not_its_weight_is_refused(make: Make, groups: Groups, tmp_path: Path) -> None:
    learner = make(dtype="bfloat16")
    run(learner, groups, 1)
    learner.save(tmp_path)
    rewrite(lambda t: t[f"master.{A}"].view(-1)[0].add_(1))(tmp_path)
    refused(make(dtype="bfloat16"), tmp_path, f"master.{A} does not round to its weight")
    rewrite(lambda t: t.pop(f"master.{A}"))(tmp_path)
    refused(make(dtype="bfloat16"), tmp_path, f"master.{A} is absent here")


# Steps and versions


def test_steps_and_version_part_where_a_run_must_not_name_weights_twice(
    make: Make, groups: Groups, tmp_path: Path
) -> None:
    settings = {
        "reference_reset": 2,
        "schedules": {"beta": Schedule(0.4, 0.1, 6)},
        "optimizer": Adam(schedule=WarmupStableDecay(warmup=60)),
    }
    first = make(**settings)
    run(first, groups, 3)
    first.save(tmp_path)
    second = make(**settings)
    second.restore(tmp_path, version=40)
    assert (second.steps, second.version, second.reference.version) == (3, 40, 2)
    [there], [here] = run(second, groups, 1), run(first, groups, 1)
    assert named(second)[:3] == (4, 41, 41), "the reference is reset by steps and named by version"
    assert there["batch/staleness"] == {"40": 8}
    assert here["batch/staleness"] == {"3": 8}
    for name in ("learner/learning_rate", "learner/beta", "learner/loss", "learner/grad_norm"):
        assert there[name] == here[name], "schedules go by steps"
    assert np.array_equal(first.policy.weights(), second.policy.weights())


def test_the_starting_reference_is_named_but_not_stored(make: Make, groups: Groups, tmp_path: Path) -> None:
    learner = make(reference_reset=3)
    run(learner, groups, 2)
    learner.save(tmp_path)
    assert "reference" not in load_file(tmp_path / TENSORS)
    assert json.loads((tmp_path / FACTS).read_text())["reference_version"] == 0
    run(learner, groups, 1)
    learner.save(tmp_path)
    assert load_file(tmp_path / TENSORS)["reference"].numpy().tobytes() == learner.reference.data.tobytes()
    assert json.loads((tmp_path / FACTS).read_text())["reference_version"] == 3


# What does not fit


@pytest.fixture
def saved(make: Make, groups: Groups, tmp_path: Path) -> Path:
    learner = make(reference_reset=2)
    run(learner, groups, 3)
    learner.save(tmp_path)
    return tmp_path


def refused(learner: Learner, directory: Path, says: str) -> None:
    """One line, and the learner as it was."""
    before, names = bits(learner), named(learner)
    with pytest.raises(SteelyardError, match=says) as found:
        learner.restore(directory)
    assert "\n" not in str(found.value)
    assert found.value.exit_code == 2
    assert named(learner) == names
    assert all(np.array_equal(bits(learner)[name], before[name]) for name in before)


def test_another_model_has_changed_since_the_run_began(make: Make, saved: Path) -> None:
    refused(make("gpt2"), saved, "the model has changed since the run began")
    refused(make(lora=LoRA(rank=2)), saved, "the model has changed")
    refused(make(dtype="bfloat16"), saved, "the model has changed")
    changed = make()
    with torch.no_grad():
        next(iter(changed.policy.trainable().values())).view(-1)[0].mul_(2)
    again = Learner(changed.policy, VarGradTB(beta=0.1), Adam(), learning_rate=1e-2)
    refused(again, saved, "the model has changed")


def test_under_lora_the_frozen_model_counts_too(make: Make, tmp_path: Path) -> None:
    make(lora=LoRA(rank=2)).save(tmp_path)
    other = make(lora=LoRA(rank=2))
    frozen = next(p for p in other.policy.model.parameters() if not p.requires_grad)
    frozen.data.view(-1)[0] += 1
    refused(other, tmp_path, "the model has changed")


def test_another_objective_has_other_weights(make: Make, saved: Path, tmp_path: Path) -> None:
    refused(make(objective=LearnedZTB(beta=0.5)), saved, r"head\.linear\.\w+ is absent here and float32")
    make(objective=LearnedZTB(beta=0.5)).save(tmp_path)
    refused(make(), tmp_path, r"head\.linear\.\w+ is float32 \[1(, 16)?\] here and absent in this learner")


def rewrite(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], object]:
    def damage(directory: Path) -> None:
        tensors = load_file(directory / TENSORS)
        change(tensors)
        save_file(tensors, directory / TENSORS)

    return damage


def edit(**facts: object) -> Callable[[Path], object]:
    def damage(directory: Path) -> None:
        path = directory / FACTS
        path.write_text(json.dumps(json.loads(path.read_text()) | facts))

    return damage


A = "policy.model.norm.weight"
DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no tensors": (lambda d: (d / TENSORS).unlink(), "is not what a learner saved"),
    "no facts": (lambda d: (d / FACTS).unlink(), "is not what a learner saved"),
    "empty tensors": (lambda d: (d / TENSORS).write_bytes(b""), "is not what a learner saved"),
    "truncated": (lambda d: (d / TENSORS).write_bytes((d / TENSORS).read_bytes()[:-9]), "is not what a learner saved"),
    "not safetensors": (lambda d: (d / TENSORS).write_bytes(b"\x80\x04pickle" * 99), "is not what a learner saved"),
    "huge header": (lambda d: (d / TENSORS).write_bytes(b"\xff" * 64), "is not what a learner saved"),
    "no JSON": (lambda d: (d / FACTS).write_bytes(b"\xff{"), "is not what a learner saved"),
    "other JSON": (lambda d: (d / FACTS).write_text("[]"), "is not what a learner saved"),
    "field missing": (lambda d: (d / FACTS).write_text('{"steps": 3}'), "is not what a learner saved"),
    "field unknown": (edit(more=1), "is not what a learner saved"),
    "negative steps": (edit(steps=-1), "is not what a learner saved"),
    "steps as text": (edit(steps="3"), "is not what a learner saved"),
    "digest of weights": (edit(digest="0" * 16), "weights with digest"),
    "digest of reference": (edit(reference_digest="0" * 16), "reference with digest"),
    "start": (edit(start="0" * 16), "the model has changed"),
    "reference not named": (edit(reference_version=0), r"reference is uint8 \[\d+\] here and absent"),
    "weight changed": (rewrite(lambda t: t[A].view(-1)[0].add_(1)), "weights with digest"),
    "reference changed": (rewrite(lambda t: t["reference"][0].add_(1)), "reference with digest"),
    "reference short": (rewrite(lambda t: t.update(reference=t["reference"][:-1].clone())), "reference is uint8"),
    "weight lost": (rewrite(lambda t: t.pop(A)), f"{A} is absent here"),
    "weight of another shape": (rewrite(lambda t: t.update({A: t[A][:-1].clone()})), rf"{A} is float32 \[15\] here"),
    "weight of another type": (rewrite(lambda t: t.update({A: t[A].double()})), rf"{A} is float64 \[16\] here"),
    "memory lost": (rewrite(lambda t: t.pop(f"adam.exp_avg.{A}")), f"{A} is absent here"),
    "memory of nothing": (rewrite(lambda t: t.update({"adam.exp_avg.x": t[A].clone()})), "and absent in this learner"),
    "counter of another shape": (rewrite(lambda t: t.update({f"adam.step.{A}": torch.ones(1)})), r"float32 \[1\] here"),
    "endless memory": (rewrite(lambda t: t[f"adam.exp_avg_sq.{A}"][0].fill_(torch.inf)), "numbers that are not finite"),
    "weight without value": (rewrite(lambda t: t[A][0].fill_(torch.nan)), "numbers that are not finite"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_one_line_and_changes_nothing(make: Make, saved: Path, kind: str) -> None:
    damage, says = DAMAGE[kind]
    damage(saved)
    refused(make(reference_reset=2), saved, says)


def test_a_directory_that_cannot_be_written_is_one_line(make: Make, tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="cannot be written"):
        make().save(tmp_path / "nowhere")


def test_weights_that_are_not_finite_are_not_saved(make: Make, groups: Groups, tmp_path: Path) -> None:
    learner = make(objective=Reinforce())
    run(learner, groups, 1)
    with torch.no_grad():
        learner.parameters[0].view(-1)[0] = torch.inf
    with pytest.raises(SteelyardError, match="not finite; go on from the checkpoint before"):
        learner.save(tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_stateless_learner_writes_the_file_that_it_always_wrote(make: Make, tmp_path: Path) -> None:
    make().save(tmp_path)
    assert "state" not in msgspec.json.decode((tmp_path / FACTS).read_bytes())


@pytest.mark.parametrize(("saved", "restored"), [(ReinforceEMA(), Reinforce()), (Reinforce(), ReinforceEMA())])
def test_a_state_where_the_other_has_none_is_refused(
    make: Make, groups: Groups, tmp_path: Path, saved: Objective, restored: Objective
) -> None:
    learner = make(objective=saved)
    run(learner, groups, 1)
    learner.save(tmp_path)
    with pytest.raises(SteelyardError, match="state of the objective"):
        make(objective=restored).restore(tmp_path)


def test_a_damaged_state_is_refused_and_changes_nothing(make: Make, groups: Groups, tmp_path: Path) -> None:
    learner = make(objective=ReinforceEMA())
    run(learner, groups, 1)
    learner.save(tmp_path)
    facts = msgspec.json.decode((tmp_path / FACTS).read_bytes())
    (tmp_path / FACTS).write_bytes(msgspec.json.encode(facts | {"state": {"mean": "x"}}))
    other = make(objective=ReinforceEMA())
    before = other.policy.weights()
    with pytest.raises(SteelyardError, match="is no state of this objective"):
        other.restore(tmp_path)
    assert np.array_equal(before, other.policy.weights())
    assert other.state == ReinforceEMA().init()
