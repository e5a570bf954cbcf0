"""What the sources may not do, found in their syntax trees: names are followed through imports and aliases."""

import ast
from collections.abc import Iterator

MODULES = {
    "pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "dbm", "jsonpickle", "yaml",
    "http.server", "socketserver", "xmlrpc", "flask", "uvicorn", "fastapi", "aiohttp",
}  # fmt: skip
"""Modules that unpickle, that load more than data, or that open ports."""

CALLS = {
    "eval", "exec", "__import__", "pickle.load", "pickle.loads", "pickle.Unpickler",
    "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput",
    "torch.load", "torch.save", "torch.hub.load", "torch.jit.load", "pandas.read_pickle", "tempfile.mktemp",
    "multiprocessing.Process", "multiprocessing.Pool", "multiprocessing.Queue", "multiprocessing.SimpleQueue",
    "multiprocessing.JoinableQueue", "multiprocessing.Manager", "multiprocessing.get_context",
    "multiprocessing.connection.Listener", "multiprocessing.connection.Client",
    "concurrent.futures.ProcessPoolExecutor", "socket.create_server", "asyncio.start_server",
}  # fmt: skip
"""Functions that run code or load objects from data, or listen; processes of multiprocessing pickle what they take."""

METHODS = {"enable_load_extension", "load_extension", "extractall", "recv_pyobj", "send_pyobj", "to_pickle"}
"""The same, of whatever object."""

WITH = {"multiprocessing": {"send", "recv"}, "socket": {"listen"}}
"""The same, where the module imports this: a connection's send pickles what it is given, its send_bytes does not."""


def offences(source: str) -> list[str]:
    """`line: what` for each offence in a module's source."""
    tree = ast.parse(source)
    return [f"{line}: {what}" for line, what in sorted(set(_offences(tree, _aliases(tree))))]


def _offences(tree: ast.Module, aliases: dict[str, str]) -> Iterator[tuple[int, str]]:
    for name, line in _imports(tree):
        if any(name == module or name.startswith(f"{module}.") for module in MODULES):
            yield line, f"imports {name}"
    packages = {name.partition(".")[0] for name in aliases.values()}
    methods = METHODS.union(*(names for package, names in WITH.items() if package in packages))
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _call(node, aliases, methods))
        if isinstance(node, ast.Dict):
            yield from ((node.lineno, what) for what in _remote_code(zip(node.keys, node.values, strict=True)))
        if isinstance(node, ast.Attribute | ast.Name) and _dotted(node, aliases) in CALLS:
            yield node.lineno, f"uses {_dotted(node, aliases)}"  # also where it is only handed on


def _call(node: ast.Call, aliases: dict[str, str], methods: set[str]) -> Iterator[str]:
    name, keywords = _dotted(node.func, aliases), {k.arg: k.value for k in node.keywords}
    if name in ("numpy.load", "numpy.lib.npyio.load") and not _is(keywords.get("allow_pickle"), False):
        yield "numpy.load without allow_pickle=False"
    if "shell" in keywords and not _is(keywords["shell"], False):
        yield "a shell"
    if _is(keywords.get("weights_only"), False):
        yield "weights_only=False"
    yield from _remote_code((ast.Constant(k), v) for k, v in keywords.items())
    if isinstance(node.func, ast.Attribute):
        if node.func.attr in methods:
            yield f"uses .{node.func.attr}"
        if node.func.attr == "bind" and not name.startswith("inspect.signature") and not _is_loopback(node.args):
            yield "a socket bound beyond loopback"


def _remote_code(pairs: object) -> Iterator[str]:
    for key, value in pairs:  # type: ignore[attr-defined]
        if _is(key, "trust_remote_code") and not _is(value, False):
            yield "trust_remote_code that is not False"


def _is(node: ast.AST | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and type(node.value) is type(value) and node.value == value


def _is_loopback(arguments: list[ast.expr]) -> bool:
    address = arguments[0] if arguments else None
    return isinstance(address, ast.Tuple) and any(_is(address.elts[0], host) for host in ("127.0.0.1", "::1"))


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Local name -> what it stands for, by the module's imports, wherever in it they are."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {a.asname or a.name.partition(".")[0]: a.name if a.asname else a.name.partition(".")[0]
                      for a in node.names}  # fmt: skip
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
    return found


def _dotted(node: ast.AST, aliases: dict[str, str]) -> str:
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, aliases)}.{node.attr}"
    return _dotted(node.func, aliases) + "()" if isinstance(node, ast.Call) else "?"


def dynamic_imports(source: str) -> bool:
    """Whether a module imports others by a name that is not in its source."""
    tree = ast.parse(source)
    aliases = _aliases(tree)
    return any(
        isinstance(node, ast.Call)
        and _dotted(node.func, aliases) in ("importlib.import_module", "importlib.util.spec_from_file_location")
        for node in ast.walk(tree)
    )
