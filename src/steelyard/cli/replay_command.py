"""`steelyard replay RUN`: show a run's replay buffer; filter it, export it, add to it."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from steelyard.cli.flags import RunDirectory, parse
from steelyard.cli.replay_text import Decode, completion_of, prompt_of, show
from steelyard.cli.sanitize import plain
from steelyard.core import NonNegativeInt, PositiveInt, SteelyardError, Trajectory, checked
from steelyard.core.json import JsonObject
from steelyard.policy import loading, text
from steelyard.replay.inspect import PromptSummary, View, open_view
from steelyard.runtime.factories import BUFFER, make_replay
from steelyard.training.run_directory import read_stored_run


@checked()
@dataclass(frozen=True)
class Replay:
    """Show a run's replay buffer: counts, rewards, versions, and the best and worst trajectories of each prompt.

    It may be called while the run goes on. Nothing is changed unless --load is given.
    """

    run: RunDirectory
    """Directory of a run."""
    where: str | None = None
    """Show only trajectories that match a filter such as 'reward > 0.5 and version >= 10'. It may compare prompt,
    version, reward, arrived (learner version at arrival), length (tokens) and sample."""
    prompts: NonNegativeInt = 5
    """Number of prompts shown in full: those with the most trajectories."""
    each: PositiveInt = 2
    """Best and worst trajectories shown per prompt."""
    export: str | None = None
    """Write the matching trajectories to this Parquet file."""
    load: str | None = None
    """Add the trajectories of this Parquet file, written by --export, to the buffer. The run must not be going on."""
    verify: bool = False
    """First read every page and every trajectory, and report damage."""


def run(words: Sequence[str]) -> Mapping[str, object]:
    """Load, verify, export, then show."""
    asked = parse(Replay, words, command="replay")
    path = Path(asked.run) / BUFFER
    moved = {}
    if asked.load is not None:
        moved["loaded"] = _load(asked.run, path, Path(asked.load))
    if asked.verify:
        with open_view(path) as view:
            view.verify()
        moved["verified"] = True
        say("every page and every trajectory is intact")
    if asked.export is not None:
        moved["exported"] = _export(asked.where, path, Path(asked.export))
    with open_view(path) as view:
        return {"run_dir": asked.run, **_show(view, asked), **moved}


def _show(view: View, asked: Replay) -> Mapping[str, object]:
    summary = view.summary(asked.where)
    prompts = view.prompts(asked.where, limit=asked.prompts, each=asked.each) if asked.prompts else []
    decode = _decoder(Path(asked.run)) if prompts else str
    show(summary, prompts, asked.where, decode)
    return {"summary": msgspec.to_builtins(summary), "prompts": [_brief(p, decode) for p in prompts]}


def _brief(prompt: PromptSummary, decode: Decode) -> Mapping[str, object]:
    def told(rows: Iterable[Trajectory]) -> list[JsonObject]:
        return [
            {"reward": t.reward, **_read(t), "version": t.version, "sample": t.sample}
            | {"completion": completion_of(t, decode)}
            for t in rows
        ]

    shown = [*prompt.top, *prompt.worst]
    facts = {"prompt": prompt.prompt, "text": prompt_of(shown[0], decode) if shown else None, "count": prompt.count}
    rewards = {"mean": prompt.mean, "low": prompt.low, "high": prompt.high}
    return {**facts, **rewards, "top": told(prompt.top), "worst": told(prompt.worst)}


def _read(t: Trajectory) -> JsonObject:
    """What the verifier took for the answer, and from where."""
    return {"read": t.info.get("read"), "read_from": t.info.get("read_from", "")}


def _decoder(run_dir: Path) -> Decode:
    """Decodes with the tokenizer of the run's model. If it cannot be loaded, token ids are shown instead."""
    try:
        trained = run_dir / "model"
        tokenizer = loading.load_tokenizer(str(trained) if trained.is_dir() else read_stored_run(run_dir).run.model)
    except SteelyardError as error:
        say(f"token ids are shown, because the tokenizer cannot be loaded: {plain(str(error))}")
        return lambda tokens_T: f"tokens {tokens_T.tolist()}"
    return lambda tokens_T: text.decode(tokenizer, tokens_T.tolist())


def _export(where: str | None, path: Path, out: Path) -> int:
    from steelyard.replay.parquet import export_parquet

    number = export_parquet(path, out, where)
    say(f"exported {number} trajectories to {out}")
    return number


def _load(run_dir: str, path: Path, file: Path) -> int:
    from steelyard.replay.parquet import import_parquet

    replay = make_replay(read_stored_run(run_dir).run, path)
    try:
        number = import_parquet(file, replay)  # pyright: ignore[reportArgumentType]
    finally:
        replay.close()
    say(f"loaded {number} trajectories from {file}")
    return number


def say(line: str) -> None:
    """Print on standard error: standard output is for the buffer's content."""
    print(line, file=sys.stderr)
