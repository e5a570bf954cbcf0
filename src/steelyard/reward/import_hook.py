"""Verifiers' packages that may not hide a lack of memory or stack; a worker loads this file by its path.

Libraries such as math-verify take any exception inside them for "not equal": `except Exception: pass`. Out of memory is
no such answer, and must not become a reward of 0. The named packages are compiled with one clause more in front of
every such `except`, which lets these two errors through; they then end the call, which says so.

    try: ...                                     try: ...
    except Exception: pass                       except (MemoryError, RecursionError): raise
                                                 except Exception: pass
"""

import ast
import re
import sys
from collections.abc import Collection, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

LET_THROUGH = ("MemoryError", "RecursionError")
WIDE = re.compile(rb"\bexcept\b\s*(:|.*Exception|.*RuntimeError)")
"""Clauses that may catch them: a module without any is loaded as it is, from the cache."""


class _Clauses(ast.NodeTransformer):
    def visit_Try(self, node: ast.Try) -> ast.AST:
        self.generic_visit(node)
        if node.handlers:
            names = ast.Tuple([ast.Name(name, ast.Load()) for name in LET_THROUGH], ast.Load())
            node.handlers.insert(0, ast.ExceptHandler(names, None, [ast.Raise()]))
        return node


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType | None:
        """The changed code; neither read from nor written to the cache of compiled modules."""
        source = self.get_data(self.path)
        if not WIDE.search(source):
            return super().get_code(fullname)
        tree = _Clauses().visit(ast.parse(source))
        return compile(ast.fix_missing_locations(tree), self.path, "exec", dont_inherit=True)


class _Finder:
    def __init__(self, packages: Collection[str]) -> None:
        self.packages = packages

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in self.packages:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def install(packages: Collection[str]) -> None:
    """Load these packages so from now on; call it before they are imported."""
    sys.meta_path.insert(0, _Finder(packages))
