"""How figures are taken, kept and shown: interleaving, records, blocks of a page, and the command."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from steelyard.cli import main
from steelyard.core import FaultError, SteelyardError
from steelyard.experiments.bench import limits
from steelyard.experiments.bench.measuring import interleaved, ratios
from steelyard.experiments.bench.page import block, check_page, write_block
from steelyard.experiments.bench.record import BenchRecord, carry_out, command_of, read
from steelyard.experiments.harness import processes
from steelyard.experiments.harness.spread import short, spread

RECORD = BenchRecord("limits", "steelyard bench limits", {"runs": 1}, "2026-11-25", "a machine", 90.0, [])
PAGE = "before\n<!-- bench:limits -->\nold\n<!-- end -->\nafter\n"


def test_works_take_turns_after_a_warm_up():
    order: list[str] = []
    found = interleaved({name: lambda n=name: order.append(n) or len(order) for name in "ab"}, 2)
    assert "".join(order) == "ababab"
    assert found == {"a": [3, 5], "b": [4, 6]}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.01234, "0.0123"), (1.0, "1"), (12.34, "12.3"), (999.0, "999"), (1234.0, "1,234"), (12345.0, "12.3k"),
     (123456.0, "123k"), (1.5e6, "1.50M"), (0.0, "0")],
)  # fmt: skip
def test_numbers_have_three_digits(value: float, text: str):
    assert short(value) == text


def test_the_middle_and_the_ratios():
    assert spread([3.0, 1.0, 2.0]) == "2 [1, 3]"
    assert ratios([4.0, 9.0], [2.0, 3.0]) == [2.0, 3.0]


# Processes


def test_a_process_answers_in_its_last_line():
    code = (
        "import json, os, sys; print('noise'); print(json.dumps([json.load(sys.stdin), os.environ['OMP_NUM_THREADS']]))"
    )
    assert processes.ask("echo", [sys.executable, "-c", code], {"a": 1}, threads=2) == [{"a": 1}, "2"]


def test_a_process_that_fails_gives_its_last_line():
    with pytest.raises(SteelyardError, match=r"^sad: it is broken; run it alone"):
        processes.ask("sad", [sys.executable, "-c", "import sys; sys.exit('first\\nit is broken')"], {})


def test_a_process_past_its_deadline():
    with pytest.raises(FaultError, match="slow: has not ended within 0 s"):
        processes.ask("slow", [sys.executable, "-c", "import time; time.sleep(60)"], {}, deadline=0.05)


# Records


@dataclass(frozen=True)
class Mine:
    """Settings of a made-up part."""

    runs: int = 5
    sizes: tuple[str, ...] = ("a",)
    peer: str | None = None


@pytest.fixture
def part():
    """A part that counts how often it was measured."""
    module = ModuleType("somewhere.mine")
    module.calls = 0

    def measure(settings, workdir: Path, say):
        module.calls += 1
        assert list(workdir.iterdir()) == []
        return [{"values": [0.5, float("nan")]}]

    module.measure = measure
    return module


def test_a_record_holds_every_figure_and_is_taken_as_it_is(part, tmp_path: Path):
    said: list[str] = []
    made = carry_out(part, Mine(runs=2), tmp_path / "out", said.append)
    assert (made.part, made.command, made.settings["runs"]) == ("mine", "steelyard bench mine --runs 2", 2)
    kept = json.loads((tmp_path / "out/mine.json").read_text(), parse_constant=pytest.fail)
    assert kept["rows"] == [{"values": [0.5, None]}]
    again = carry_out(part, Mine(runs=2), tmp_path / "out", said.append)
    assert (part.calls, again.date, said) == (1, made.date, [f"measured before: {tmp_path}/out/mine.json"])
    with pytest.raises(SteelyardError, match=r"mine.json: was measured with other settings"):
        carry_out(part, Mine(), tmp_path / "out", said.append)


def test_a_part_that_was_cut_short_begins_anew(part, tmp_path: Path):
    (tmp_path / "mine-cut").mkdir()
    (tmp_path / "mine-cut/rest").write_text("x")
    carry_out(part, Mine(), tmp_path, print)
    assert part.calls == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"part": "mine"}'])
def test_a_damaged_record_is_named(tmp_path: Path, text: str):
    (tmp_path / "mine.json").write_text(text)
    with pytest.raises(SteelyardError, match=r"mine.json: is damaged"):
        read(tmp_path / "mine.json")


def test_the_command_names_what_differs(part):
    assert command_of(part, Mine()) == "steelyard bench mine"
    assert command_of(part, Mine(3, ("a", "b"), "python")) == "steelyard bench mine --runs 3 --sizes a b --peer python"


# The page


def test_a_block_is_written_anew_and_nothing_else(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    for _ in range(2):
        write_block(page, RECORD, (["what", "rate"], [["a|b", "1"]]))
        assert page.read_text() == (
            "before\n<!-- bench:limits -->\n| what | rate |\n| --- | ---: |\n| a\\|b | 1 |\n\n"
            "`steelyard bench limits`: 2026-11-25, a machine; 1.5 minutes.\n<!-- end -->\nafter\n"
        )
    assert block(RECORD, (["one"], [])).startswith("| one |\n| --- |\n\n`")


@pytest.mark.parametrize(
    "text",
    ["", PAGE * 2, "<!-- bench:limits -->\n", "<!-- bench:limits -->\n<!-- bench:replay -->\n<!-- end -->",
     PAGE.replace("limits", "replay")],
)  # fmt: skip
def test_a_page_without_its_block_is_refused(tmp_path: Path, text: str):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(SteelyardError, match=r"page.md: has not one block <!-- bench:limits -->"):
        check_page(page, ["limits"])
    assert page.read_text() == text


def test_the_page_of_the_project_has_every_block():
    from steelyard.experiments.bench import PARTS

    check_page(Path(__file__).parents[3] / "docs/performance.md", PARTS)


# The command


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits without measuring."""
    monkeypatch.setattr(limits, "measure", lambda *_: [{"what": "a product", "values": [1.0, 3.0], "unit": "GFLOP/s"}])


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("words", [["limits"], ["all", "--parts", "limits"]])
def test_a_part_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]):
    (tmp_path / "page.md").write_text(PAGE)
    out = tmp_path / "out"
    asked = [*words, "--runs", "2", "--output-dir", str(out), "--page", str(tmp_path / "page.md"), "--json"]
    assert main(["bench", *asked]) == 0
    shown = capsys.readouterr().out
    assert "2 [1, 3]" in shown
    assert json.loads(shown.splitlines()[-1])["parts"]["limits"]["command"] == "steelyard bench limits --runs 2"
    assert read(out / "limits.json").rows[0]["values"] == [1.0, 3.0]
    assert "| a product | 2 [1, 3] | GFLOP/s |" in (tmp_path / "page.md").read_text()


def test_bench_alone_lists_the_parts(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["bench"])
    shown = capsys.readouterr().out
    assert "  rollout     Generated tokens per second" in shown
    assert "  all         every part" in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["rolout"], "bench: unknown PART 'rolout'; did you mean 'rollout'?"),
        (["limits", "--runs", "0"], "--runs: is 0; use 1 or more"),
        (["all", "--runs", "0"], "--runs: is 0; use 1 or more"),
        (["all", "--parts", "limit"], "bench: unknown part 'limit'; did you mean 'limits'?"),
        (["limits", "--page", "nowhere.md"], "nowhere.md: cannot be read (No such file or directory)"),
    ],
)
def test_wrong_words(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str):
    monkeypatch.chdir(tmp_path)
    assert main(["bench", *words]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert message in said
    assert list(tmp_path.iterdir()) == []
