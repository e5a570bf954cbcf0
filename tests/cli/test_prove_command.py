import itertools
import json

import pytest

from steelyard.cli import main, prove_command
from steelyard.experiments.harness import null_method, proving
from steelyard.experiments.harness.proof_index import proof_modules
from steelyard.experiments.harness.proof_record import Block, ClaimFigures, ClaimRecord, ProofRecord
from steelyard.experiments.harness.proof_seed import SeedResult


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "prove: takes a method's id, or --all, or --null N"),
        ("topr --all", "prove: takes a method's id, or --all, or --null N"),
        ("topr --null 3", "prove: takes a method's id, or --all, or --null N"),
        ("--null 0", "--null: is 0"),
        ("topp", "unknown method 'topp'; did you mean 'topr'"),
        ("shuffled", "shuffled: has no proof"),
        ("topr --seeds 0", "--seeds: is 0"),
        ("topr --publish --quick", "--publish: takes whole runs on the proof's own seeds"),
        ("topr --publish --seeds 2", "--publish: takes whole runs"),
        ("topr --publish --first-seed 900", "--publish: takes whole runs"),
    ],
)
def test_a_wrong_input_is_one_line_and_writes_nothing(words, line, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["prove", *words.split()]) == 2
    assert line in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_methods_of_one_paper_share_its_proof_and_the_table_says_what_was_found(capsys, tmp_path, monkeypatch):
    def measured(seeds, directory, jobs, say):
        from steelyard.experiments.proofs.objective.cgpo import ARMS

        arms = {arm: {"gold": 0.5, "violation": 1.0, "proxy": 0.0} for arm in ARMS}
        return [SeedResult(job.seed, job.quick, {}, arms, dict.fromkeys(arms, 1.0)) for job in seeds]

    monkeypatch.setattr(proving, "carry_out", measured)
    assert main(["prove", "crpg", "--quick", "--output-dir", str(tmp_path), "--json"]) == 0
    out = capsys.readouterr().out
    answer = json.loads(out.splitlines()[-1])
    assert list(answer["proofs"]) == ["cgpo"]
    assert answer["proofs"]["cgpo"]["first"]["verdict"] == "direction disagrees"
    assert "a quick run, which gives no verdict" in out
    assert "not shown" not in out
    assert {"cgpo.json", "cgpo.svg"} == {file.name for file in tmp_path.iterdir()}


def test_where_every_record_is_current_all_repeats_nothing_and_prints_the_sum(capsys, tmp_path, monkeypatch):
    def record(id: str, minutes: float) -> ProofRecord:
        block = Block([0, 1, 2], "not shown", 0.9, [], "2026-01-01", "a machine", minutes, minutes, None)
        return ProofRecord(id, "all", [], "abc", f"steelyard prove {id}", block)

    def never(*_: object) -> list[SeedResult]:
        raise AssertionError("nothing is to be measured")

    kept = {id: record(id, minutes) for id, minutes in zip(proof_modules(), itertools.count(2.0))}
    monkeypatch.setattr(proving, "carry_out", never)
    monkeypatch.setattr(prove_command, "current", lambda modules, say: {id: kept[id] for id in modules})
    monkeypatch.chdir(tmp_path)
    assert main(["prove", "--all", "--json"]) == 0
    out = capsys.readouterr().out
    total = sum(2 + number for number in range(len(kept)))
    assert (
        f"{len(kept)} proofs: {total} core minutes in all; a block takes under 3 minutes on one core in 1 of them"
    ) in out
    assert [*json.loads(out.splitlines()[-1])["proofs"]] == [*kept]
    assert not list(tmp_path.iterdir())


def test_the_null_method_is_kept(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(null_method, "_shows", lambda first_seed: first_seed == 0)
    assert main(["prove", "--null", "4", "--output-dir", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (answer["null"]["runs"], answer["null"]["shown"], answer["null"]["replicated"]) == (4, 1, 0)
    assert json.loads((tmp_path / "null.json").read_text())["rate"] == 0.25


def test_a_claim_whose_error_cannot_be_told_says_how_to_mend_it(capsys):
    figures = ClaimFigures(0.0, None, None, "too noisy", ours_by_seed=[0.0] * 3, baseline_by_seed=[0.0] * 3)
    block = Block([0, 1, 2], "too noisy", None, [figures], "2026-01-01", "a machine", 1.0, 1.0, None)
    claim = ClaimRecord("at most 5 %", "invalid", "ours", 0.0, -0.05, lower_is_better=True)
    prove_command.tell(ProofRecord("toy", "all", [claim], "abc", "steelyard prove toy", block))
    out = capsys.readouterr().out
    assert "at most 5 %: all seeds have the same effect on invalid" in out
    assert "report it by `share`" in out
    assert "None" not in out
