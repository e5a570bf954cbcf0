"""No source of the package unpickles, evaluates text, trusts remote code, opens a port, or imports what data names."""

from pathlib import Path

import pytest
from offences import dynamic_imports, offences

import steelyard

ROOT = Path(steelyard.__file__).parent
SOURCES = sorted(ROOT.rglob("*.py"))

EXEMPT = {
    "check/method.py": ["imports pickle"],
    "report/watch/loopback.py": ["imports uvicorn", "uses .listen"],
}
"""The conformance suite asks whether others could pickle a method. It dumps, and never loads. The live page is served
on loopback, behind a token, as long as `steelyard watch` runs."""

BAD = [
    "import pickle",
    "import pickle\npickle.loads(x)",
    "from pickle import Unpickler as U\nU(f)",
    "from pickle import loads",
    "import cloudpickle as c",
    "import dill",
    "import marshal",
    "import shelve",
    "import joblib",
    "import yaml",
    "from http import server",
    "import http.server",
    "import socketserver",
    "import torch\ntorch.load('x')",
    "import torch as t\nt.load(f, weights_only=True)",
    "from torch import load\nload('x')",
    "from torch import load as l\nl('x')",
    "import torch\nf = torch.load",
    "import torch\ntorch.save(x, 'y')",
    "import numpy as np\nnp.load('x')",
    "import numpy as np\nnp.load('x', allow_pickle=True)",
    "from numpy import load\nload('x')",
    "import numpy as np\nnp.load('x', allow_pickle=flag)",
    "M.from_pretrained(x, trust_remote_code=True)",
    "M.from_pretrained(x, trust_remote_code=flag)",
    "options = {'trust_remote_code': True}",
    "options = {'trust_remote_code': 0}",
    "eval('1')",
    "exec('1')",
    "run = eval",
    "__import__('os')",
    "import os\nos.system('x')",
    "from os import system\nsystem('x')",
    "import os\nos.popen('x')",
    "import subprocess\nsubprocess.run('x', shell=True)",
    "import subprocess as s\ns.Popen('x', shell=flag)",
    "from multiprocessing import Process\nProcess()",
    "import multiprocessing as mp\nmp.Queue()",
    "from concurrent.futures import ProcessPoolExecutor\nProcessPoolExecutor()",
    "from multiprocessing import Pipe\na, b = Pipe()\na.send(x)",
    "from multiprocessing.connection import Connection\ndef f(c): return c.recv()",
    "import socket\ns = socket.socket()\ns.bind(('0.0.0.0', 1))",
    "import socket\ns.bind(address)",
    "import socket\ns.listen()",
    "import socket\nsocket.create_server(('127.0.0.1', 1))",
    "connection.enable_load_extension(True)",
    "archive.extractall('.')",
    "import tempfile\ntempfile.mktemp()",
    "torch.load(x)",
]
GOOD = [
    "import json",
    "import numpy as np\nnp.load('x', allow_pickle=False)",
    "from safetensors.torch import load_file\nload_file('x')",
    "options = {'trust_remote_code': False}",
    "M.from_pretrained(x, trust_remote_code=False)",
    "model.eval()",
    "loader.exec_module(m)",
    "import subprocess\nsubprocess.run(['git'])",
    "import subprocess\nsubprocess.run(['x'], shell=False)",
    "from multiprocessing import Pipe\na, b = Pipe()\na.send_bytes(x)\nb.recv_bytes()",
    "import socket\npipe.recv(4)",
    "import socket\ns.bind(('127.0.0.1', 0))",
    "import inspect\ninspect.signature(f).bind(x)",
    "import torch\ntorch.loads",
    "curriculum.load(x)",
    "crew.listen()",
    "crew.send(x)",
]


@pytest.mark.parametrize("source", BAD)
def test_the_checker_finds(source):
    assert offences(source)


@pytest.mark.parametrize("source", GOOD)
def test_the_checker_leaves_alone(source):
    assert offences(source) == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_sources_are_clean(path):
    found = [what.partition(": ")[2] for what in offences(path.read_text(encoding="utf-8"))]
    assert found == EXEMPT.get(str(path.relative_to(ROOT)), [])


def test_all_sources_are_read():
    assert len(SOURCES) > 100


def test_modules_are_imported_by_name_in_few_places():
    """Each has its own rule for which names; a new one must have one, too."""
    places = {str(path.relative_to(ROOT)) for path in SOURCES if dynamic_imports(path.read_text(encoding="utf-8"))}
    assert places == {
        "check/rooms.py",  # packages of this package
        "cli/__init__.py",  # the commands in its own table
        "cli/check_command.py",  # the module that the user names, to be checked
        "core/modules.py",  # recipes, studies and benchmarks, below steelyard
        "core/config.py",  # methods of this package, and modules that the user trusts
        "experiments/bench/__init__.py",  # the parts in its own table
        "experiments/bench/peers/torchrl_buffer.py",  # the compiled part of the torchrl that is installed
        "experiments/bench/peers/trl_grpo.py",  # trl and datasets, which need not be installed
        "experiments/harness/proof_index.py",  # the proofs of this package
        "report/track/mirror.py",  # the trackers in its own table, whose packages need not be installed
        "runtime/__init__.py",  # its own names
        "task/openenv_client.py",  # websockets, which need not be installed
        "task/textarena_game.py",  # textarena, which need not be installed
        "task/taskset_worker.py",  # the function that loads what the user names, in a process of its own
        "task/gym_worker.py",  # the file beside it, in a process that does not import the package
        "reward/worker.py",  # the function that the user names, in a process of its own
    }


def test_what_is_shipped_is_data():
    kinds = {path.suffix for path in ROOT.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert kinds <= {".py", ".typed", ".json", ".safetensors", ".jinja", ".css", ".md", ".txt", ".html", ".js", ".svg"}
