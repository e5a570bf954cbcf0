"""A vLLM server of our own: started for one engine, watched, and ended with the process that started it.

It listens on a socket in a directory that nobody else can enter, so its development mode, in which it takes weights, is
open to nobody else. Its own processes talk through the same directory and loopback. It asks for a key that is drawn
anew, reads nothing from the network, and sends no usage statistics. What it says goes into a log that stays.
"""

import os
import re
import secrets
import shlex
import socket
import subprocess
import sys
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from steelyard.core import SteelyardError
from steelyard.core.waiting import waiting
from steelyard.rollout import vllm_keeper
from steelyard.rollout.vllm_adapters import LORA_VARIABLE, lora_words
from steelyard.rollout.vllm_client import KEY, UNIX, ServerLostError, ServerRefusesError, VllmClient
from steelyard.rollout.vllm_weights import MEMORY

PROGRAM = ("-m", "vllm.entrypoints.openai.api_server")
"""Not `vllm serve`, which does not start where the package has another name, as the build for processors has."""
LOOK_S = 0.25
"""Seconds between two looks at a server that starts."""
ASK_S = 5.0
"""Seconds that it may take to say that it is there."""
_ERROR = re.compile(rb"\b((?:[A-Z]\w*)?(?:Error|Exception): .*)")
_TAIL = 1 << 20
WHERE = "--vllm.python"


@dataclass(frozen=True)
class Command:
    """What a server is started with."""

    python: str
    """The interpreter of an environment that has vLLM."""
    model: Path
    """The model's directory."""
    dtype: str
    context: int
    """Tokens of prompt and completion together."""
    threads: int
    arguments: str = ""
    """Further arguments of the server."""
    lora_rank: int = 0
    """It takes adapters up to this rank; 0 for none."""

    def words(self, place: Path) -> list[str]:
        """The command line; the server's socket is in the directory `place`."""
        own = {
            "--model": str(self.model.absolute()),
            "--uds": str(place / "socket"),
            "--dtype": self.dtype,
            "--max-model-len": str(self.context),
            "--logprobs-mode": "processed_logprobs",  # those of the distribution that was drawn from
            "--generation-config": "vllm",  # no sampling settings of the model's
            "--seed": "0",
        }
        flags = ("--enable-scale-out", "--skip-tokenizer-init", "--disable-uvicorn-access-log")
        words = [word for pair in own.items() for word in pair] + lora_words(self.lora_rank)
        # Not resolved: an environment's interpreter is known by the path that it is called by.
        python = str(Path(self.python).absolute()) if os.sep in self.python else self.python
        return [python, *PROGRAM, *words, *flags, *shlex.split(self.arguments)]

    def environment(self, place: Path, key: str) -> dict[str, str]:
        """Its environment: that of this process, less what leads its imports astray."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
        defaults = {
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "TORCHINDUCTOR_CACHE_DIR": str(Path.home() / ".cache/vllm/torchinductor"),  # not anew for each server
        }
        return {
            **defaults,
            **kept,
            **({LORA_VARIABLE: "1"} if self.lora_rank else {}),
            KEY: key,
            "VLLM_SERVER_DEV_MODE": "1",
            "VLLM_HOST_IP": "127.0.0.1",
            "VLLM_RPC_BASE_PATH": str(place),
            "TMPDIR": str(place),
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "HF_HUB_OFFLINE": "1",
            "OMP_NUM_THREADS": str(self.threads),
        }


class VllmServer:
    """A server that is starting or there. It ends with `close`, with this object, or with this process.

    Args:
        command: what it is started with.
        log: the file that takes what it says; its directory is made.
        deadline_s: of the answers that its `client` waits for.

    Raises:
        SteelyardError: the interpreter cannot be started, or the log not be written.
    """

    def __init__(self, command: Command, log: Path, deadline_s: float) -> None:
        self.log = log
        place = Path(mkdtemp(prefix="steelyard-vllm-", dir=MEMORY if MEMORY.is_dir() else None))
        key = secrets.token_hex(32)
        self.client = VllmClient(f"{UNIX}{place / 'socket'}", deadline_s, key)
        self._tie, theirs = socket.socketpair()
        words = [sys.executable, "-I", vllm_keeper.__file__, str(theirs.fileno()), str(place), *command.words(place)]
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("wb") as file:
                self.process = subprocess.Popen(
                    words,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # Ctrl-C is for this process, which ends the server
                    env=command.environment(place, key),
                )
        except OSError as error:
            what = f"no server can be started ({error.strerror}: {error.filename})"
            raise SteelyardError(what, where=WHERE, hint="look at the disk, and at the limit of processes") from error
        finally:
            theirs.close()
        self._end = weakref.finalize(self, _end, self._tie, self.process)

    def wait(self, seconds: float) -> None:
        """Wait until it answers.

        Raises:
            SteelyardError: it ends before, or does not answer within so many seconds.
        """
        until = time.monotonic() + seconds
        with waiting("starting a vLLM server", ends=True):
            while not self._answers():
                if (why := self.why_gone()) is not None:
                    hint = f"see {self.log}; what vLLM takes is said by {' '.join(PROGRAM)} --help"
                    raise SteelyardError(f"the server {why} at its start", where=WHERE, hint=hint)
                if time.monotonic() > until:
                    self.close()
                    hint = f"see {self.log}, or raise --vllm.start-deadline"
                    raise SteelyardError(f"the server did not start within {seconds:g} s", where=WHERE, hint=hint)
                time.sleep(LOOK_S)

    def why_gone(self) -> str | None:
        """How it ended, with the first error in its log; None while it runs."""
        code = self.process.poll()
        if code is None:
            return None
        how = f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"
        said = first_error(self.log)
        return f"{how} ({said})" if said else how

    def close(self) -> None:
        """End it, with all its processes."""
        self._end()

    def _answers(self) -> bool:
        try:
            self.client.get("/health", deadline_s=ASK_S)
        except (ServerLostError, ServerRefusesError):
            return False
        return True


def first_error(log: Path) -> str:
    """What the first line of a log that names an exception says of it, warnings aside; empty where none does."""
    with log.open("rb") as file:
        lines = file.read(_TAIL).splitlines()
    found = (_ERROR.search(line) for line in lines if b"WARNING" not in line)
    first = next((match for match in found if match is not None), None)
    return "" if first is None else first[1].decode(errors="replace").strip()[:200]


def _end(tie: socket.socket, keeper: "subprocess.Popen[bytes]") -> None:
    """Let go: the keeper ends the server and then itself."""
    tie.close()
    try:
        keeper.wait(2 * vllm_keeper.GRACE_S)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()


def found_version(python: str, seconds: float) -> str:
    """The version of vLLM in the environment of an interpreter, which is asked without importing vLLM.

    Raises:
        SteelyardError: there is no such interpreter, or it has no vLLM.
    """
    code = (
        "import importlib.util as u, pathlib, runpy; s = u.find_spec('vllm'); "
        "print(runpy.run_path(str(pathlib.Path(s.origin).with_name('_version.py')))['__version__'])"
    )
    hint = "name the interpreter of an environment with vLLM, such as /path/to/venv/bin/python"
    try:
        done = subprocess.run([python, "-I", "-c", code], capture_output=True, timeout=seconds, check=False)
    except OSError as error:
        raise SteelyardError(f"{python!r} cannot be run ({error.strerror})", where=WHERE, hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise SteelyardError(f"{python!r} says nothing for {seconds:g} s", where=WHERE, hint=hint) from error
    if done.returncode:
        raise SteelyardError(f"{python!r} has no vLLM", where=WHERE, hint=hint)
    return done.stdout.decode(errors="replace").strip()
