"""`python -m steelyard.check.method_files ID`: the files of one method in a source tree, for `make check ID=...`."""

import inspect
import sys
from pathlib import Path

from steelyard.check.rooms import import_rooms
from steelyard.core import SteelyardError, find, require


def method_files(id: str) -> list[Path]:
    """A method's own file, its proof, its recipe, and the tests of these, as far as they are there.

    Raises:
        SteelyardError: there is no such method, or this is no source tree.
    """
    import_rooms()
    card = find(id)
    own = Path(inspect.getfile(card.cls)).resolve()
    package = Path(__file__).resolve().parents[1]
    tests = package.parents[1] / "tests"
    require(tests.is_dir(), "is no source tree", where=str(tests.parent), hint="check it where its tests are")
    name = id.replace("-", "_")
    found = [
        own,
        package / "experiments" / "proofs" / card.room / f"{name}.py",
        package / "recipes" / f"{name}.py",
        tests / own.relative_to(package).parent / f"test_{own.stem}.py",
        tests / "recipes" / f"test_{name}.py",
    ]
    return [file.relative_to(tests.parent) for file in found if file.is_file()]


if __name__ == "__main__":
    try:
        print(*method_files(sys.argv[1]))
    except SteelyardError as error:
        sys.exit(str(error))
