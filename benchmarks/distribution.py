"""What is handed out, installed and used: `python benchmarks/distribution.py runs/dist`, or `make test-dist`.

Takes the newest wheel and source distribution of a directory, installs each into a clean environment, and there trains
`arithmetic` for three steps and runs `steelyard doctor`. Every file of the package that is no Python, such as the
page of `steelyard watch`, must be there as it is in the repository. Prints the sizes and times that README states.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "steelyard"
MODELS = "policy/base/"
"""Where the shipped models lie, in the package."""
DEADLINE_S = 1800.0
TIMES = 7
MB = 1e6


def newest(directory: Path, pattern: str) -> Path:
    """The newest file of a pattern."""
    found = sorted(directory.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit(f"{directory} has no {pattern}: make dist")
    return found[-1]


def run(words: Sequence[str | Path], cwd: Path) -> float:
    """Carry out a command outside the repository; returns the seconds it took. One that fails ends the program."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    began = time.monotonic()
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], sep="\n", file=sys.stderr)
        raise SystemExit(f"{' '.join(map(str, words))}: exit code {done.returncode}")
    return time.monotonic() - began


def package_data() -> list[str]:
    """Files of the package in the repository that are no Python."""
    found = subprocess.run(["git", "ls-files"], cwd=SOURCES, capture_output=True, text=True, timeout=60, check=True)
    return [name for name in found.stdout.splitlines() if not name.endswith(".py")]


def lacking(installed: Path) -> list[str]:
    """Those of them that an installation lacks, or has otherwise."""
    pairs = [(name, installed / name) for name in package_data()]
    return [name for name, path in pairs if not path.is_file() or path.read_bytes() != (SOURCES / name).read_bytes()]


def median_s(words: Sequence[str | Path], cwd: Path) -> float:
    """Seconds that a command takes, the median of some; the first is left out, which compiles."""
    return statistics.median([run(words, cwd) for _ in range(1 + TIMES)][1:])


def use(archive: Path, place: Path) -> Path:
    """Install an archive into a clean environment and use it there; returns the environment."""
    environment = place / archive.name
    run([sys.executable, "-m", "venv", environment], place)
    python = environment / "bin" / "python"
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    took = run([*pip, "--constraint", ROOT / "constraints.txt", archive], place)
    print(f"{archive.name}: installed in {took:.0f} s", flush=True)
    steelyard = environment / "bin" / "steelyard"
    took = run([steelyard, "train", "arithmetic", "--max-steps", "3", "--output-dir", f"{environment}-run"], place)
    print(f"{archive.name}: trained three steps in {took:.1f} s", flush=True)
    run([steelyard, "doctor"], place)
    if wrong := lacking(installed_in(environment)):
        raise SystemExit(f"{archive.name}: not as in the repository: {', '.join(wrong)}")
    print(f"{archive.name}: steelyard doctor is content, and {len(package_data())} files of data are there", flush=True)
    return environment


def installed_in(environment: Path) -> Path:
    """The package in an environment."""
    (found,) = environment.glob("lib/python*/site-packages/steelyard")
    return found


def sizes(wheel: Path) -> tuple[float, float]:
    """MB of a wheel, and of the models in it."""
    with zipfile.ZipFile(wheel) as archive:
        models = sum(e.compress_size for e in archive.infolist() if e.filename.startswith(f"steelyard/{MODELS}"))
    return wheel.stat().st_size / MB, models / MB


def main() -> None:
    """Install both, use both, and print what README states."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, help="where the wheel and the source distribution lie")
    directory = parser.parse_args().directory.resolve()
    wheel, source = newest(directory, "steelyard-*.whl"), newest(directory, "steelyard-*.tar.gz")
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary).resolve()
        environment = use(wheel, place)
        use(source, place)
        whole, models = sizes(wheel)
        python, steelyard = environment / "bin" / "python", environment / "bin" / "steelyard"
        files = (path for path in installed_in(environment).rglob("*") if path.is_file())
        print(f"\nwheel: {whole:.1f} MB, {models:.1f} of them models; source: {source.stat().st_size / MB:.1f} MB")
        print(f"installed: {sum(path.stat().st_size for path in files) / MB:.0f} MB without what it needs")
        print(f"python -c 'import steelyard': {median_s([python, '-c', 'import steelyard'], place):.2f} s")
        print(f"steelyard --help: {median_s([steelyard, '--help'], place):.2f} s")
        print(f"python -c pass: {median_s([python, '-c', 'pass'], place):.2f} s (medians of {TIMES})")


if __name__ == "__main__":
    main()
