"""A small model on disk: one file of facts, which say what it is, and one of tensors, its numbers.

What reads stands inside `file_errors`, which makes one line of all that can be wrong with such files.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from torch import Tensor

from steelyard.core.config import decode, encode
from steelyard.core.errors import SteelyardError, first_line
from steelyard.core.json import JsonMapping, JsonObject

Settings = TypeVar("Settings")


def write_facts(facts: JsonMapping, file: Path) -> None:
    """Write facts as JSON to read; the directory is made where it is absent."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=2) + b"\n")


def write_settings(settings: object, file: Path) -> None:
    """Write a dataclass of settings likewise."""
    write_facts(encode(settings), file)


def write_tensors(tensors: Mapping[str, Tensor], file: Path, **noted: str) -> None:
    """Write tensors, wherever they are; the directory is made where it is absent.

    Args:
        tensors: name -> numbers.
        file: a .safetensors file.
        noted: what its header says beside the format.
    """
    from safetensors.torch import save_file

    file.parent.mkdir(parents=True, exist_ok=True)
    own = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(own, file, {"format": "pt", **noted})


def read_facts(file: Path) -> JsonObject:
    """What `write_facts` wrote; inside `file_errors`."""
    return msgspec.json.decode(file.read_bytes(), type=JsonObject)


def read_settings(file: Path, cls: type[Settings]) -> Settings:
    """What `write_settings` wrote, an instance of `cls`; inside `file_errors`."""
    found = decode(read_facts(file), cls, where=str(file))
    if not isinstance(found, cls):
        raise TypeError(f"{type(found).__name__} is no {cls.__name__}")
    return found


def read_tensors(file: Path) -> dict[str, Tensor]:
    """What `write_tensors` wrote, on the processor; inside `file_errors`."""
    from safetensors.torch import load_file

    return load_file(file)


@contextmanager
def file_errors(what: str, *, where: str, hint: str) -> Iterator[None]:
    """Inside the `with`, what a missing or damaged file makes libraries raise becomes one line.

    Args:
        what: what cannot be had; the library's own words follow in brackets.
        where: the file or directory.
        hint: what to do about it.

    Raises:
        SteelyardError: one of the libraries raised; one that is raised inside comes out as it is.
    """
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else first_line(error)
        raise SteelyardError(f"{what} ({told})", where=where, hint=hint) from error
