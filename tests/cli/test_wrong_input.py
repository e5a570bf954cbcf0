"""Whatever is wrong: one line `steelyard: WHERE: WHAT; MEND`, exit code 2, no traceback, and no file changed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from steelyard.cli import main

EXECUTABLE = Path(sys.executable).with_name("steelyard")
INLINE = "--runtime inline --output-dir new"
BRIEF = "--runtime inline --evaluation.prompts 2 --evaluation.sampled-prompts 1 --evaluation.samples 1"
TINY = f"{INLINE} --model llama --max-completion-length 6"

# Words after `steelyard`, and what the line must say. The working directory is `world`.
COMMAND_LINES = [
    # Which command, recipe, study, method
    ("trian arithmetic", "COMMAND: unknown command 'trian'; did you mean 'train'?"),
    ("--frobnicate", "unknown command '--frobnicate'"),
    ("train", "RECIPE is missing; name one of arithmetic,"),
    ("train arithmetik", "unknown RECIPE 'arithmetik'; did you mean 'arithmetic'"),
    ("train --max-steps 3 arithmetic", "RECIPE is missing, which comes first; found --max-steps"),
    ("train --resume run", "RECIPE is missing, which comes first; found --resume"),
    ("train arithmetic --resume", "train arithmetic: unknown option --resume"),
    ("study", "NAME is missing; name one of lag,"),
    ("study lags", "unknown NAME 'lags'; did you mean 'lag'?"),
    ("warmstart arithmetics", "unknown NAME 'arithmetics'; did you mean 'arithmetic'?"),
    ("methods vargard-tb", "unknown method 'vargard-tb'; did you mean 'vargrad-tb'?"),
    ("methods --room objectve", "no method lives in room 'objectve'; did you mean 'objective'?"),
    # Words too many or too few
    ("train arithmetic enumerable", "train arithmetic: unexpected argument 'enumerable'; leave it out"),
    ("train arithmetic --max-steps 3 4", "unexpected argument '4'"),
    ("report run extra", "report: unexpected argument 'extra'"),
    ("eval run extra", "unexpected argument 'extra'"),
    ("sample run extra", "unexpected argument 'extra'"),
    ("methods sft grpo", "unexpected argument 'grpo'"),
    ("study lag extra", "unexpected argument 'extra'"),
    ("warmstart enumerable extra", "unexpected argument 'extra'"),
    ("report", "report: RUN is missing; see steelyard report --help"),
    ("eval --prompts 3", "eval: RUN is missing"),
    ("train arithmetic --max-steps", "--max-steps: has no value; write --max-steps VALUE"),
    ("train arithmetic --max-stepz 3", "unknown option --max-stepz; did you mean --max-steps?"),
    ("train arithmetic --max-stalenes 3", "did you mean --max-staleness or --max-steps?"),
    ("train arithmetic-dpo --tau 0.1", "unknown option --tau"),
    ("sample run --promt x", "unknown option --promt; did you mean --prompt"),
    # Types and ranges
    ("train arithmetic --max-steps three", "--max-steps: is 'three'; give a whole number"),
    ("train arithmetic --max-steps 0", "--max-steps: is 0; use a positive number"),
    ("train arithmetic --max-staleness -1", "--max-staleness: is -1; use 0 or more"),
    ("train arithmetic --max-staleness few", "--max-staleness: is 'few'; give None or a whole number"),
    ("train arithmetic --learning-rate inf", "--learning-rate: is inf"),
    ("train arithmetic --learning-rate -1e-4", "--learning-rate: is -0.0001"),
    ("train arithmetic --temperature nan", "--temperature: is nan"),
    ("train arithmetic --temperature 0", "--temperature: is 0.0"),
    ("train arithmetic --search-temperature nan", "--search-temperature: is nan"),
    ("train arithmetic --beta nan", "beta is nan"),
    ("train arithmetic --beta inf", "--beta: is inf; use a finite number"),
    ("train arithmetic --beta-final 0", "--beta-final: is 0.0"),
    ("train arithmetic-dr-grpo --beta-final 1", "--beta-final: is set, but DrGRPO has no beta"),
    ("train arithmetic --seed -1", "--seed: is -1"),
    ("train arithmetic --num-generations 0", "--num-generations: is 0"),
    ("train arithmetic-dpo --num-generations 3", "--num-generations: is 3; DPO compares 2 completions"),
    ("train arithmetic --runtime remote", "--runtime: is 'remote'; choose local or inline"),
    ("train arithmetic --num-searchers 0", "--num-searchers: is 0"),
    ("train arithmetic --problems 0", "problems is 0"),
    ("train arithmetic --replay.recent-probability 2", "recent_probability is 2.0"),
    ("train arithmetic --replay.over-age keep", "--replay.over-age: is 'keep'; choose drop or wait"),
    ("train arithmetic --optimizer.schedule.floor 2", "floor is 2.0"),
    ("train arithmetic --evaluation.every 0", "every is 0"),
    ("eval run --samples 0", "samples is 0"),
    ("sample run --samples 0", "--samples: is 0; use 1 or more"),
    ("sample run --temperature -1", "temperature is -1.0"),
    ("sample run --temperature nan", "temperature is nan"),
    ("sample run --temperature warm", "--temperature: is 'warm'; give None or a number"),
    ("study lag --seeds 0", "--seeds: is 0; use 1 or more"),
    ("study lag --steps 0", "--steps: is 0; use 1 or more"),
    ("study lag --jobs -1", "--jobs: is -1"),
    ("study lag --learning-rate nan", "--learning-rate: is nan"),
    ("warmstart arithmetic --skill-steps 0", "--skill-steps: is 0"),
    ("warmstart arithmetic --learning-rate nan", "--learning-rate: is nan"),
    # Models
    (f"train arithmetic {INLINE} --model ./nowhere", "no such directory: './nowhere'"),
    (f"train arithmetic {INLINE} --model steelyard/arithmetics", "did you mean 'steelyard/arithmetic'"),
    (f"train arithmetic {INLINE} --model text.txt", "no such directory: 'text.txt'"),
    (f"train arithmetic {INLINE} --model empty", "holds no model (no config.json)"),
    (f"train arithmetic {INLINE} --model weightless", "holds no safetensors weights"),
    (f"train arithmetic {INLINE} --model pickled", "pickled ones are never loaded"),
    (f"train arithmetic {INLINE} --model torn", "no model can be loaded from torn"),
    (f"train arithmetic {INLINE} --model steelyard/enumerable", "--model: the model's tokenizer cannot read"),
    (f"train enumerable {INLINE} --model steelyard/arithmetic", "the model's tokenizer knows nothing of 'be'"),
    (f"train arithmetic {INLINE} --lora-rank 2 --lora-targets nothing", "nothing"),
    (f"train arithmetic {INLINE} --max-completion-length 60", "exceed the model's context of 64; lower --max-comp"),
    ("train gym", "--model: is missing"),
    # Where to
    ("train arithmetic --output-dir full", "full: is not empty; choose another --output-dir"),
    ("train arithmetic --output-dir text.txt", "text.txt: is a file"),
    ("train arithmetic --output-dir text.txt/run", "cannot be made in"),
    (f"train arithmetic {BRIEF} --output-dir /proc/steelyard", "/proc/steelyard: cannot be made"),
    ("warmstart arithmetic --output-dir full", "full: is not empty"),
    ("warmstart enumerable --output-dir text.txt", "text.txt: is a file"),
    # Data
    (f"train rows {TINY}", "rows.path: no file is named"),
    (f"train rows {TINY} --path none.jsonl", "none.jsonl: there is no such file"),
    (f"train rows {TINY} --path text.txt", "text.txt: .txt is not read"),
    (f"train rows {TINY} --path empty.jsonl", "empty.jsonl: it holds no rows"),
    (f"train rows {TINY} --path torn.jsonl", "torn.jsonl, line 2: it is not a JSON object"),
    (f"train rows {TINY} --path latin.jsonl", "latin.jsonl, line 1: it is not UTF-8"),
    (f"train rows {TINY} --path columns.jsonl", "columns.jsonl, line 1: there is no prompt or question"),
    (f"train rows {TINY} --path unanswered.jsonl", "there is no answer or solution or ground_truth"),
    (f"train rows {TINY} --path long.jsonl", "exceed the model's context of 64"),
    (f"train rows {TINY} --path good.jsonl --held-out-share 1", "does not leave prompts on both sides"),
    (f"train rows {TINY} --path good.jsonl --prompt-template Q", "has no place for the prompt"),
    (f"train arithmetic {INLINE} --reward nonsense", "it names no function"),
    # Runs
    ("eval nowhere", "nowhere: holds no config.json"),
    ("sample empty", "empty: holds no config.json"),
    ("report nowhere", "nowhere: is not a directory"),
    ("report full", "full: is not a run directory"),
    ("eval damaged", "config.json: is damaged"),
    ("report damaged", "is not a JSON object"),
    ("sample listed", "config.json: is damaged"),
    ("eval renamed", "unknown setting 'max_stepz'; did you mean 'max_steps'"),
    ("eval unknown-method", "unknown method 'grppo'; did you mean 'grpo'"),
    ("eval elsewhere", "module 'no.such.module' cannot be imported"),
    ("sample mistyped", "config.json.max_steps: Expected `int`"),
    ("eval unfinished", "unfinished: holds no model; the run did not reach its end"),
    ("sample modelless", "holds no safetensors weights"),
    ("sample run --prompt hello", "the model's tokenizer knows nothing of 'hello'"),
    ("sample run --prompt 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1=", "exceed the model's context"),
]  # fmt: skip
FROM_THE_SHELL = [
    "trian", "train arithmetic --max-stepz 3", "report run extra",
    f"train arithmetic {INLINE} --model ./nowhere", "train arithmetic --output-dir full", "eval damaged",
    "methods vargard-tb --json",
]  # fmt: skip


def shape_run(source: Path, target: Path, **changes: object) -> None:
    """A copy of a run whose settings are changed."""
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    config["run"] |= changes
    (target / "config.json").write_text(json.dumps(config))


def write_rows(world: Path) -> None:
    good = [json.dumps({"prompt": f"{a}+{b}=", "answer": a + b}) for a in range(6) for b in range(6)]
    files = {
        "good": "\n".join(good), "empty": "\n", "torn": good[0] + '\n{"prompt": ', "columns": '{"text": "1+1="}',
        "unanswered": '{"prompt": "1+1="}', "long": "\n".join([*good, json.dumps({"prompt": "1" * 60, "answer": 1})]),
    }  # fmt: skip
    for name, text in files.items():
        (world / f"{name}.jsonl").write_text(text)
    (world / "latin.jsonl").write_bytes(b'{"prompt": "\xe9", "answer": 1}')


@pytest.fixture(scope="session")
def world(tmp_path_factory, arithmetic_run, tiny_model_dir) -> Path:
    """A directory of things that are wrong, and a few that are right."""
    world = tmp_path_factory.mktemp("world")
    (world / "text.txt").write_text("a text\n")
    (world / "empty").mkdir()
    (world / "full").mkdir()
    (world / "full/precious").write_text("mine")
    write_rows(world)
    shutil.copytree(tiny_model_dir("llama"), world / "llama")
    for name, content in (("weightless", None), ("pickled", "pytorch_model.bin"), ("torn", "model.safetensors")):
        shutil.copytree(world / "llama", world / name)
        (world / name / "model.safetensors").unlink()
        if content:
            (world / name / content).write_bytes(b"\x80\x04cos\nsystem\n")
    shutil.copytree(arithmetic_run, world / "run")
    shape_run(arithmetic_run, world / "renamed", max_stepz=3)
    shape_run(arithmetic_run, world / "mistyped", max_steps="many")
    shape_run(arithmetic_run, world / "unknown-method", objective={"method": "grppo"})
    shape_run(arithmetic_run, world / "elsewhere", objective={"method": "grpo", "module": "no.such.module"})
    for name, text in (("damaged", '{"recipe": "a", "ru'), ("listed", "[1]")):
        shape_run(arithmetic_run, world / name)
        (world / name / "config.json").write_text(text)
    shape_run(arithmetic_run, world / "unfinished")
    shutil.rmtree(world / "unfinished/model")
    shape_run(arithmetic_run, world / "modelless")
    (world / "modelless/model/model.safetensors").unlink()
    return world


def contents(directory: Path) -> dict[Path, tuple[int, int]]:
    """Every path below, with when it was changed and its size."""
    found = {path: path.stat() for path in directory.rglob("*")}
    return {path: (stat.st_mtime_ns, stat.st_size) for path, stat in found.items()}


def require_one_line(err: str) -> None:
    assert err.startswith("steelyard: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    where, _, rest = err.removeprefix("steelyard: ").partition(": ")
    what, _, mend = rest.partition("; ")
    assert all(part.strip() for part in (where, what, mend)), err


@pytest.mark.parametrize(("line", "said"), COMMAND_LINES, ids=[line for line, _ in COMMAND_LINES])
def test_one_clear_line_and_nothing_written(world, monkeypatch, capfd, line, said):
    monkeypatch.chdir(world)
    before = contents(world)
    capfd.readouterr()
    assert main(line.split()) == 2
    out, err = capfd.readouterr()
    require_one_line(err)
    assert said in err
    assert out == ""
    assert contents(world) == before


@pytest.mark.parametrize("line", FROM_THE_SHELL)
def test_the_same_from_the_shell(world, line):
    before = contents(world)
    done = subprocess.run(
        [EXECUTABLE, *line.split()], cwd=world, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 2
    require_one_line(done.stderr)
    assert done.stdout == ""
    assert contents(world) == before


def test_an_unknown_gym_data_set(world, monkeypatch, capfd):
    pytest.importorskip("reasoning_gym")
    monkeypatch.chdir(world)
    before = contents(world)
    assert main(f"train gym {TINY} --dataset chain_sums".split()) == 2
    err = capfd.readouterr().err
    require_one_line(err)
    assert "gym.dataset: unknown data set 'chain_sums'; did you mean 'chain_sum'" in err
    assert contents(world) == before


def test_a_reward_function_that_cannot_be_loaded(tmp_path, capfd):
    words = f"train arithmetic {BRIEF} --reward nomodule:f --output-dir {tmp_path / 'new'}".split()
    assert main(words) == 2
    last = capfd.readouterr().err.splitlines(keepends=True)[-1]
    require_one_line(last)
    assert "No module named 'nomodule'" in last


def test_debug_shows_the_traceback_above_the_line(capfd):
    assert main(["train", "arithmetik", "--debug"]) == 2
    err = capfd.readouterr().err
    assert err.startswith("Traceback")
    assert "in choose" in err
    require_one_line(err.splitlines(keepends=True)[-1])


def test_a_mistake_of_the_program_is_not_hidden(monkeypatch):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("steelyard.cli.report_command.run", fail)
    with pytest.raises(ZeroDivisionError):
        main(["report", "x"])
