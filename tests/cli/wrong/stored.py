"""Checkpoints, safetensors and SQLite files that are missing, torn, or of another origin."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from cli.wrong.data import LOAD
from cli.wrong.entry import (
    Harm,
    Wrong,
    all_of,
    blank,
    change,
    flip,
    link,
    move,
    put,
    remove,
    sealed,
    sql,
    tear,
    write,
)
from cli.wrong.world import NEW

RESUME = "train --resume stopped"
MADE = "stopped/checkpoint-2"
OTHER = "other/checkpoint-2"
STATE = f"{MADE}/state.json"
SAVED = f"{MADE}/learner.safetensors"
SETTINGS = ("stopped/config.json", "run")
SOMEBODYS = sql("run/replay.sqlite", "CREATE TABLE albums(artist)")
PICKLE = b"\x80\x04cos\nsystem\n(S'true'\ntR."


def tensors(name: str, changes: dict[str, Callable[[np.ndarray], np.ndarray] | None]) -> Harm:
    """The file with some tensors changed, or left out for None."""

    def do(world: Path) -> None:
        arrays = load_file(world / name)
        for key, make in changes.items():
            array = arrays.pop(key)
            if make is not None:
                arrays[key] = make(array)
        save_file(arrays, world / name, {"format": "pt"})

    return do


def five(array: np.ndarray) -> np.ndarray:
    """Its first rows."""
    return array[:5].copy()


def index(weights: str) -> Harm:
    """An index of shards that names this file for everything."""
    map = {"metadata": {}, "weight_map": {"lm_head.weight": weights}}
    return write("llama/model.safetensors.index.json", json.dumps(map))


MISSING_CHECKPOINTS = [
    Wrong(RESUME, "no checkpoint is whole: stopped/checkpoint-2/learner.safetensors: cannot be read",
          remove(SAVED)),
    Wrong(RESUME, "no checkpoint is whole: stopped/checkpoint-2/manifest.json: cannot be read",
          remove(f"{MADE}/manifest.json")),
    Wrong(RESUME, "no checkpoint is whole: stopped/checkpoint-2/state.json", remove(STATE)),
    Wrong(RESUME, "no checkpoint is whole: stopped/checkpoint-2/flight.msgpack", remove(f"{MADE}/flight.msgpack")),
    Wrong(RESUME, "state.json: cannot be read (No such file", sealed(MADE, remove(STATE))),
    Wrong(RESUME, "learner.json: is not what a learner saved ([Errno 2]", sealed(MADE, remove(f"{MADE}/learner.json"))),
    Wrong(RESUME, "flight.msgpack: cannot be read ([Errno 2]", sealed(MADE, remove(f"{MADE}/flight.msgpack"))),
]  # fmt: skip

TORN_CHECKPOINTS = [
    Wrong(RESUME, "no checkpoint is whole", tear(SAVED), shell=True),
    Wrong(RESUME, "no checkpoint is whole", tear(STATE)),
    Wrong(RESUME, "no checkpoint is whole", tear(f"{MADE}/manifest.json")),
    Wrong(RESUME, "learner.safetensors: is not what was written", flip(SAVED)),
    Wrong(RESUME, "flight.msgpack: is not what was written", flip(f"{MADE}/flight.msgpack")),
    Wrong(RESUME, "learner.json: is not what a learner saved", sealed(MADE, tear(f"{MADE}/learner.json"))),
    Wrong(RESUME, "state.json: is not what a checkpoint holds", sealed(MADE, tear(STATE))),
    Wrong(RESUME, "flight.msgpack: cannot be read", sealed(MADE, tear(f"{MADE}/flight.msgpack"))),
    Wrong(RESUME, "state.json: is not what a checkpoint holds", sealed(MADE, write(STATE, "[" * 10**5))),
]  # fmt: skip

FOREIGN_CHECKPOINTS = [
    Wrong(RESUME, "in place of", sealed(MADE, put(SAVED, f"{OTHER}/learner.safetensors"))),
    Wrong(RESUME, "in place of", sealed(MADE, put(f"{MADE}/learner.json", f"{OTHER}/learner.json"))),
    Wrong(RESUME, "jsonl: has no row that ends at byte", put(MADE, OTHER)),
    Wrong(RESUME, "is no checkpoint of a run with --runtime inline",
          sealed(MADE, change(STATE, runtime="local"))),
    Wrong(RESUME, "is no checkpoint of a run with --runtime local", change(*SETTINGS, runtime="local")),
    Wrong(RESUME, "contains unknown field `more`", sealed(MADE, change(STATE, more=1))),
    Wrong(RESUME, "and the checkpoint was made at event 1000000",
          sealed(MADE, change(STATE, "replay", position=10**6))),
    Wrong(RESUME, "the checkpoint's replay state is wrong",
          sealed(MADE, change(STATE, "replay", position="3"))),
    Wrong(RESUME, "names '../good.jsonl', which is no file of rows",
          sealed(MADE, change(STATE, "records", **{"../good.jsonl": 0}))),
    Wrong(RESUME, "rows are lost", sealed(MADE, change(STATE, "records", **{"eval.jsonl": 10**9}))),
    Wrong(RESUME, "has no row that ends at", sealed(MADE, change(STATE, "records", **{"eval.jsonl": 3}))),
    Wrong(RESUME, "checkpoint-2: is a symbolic link", link(MADE, "elsewhere")),
    Wrong(RESUME, "state.json: is a symbolic link", link(STATE, "elsewhere.json")),
    Wrong(RESUME, "names '../config.json', which is no file of its own",
          change(f"{MADE}/manifest.json", "files", **{"../config.json": {"bytes": 1, "blake2b": ""}})),
    Wrong(RESUME, "model has changed since the run", put("llama/model.safetensors", "run/model/model.safetensors")),
    Wrong(RESUME, "model has changed since the run", change(*SETTINGS, lora_rank=2)),
    Wrong(RESUME, "head.linear.bias is absent here", change(*SETTINGS, objective={"method": "learned-z-tb"})),
]  # fmt: skip

MISSING_SAFETENSORS = [
    Wrong(NEW, "llama holds no safetensors weights, and pickled ones", remove("llama/model.safetensors")),
    Wrong(NEW, "pickled ones are never loaded",
          all_of(remove("llama/model.safetensors"), write("llama/pytorch_model.bin", PICKLE))),
    Wrong("eval run", "holds no safetensors weights", remove("run/model/model.safetensors")),
    Wrong("sample run", "holds no safetensors weights", remove("run/model/model.safetensors")),
    Wrong("repeat run", "holds no safetensors weights", remove("llama/model.safetensors")),
    Wrong(RESUME, "holds no safetensors weights", remove("llama/model.safetensors")),
    Wrong(RESUME, "learner.safetensors: is not what", sealed(MADE, remove(SAVED))),
    Wrong(RESUME, "published.safetensors: cannot be read", sealed(MADE, remove(f"{MADE}/published.safetensors"))),
    Wrong(NEW, "(No such file or directory: llama/gone.safetensors)",
          all_of(index("gone.safetensors"), move("llama/model.safetensors", "llama/other.safetensors"))),
]  # fmt: skip

TORN_SAFETENSORS = [
    Wrong(NEW, "no model can be loaded from llama", tear("llama/model.safetensors")),
    Wrong(NEW, "no model can be loaded from llama", tear("llama/model.safetensors", 0.01)),
    Wrong(NEW, "no model can be loaded from llama", write("llama/model.safetensors", "")),
    Wrong(NEW, "no model can be loaded from llama", write("llama/model.safetensors", b"\xff" * 8 + b"{}")),
    Wrong("eval run", "no model can be loaded from run/model", tear("run/model/model.safetensors")),
    Wrong("sample run", "no model can be loaded from run/model", tear("run/model/model.safetensors")),
    Wrong(RESUME, "learner.safetensors: is not what a", sealed(MADE, tear(SAVED))),
    Wrong(RESUME, "published.safetensors: cannot be read", sealed(MADE, write(f"{MADE}/published.safetensors", "{"))),
]  # fmt: skip

FOREIGN_SAFETENSORS = [
    Wrong(NEW, "no model can be loaded from llama", write("llama/model.safetensors", PICKLE)),
    Wrong(NEW, "no model can be loaded from llama", put("llama/model.safetensors", "run/replay.sqlite")),
    Wrong(NEW, "lm_head.weight of llama is [10, 48], and its config.json says [28, 16]",
          put("llama/model.safetensors", "enumerable/model.safetensors")),
    Wrong(NEW, "llama lacks 1 of its weights, such as model.norm.weight",
          tensors("llama/model.safetensors", {"model.norm.weight": None})),
    Wrong(NEW, "lm_head.weight of llama is [5, 16]", tensors("llama/model.safetensors", {"lm_head.weight": five})),
    Wrong(NEW, "llama lacks 21 of its weights", put("llama/model.safetensors", SAVED)),
    Wrong(NEW, "index.json of llama names '../text.txt'",
          all_of(index("../text.txt"), move("llama/model.safetensors", "llama/other.safetensors"))),
    Wrong("eval run", "lm_head.weight of run/model is [10, 48]",
          put("run/model/model.safetensors", "enumerable/model.safetensors")),
    Wrong("sample run", "no model can be loaded from run/model", put("run/model/model.safetensors", "text.txt")),
    Wrong(RESUME, "lm_head.weight is float32 [28, 16] here and absent in this learner",
          sealed(MADE, put(SAVED, "llama/model.safetensors"))),
    Wrong(RESUME, "learner.safetensors: is not what", sealed(MADE, put(SAVED, "text.txt"))),
    Wrong(RESUME, "policy.lm_head.weight is float32 [5, 16] here",
          sealed(MADE, tensors(SAVED, {"policy.lm_head.weight": five}))),
    Wrong(RESUME, "weights with digest",
          sealed(MADE, tensors(SAVED, {"policy.lm_head.weight": np.negative}))),
]  # fmt: skip

MISSING_SQLITE = [
    Wrong("replay stopped", "replay.sqlite: is missing; name the replay.sqlite", remove("stopped/replay.sqlite")),
    Wrong("replay run --verify", "run/replay.sqlite: is missing", remove("run/replay.sqlite")),
    Wrong("replay run --export new.parquet", "run/replay.sqlite: is missing", remove("run/replay.sqlite")),
    Wrong("replay empty", "empty/replay.sqlite: is missing"),
    Wrong("replay nowhere --load out.parquet", "nowhere: holds no config.json"),
    Wrong("replay empty --load out.parquet", "empty: holds no config.json"),
    Wrong(RESUME, "stopped/replay.sqlite: is missing, and checkpoint-2 counts on it", remove("stopped/replay.sqlite")),
]  # fmt: skip

TORN_SQLITE = [
    Wrong("replay run", "replay.sqlite: cannot be opened (database disk image is malformed)",
          tear("run/replay.sqlite"), shell=True),
    Wrong("replay run --verify", "replay.sqlite: is truncated", tear("run/replay.sqlite", 0.99)),
    Wrong("replay run --export new.parquet", "cannot be opened", tear("run/replay.sqlite", 0.3)),
    Wrong(LOAD, "cannot be opened", tear("run/replay.sqlite")),
    Wrong(RESUME, "stopped/replay.sqlite: cannot be opened", tear("stopped/replay.sqlite")),
    Wrong("replay run", "file is not a database", blank("run/replay.sqlite", 0, 100)),
    Wrong("replay run", "database disk image is malformed", blank("run/replay.sqlite", 100, 8000)),
    Wrong("replay run --verify", "is damaged: database disk image is malformed",
          blank("run/replay.sqlite", 24576, 9000)),
    Wrong("replay run --verify", "is damaged: trajectories are missing (",
          sql("run/replay.sqlite", "DELETE FROM bodies WHERE seq % 2")),
    Wrong("replay run --export new.parquet", "cannot be read",
          sql("run/replay.sqlite", "UPDATE bodies SET data = x'00'")),
    Wrong("replay run", "cannot be read (Expected `array`, got `int`)",
          sql("run/replay.sqlite", "UPDATE bodies SET data = x'00'")),
    Wrong(RESUME, "names of prompts are missing", sql("stopped/replay.sqlite", "DELETE FROM prompts")),
    Wrong(RESUME, "and its counters say", sql("stopped/replay.sqlite", "DELETE FROM rows WHERE seq % 2")),
    Wrong(LOAD, "replay.sqlite: is damaged", sql("run/replay.sqlite", "UPDATE state SET counts = '{'")),
]  # fmt: skip

FOREIGN_SQLITE = [
    Wrong("replay run", "file is not a database", put("run/replay.sqlite", "text.txt")),
    Wrong("replay run --verify", "file is not a database", put("run/replay.sqlite", "good.jsonl")),
    Wrong("replay run", "is not a replay file", all_of(remove("run/replay.sqlite"), SOMEBODYS)),
    Wrong(LOAD, "is not a replay file", all_of(remove("run/replay.sqlite"), SOMEBODYS)),
    Wrong("replay run", "is empty", write("run/replay.sqlite", "")),
    Wrong("replay run", "has format 9, and this steelyard reads 1", sql("run/replay.sqlite", "PRAGMA user_version=9")),
    Wrong(RESUME, "has format 9, and this steelyard reads 1", sql("stopped/replay.sqlite", "PRAGMA user_version=9")),
    Wrong("replay run", "replay.sqlite: is a directory",
          all_of(remove("run/replay.sqlite"), put("run/replay.sqlite", "full"))),
    Wrong(RESUME, "was begun with seed 1, and 0 is asked for", put("stopped/replay.sqlite", "other/replay.sqlite")),
    Wrong(RESUME, "file is not a database", put("stopped/replay.sqlite", "text.txt")),
    Wrong(RESUME, "was begun with method 'PrioritizedReplay', and 'SingleUse' is asked for",
          change(*SETTINGS, replay={"method": "single-use-queue"})),
    Wrong("replay run", "its settings are damaged",
          sql("run/replay.sqlite", "UPDATE meta SET origin = '{}'")),
    Wrong("replay run", "is damaged: it does not say what it is",
          sql("run/replay.sqlite", "DELETE FROM meta")),
    Wrong("replay run", "no such table: trajectories",
          sql("run/replay.sqlite", "DROP VIEW trajectories")),
    Wrong(LOAD, "was begun with seed 1, and 0 is asked for", put("run/replay.sqlite", "other/replay.sqlite")),
]  # fmt: skip

KINDS = {
    "missing checkpoints": MISSING_CHECKPOINTS,
    "torn checkpoints": TORN_CHECKPOINTS,
    "foreign checkpoints": FOREIGN_CHECKPOINTS,
    "missing safetensors": MISSING_SAFETENSORS,
    "torn safetensors": TORN_SAFETENSORS,
    "foreign safetensors": FOREIGN_SAFETENSORS,
    "missing SQLite files": MISSING_SQLITE,
    "torn SQLite files": TORN_SQLITE,
    "foreign SQLite files": FOREIGN_SQLITE,
}
