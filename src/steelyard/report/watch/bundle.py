"""Modules of the live page as one script, for a file that stands alone: a browser loads no module from beside a file.

Only the forms of `import` and `export` that these modules use are known; a test holds them to it.
"""

import re
from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parent / "page"
_MODULES = {
    "dom": "dom",
    "view": "embedded",
    "trajectory": "trajectory",
    "trajectories": "trajectories",
    "alone": "alone",
}
"""Name by which others import a module -> its file, each after those that it imports."""
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', re.MULTILINE)
_EXPORTED = re.compile(r"^export (?:async )?(?:function|const) (\w+)", re.MULTILINE)
_LISTED = re.compile(r"^export \{([^}]*)\};$", re.MULTILINE)


def bundle(modules: Mapping[str, str] = _MODULES) -> str:
    """The modules, each in a function of its own that returns what it exports."""
    return "\n".join(_wrapped(name, (PAGE / f"{file}.js").read_text("utf-8")) for name, file in modules.items())


def _wrapped(name: str, source: str) -> str:
    listed = [part.strip() for names in _LISTED.findall(source) for part in names.split(",")]
    exported = ", ".join([*_EXPORTED.findall(source), *listed])
    body = _LISTED.sub("", _IMPORT.sub(r"const {\1} = module_\2;", source))
    body = re.sub(r"^export ", "", body, flags=re.MULTILINE)
    return f"const module_{name} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"
