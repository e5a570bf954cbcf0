import importlib
import json
import math
import sys
from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.core import Sampling, Schedule, SteelyardError, cards, decode, encode
from steelyard.objective import GRPO, SFT, DrGRPO, VarGradTB


@dataclass(frozen=True)
class Run:
    objective: VarGradTB | GRPO | SFT = field(default_factory=VarGradTB)
    sampling: Sampling = field(default_factory=Sampling)
    beta: Schedule | None = None
    names: tuple[str, ...] = ("a", "b")
    steps: int = 3


def through_json(data):
    return msgspec.json.decode(msgspec.json.encode(data))


def test_a_method_is_written_with_its_id_and_module():
    data = encode(VarGradTB(beta=0.25))
    assert data == {"method": "vargrad-tb", "module": "steelyard.objective.vargrad_tb", "beta": 0.25}
    assert decode(data) == VarGradTB(beta=0.25)


def test_nested_settings_come_back_with_the_method_they_had():
    run = Run(GRPO(clip=0.3), Sampling(temperature=0.7), Schedule(1.0, 0.0, 5), ("x",), 9)
    assert decode(through_json(encode(run)), Run) == run
    assert decode(through_json(encode(Run(SFT()))), Run) == Run(SFT())


def test_encode_does_not_share_with_the_settings_and_decode_not_with_the_data():
    data = encode(Run())
    before = through_json(data)
    decode(data, Run)
    assert through_json(data) == before


def test_absent_fields_take_their_defaults():
    assert decode({"method": "grpo", "clip": 0.1}) == decode({"clip": 0.1}, GRPO) == GRPO(clip=0.1)


def test_infinity_survives_in_memory():
    assert decode(encode(Sampling(temperature=math.inf)), Sampling).temperature == math.inf


@dataclass(frozen=True)
class Endless:
    plain: float = 1.0
    optional: float | None = None
    named: str = "inf"
    either: float | str = "inf"


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_infinity_is_a_text_in_strict_json_and_comes_back(value):
    settings = Endless(value, value)
    text = json.dumps(encode(settings), allow_nan=False)
    assert json.loads(text)["plain"] == str(value)
    assert decode(json.loads(text), Endless) == settings


def test_nan_survives_and_other_texts_are_no_numbers():
    assert math.isnan(decode(encode(Endless(math.nan)), Endless).plain)
    assert decode({"named": "inf", "either": "inf"}, Endless) == Endless()
    with pytest.raises(SteelyardError, match=r"config\.plain: Expected `float`"):
        decode({"plain": "infinite"}, Endless)


@pytest.mark.parametrize("method", [Schedule(1.0, math.inf, 3), GRPO(clip=math.inf)])
def test_infinity_in_nested_settings_and_methods(method):
    data = json.loads(json.dumps(encode(method), allow_nan=False))
    assert decode(data, type(method)) == method


@pytest.mark.parametrize(
    ("data", "cls", "message"),
    [
        ({"clipp": 0.1}, GRPO, "unknown setting 'clipp'; did you mean 'clip'?"),
        ({"clip": "wide"}, GRPO, r"config\.clip: Expected `float`"),
        ({"method": "grppo"}, None, "did you mean 'grpo'"),
        ({"clip": 0.1}, None, "no method is named"),
        ({"clip": -1.0}, GRPO, r"grpo\.clip"),
        ({"steps": 10**400}, Run, r"config\.steps: is a number of more than 64 bits"),
        ({"clip": 2**63}, GRPO, r"config\.clip: is a number of more than 64 bits"),
        ({"sampling": {"heat": 1}}, Run, r"config\.sampling: unknown setting 'heat'"),
        ({"objective": {"method": "nope"}}, Run, "unknown method 'nope'"),
        ({"objective": {"method": "grpo", "module": "no.such"}}, Run, "module 'no.such' cannot be imported"),
    ],
)
def test_mistakes_are_one_line_that_says_where(data, cls, message):
    with pytest.raises(SteelyardError, match=message) as caught:
        decode(data, cls)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("card", cards("objective"), ids=lambda c: c.id)
def test_default_methods_round_trip(card):
    assert decode(through_json(encode(card.cls()))) == card.cls()


@given(st.floats(1e-6, 1e6), st.booleans(), st.integers(1, 10**9))
def test_numbers_round_trip_exactly(clip, ratio, length):
    settings = DrGRPO(clip, ratio, length)
    assert decode(through_json(encode(settings))) == settings


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1), st.integers(0, 10**6))
def test_plain_dataclasses_round_trip(temperature, top_p, top_k):
    sampling = Sampling(temperature, 5, top_p, top_k)
    assert decode(through_json(encode(sampling)), Sampling) == sampling


CANARY = """
from dataclasses import dataclass
from pathlib import Path

from steelyard.core import method

Path("ran").write_text("")


@method("canary-{0}", room="objective")
@dataclass(frozen=True)
class Canary:
    size: int = 1
"""


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """`foreign(name)`: settings that name a method of a module in the working directory, which leaves a file "ran".

    The registry forgets the method after the test.
    """
    home = sys.modules["steelyard.core.method"]  # the package's attribute of that name is the decorator
    monkeypatch.setattr(home, "_cards", dict(home._cards))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def foreign(name):
        (tmp_path / f"{name}.py").write_text(CANARY.format(name))
        return {"method": f"canary-{name}", "module": name, "size": 3}

    return foreign


def test_a_file_gets_no_module_imported_that_is_not_ours(foreign, tmp_path):
    data = foreign("stranger")
    with pytest.raises(SteelyardError, match="'stranger' cannot be imported on the word of a file") as caught:
        decode(data)
    assert "STEELYARD_MODULES" in str(caught.value)
    with pytest.raises(SteelyardError, match=r"config\.objective: the module 'stranger'"):
        decode({"objective": data}, Run)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("way", ["trusted", "named", "imported"])
def test_a_module_that_the_user_trusts_is_imported(foreign, tmp_path, monkeypatch, way):
    data = foreign(f"friend_{way}")
    if way == "named":
        monkeypatch.setenv("STEELYARD_MODULES", "other, friend_named")
    if way == "imported":
        importlib.import_module("friend_imported")
    assert decode(data, trusted=way == "trusted").size == 3
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "module", [3, "", ".", "..os", "os\0", "os", "steelyard", "steelyard.__main__", "steelyardx.y", "steelyard.a b", []]
)
@pytest.mark.parametrize("trusted", [False, True])
def test_what_is_no_module_of_methods_is_refused(module, trusted):
    with pytest.raises(SteelyardError) as caught:
        decode({"method": "no-such", "module": module}, trusted=trusted and module != "steelyard.__main__")
    assert "\n" not in str(caught.value)


def test_a_method_stands_only_where_a_method_may(foreign):
    with pytest.raises(SteelyardError, match=r"config\.steps: Expected `int`"):
        decode({"steps": {"method": "grpo"}}, Run)
    with pytest.raises(SteelyardError, match=r"config\.sampling: is a GRPO; name a Sampling"):
        decode({"sampling": {"method": "grpo"}}, Run)


@dataclass(frozen=True)
class Nest:
    next: "Nest | None" = None


def test_settings_without_end():
    data = {"method": "grpo"}
    for _ in range(20_000):
        data = {"objective": data}
    with pytest.raises(SteelyardError):
        decode(data, Run)
    nest = {}
    nest["next"] = nest
    with pytest.raises(SteelyardError, match="nested too deeply"):
        decode(nest, Nest)
