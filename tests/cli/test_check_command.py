"""`steelyard check` on methods that strangers wrote, in the directory where they wrote them."""

import json
import sys

import pytest

from steelyard.check import import_rooms

SOUND = '''"""A stranger's objective.

    L = - mean_j r_j log pi(y_j)

P prompts.
Source: nobody.
"""

from dataclasses import dataclass
from typing import ClassVar

from steelyard.core import Batch, Loss, Needs
from steelyard.objective import policy_gradient
from steelyard.objective.advantage import reward_of


@dataclass(frozen=True)
class Mine:
    """Plain."""

    needs: ClassVar[Needs] = Needs(fields=("reward_PG",))

    scale: float = 1.0
    """Of the reward."""

    def __call__(self, batch: Batch) -> Loss:
        return policy_gradient(batch, (self.scale * reward_of(batch))[..., None].expand_as(batch.logp_PGT))


@dataclass(frozen=True)
class Broken(Mine):
    def __call__(self, batch: Batch) -> Loss:
        return policy_gradient(batch, batch.field("logp_ref_PGT") * batch.logp_PGT.shape[-1])


@dataclass(frozen=True)
class NeedsMore(Mine):
    more: float = 0.0
    """Of something."""

    def __post_init__(self):
        if not self.more:
            raise ValueError("more is 0")


def excused(cls):
    from steelyard.core import method

    return method("test-excused", room="test-room", exemptions={"finite": "a reason that is none"})(cls)
'''


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with a module of its own name, in which the command is given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    import_rooms()  # so that what they register stays when the copy below goes
    registry = sys.modules["steelyard.core.method"]
    monkeypatch.setattr(registry, "_cards", dict(registry._cards))
    name = f"strangers_{abs(hash(tmp_path))}"
    (tmp_path / f"{name}.py").write_text(SOUND)
    yield name
    sys.modules.pop(name, None)


def test_a_sound_method_passes(call, here):
    answer = call("check", f"{here}:Mine", "--json")
    assert answer.code == answer.json["exit_code"] == 0
    assert answer.json["kinds"] == ["objective"]
    assert all(check["passed"] for check in answer.json["checks"])
    lines = answer.out.splitlines()
    assert lines[0] == f"{here}:Mine: objective"
    assert "  passed  micro-batches" in lines
    assert lines[-2].endswith("checks, none failed")


def test_a_broken_one_fails_with_a_line_for_each_check(call, here):
    answer = call("check", f"{here}:Broken", "--json")
    assert answer.code == answer.json["exit_code"] == 1
    failed = {check["check"]: check["reason"] for check in answer.json["checks"] if not check["passed"]}
    assert "padded by two steps" in failed["masked-silent"]
    assert "  FAILED  masked-silent" in answer.out
    assert "micro-batches" not in failed


def test_one_that_does_not_build_fails_the_first_check(call, here):
    answer = call("check", f"{here}:NeedsMore")
    assert answer.code == 1
    assert "FAILED  default-constructible  ValueError: more is 0" in answer.out


def test_an_exemption_is_strict(call, here):
    call("check", f"{here}:Mine")
    module = sys.modules[here]
    module.excused(module.Mine)
    answer = call("check", f"{here}:Mine")
    assert answer.code == 1
    assert "FAILED  finite                 its card excuses it, and it passes: a reason that is none" in answer.out


def test_a_registered_one_by_its_id(call):
    answer = call("check", "vargrad-tb")
    assert answer.code == 0
    assert "vargrad-tb: objective" in answer.out
    answer = call("check", "enumerable")
    assert answer.code == 0
    assert "  exempt  task-splits" in answer.out


def test_a_module_with_a_mistake_in_it(call, here, tmp_path):
    (tmp_path / "crooked.py").write_text("import nothing_like_this\n")
    answer = call("check", "crooked:Mine")
    assert answer.code == 2
    assert answer.err == (
        "steelyard: module 'crooked': it cannot be imported (ModuleNotFoundError: No module named "
        "'nothing_like_this'); run where it can be imported\n"
    )


def test_the_cost_of_attention_is_shown_and_answered(call):
    answer = call("check", "sliding-window", "--json")
    assert answer.code == 0
    (line,) = json.loads(answer.out.splitlines()[-1])["figures"]
    assert line == "operations: 1,572,864 at 128 tokens, 6,291,456 at 256; growth 2.00; 1.00 of full attention's"
    assert f"  {line}\n" in answer.out
