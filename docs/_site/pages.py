"""Pages of the site that are not files in docs/: the front page, what lies beside it, and a page of each room's names.

README.md, CONTRIBUTING.md, SECURITY.md and CHANGELOG.md stay where a reader of the repository looks for them, and a
room's page is made of its docstrings. A link to a source file leads to the page of its room.
"""

import ast
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
EXAMPLES = "examples.md"
BESIDE = {"README.md": "index.md", "examples/README.md": EXAMPLES}
BESIDE |= {f"{name}.md": f"{name}.md" for name in ("CONTRIBUTING", "SECURITY", "CHANGELOG")}
"""File of the repository -> page of the site."""
LINK = re.compile(r"(?<=\]\()(?!https?://|#)([^)#\s]+)")


def rooms() -> list[str]:
    """The rooms of the package, by name."""
    found = (ROOT / "src" / "steelyard").glob("*/__init__.py")
    return sorted(path.parent.name for path in found)


def modules(room: str) -> list[str]:
    """The modules of a room whose names the room shows, in the order in which it imports them."""
    tree = ast.parse((ROOT / "src" / "steelyard" / room / "__init__.py").read_text())
    found = (node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module)
    return list(dict.fromkeys(name for name in found if name.startswith(f"steelyard.{room}.")))


def room_page(room: str) -> str:
    """A room's docstring, then each module's, where the equations stand, with its public names."""
    parts = [f"# steelyard.{room}", f"::: steelyard.{room}\n    options:\n      members: false"]
    for module in modules(room):
        parts += [f"## {module.rpartition('.')[2]}", f"::: {module}"]
    return "\n\n".join(parts) + "\n"


def example_files() -> str:
    """Each example as it stands, below the table of them."""
    files = sorted((ROOT / "examples").glob("*.py"))
    return "".join(f"\n## {path.name}\n\n```python\n{path.read_text()}```\n" for path in files)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no files of docs/."""
    for source, page in BESIDE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for room in rooms():
        files.append(File.generated(config, f"api/{room}.md", content=room_page(room)))
    return files


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the rooms' pages in the navigation, which `api/` stands for."""
    inside = next(entry["Inside"] for entry in config.nav or () if "Inside" in entry)
    inside[-1] = {"API": [{f"steelyard.{room}": f"api/{room}.md"} for room in rooms()]}
    return config


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links, as the site has them."""
    here = page.file.src_uri
    origin = next((source for source, name in BESIDE.items() if name == here), f"docs/{here}")

    def placed(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), match[1]))
        return posixpath.relpath(_page_of(target), posixpath.dirname(here) or ".")

    return LINK.sub(placed, markdown) + (example_files() if here == EXAMPLES else "")


def _page_of(target: str) -> str:
    """The page of a path in the repository."""
    if target in BESIDE:
        return BESIDE[target]
    if target.startswith("examples/"):
        return f"{EXAMPLES}#{posixpath.basename(target).replace('.', '')}"
    if target.startswith("docs/evidence"):
        return "evidence/README.md"
    if target.startswith("src/steelyard/"):
        return f"api/{target.split('/')[2]}.md"
    return target.removeprefix("docs/")
