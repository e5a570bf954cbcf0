"""What decides a verdict apart from the figures, as two digests: what is claimed, and how it is measured.

    claims    ours, and each claim's text, metric, baseline, margin, direction, scale, arm and control
    measure   the source of all that PROOF reaches in its module: functions, arms, settings

The source is taken as a syntax tree, so comments, docstrings, annotations and layout do not count. Names that moved
(`core.moved`) are written as they were first: a criterion is unchanged where its mapped form is equal. What lies in
other modules is not the criterion's: a seed is measured again where code that it reaches has changed.
"""

import ast
import hashlib
import inspect
from collections.abc import Iterator, Mapping

from steelyard.core import SteelyardError
from steelyard.core.moved import first_name
from steelyard.experiments.harness.proof import AnyProof
from steelyard.runtime import to_json

_NO_MEANING = ("annotation", "returns", "ctx", "kind", "type_comment", "type_params")
"""Fields of a syntax tree that change nothing, or that not every Python has."""
_EMPTY = (None, [])
_NOT_MEASURED = ("proves", "ours", "control", "equal", "claims", "first_seed", "seeds", "quick")


def claims_digest(proof: AnyProof) -> str:
    """Digest of what is claimed."""
    claims = [
        [
            c.text,
            first_name(c.metric),
            c.baseline,
            c.min_effect,
            c.lower_is_better,
            c.relative,
            c.ours or proof.ours,
            proof.control_of(c),
        ]
        for c in proof.claims
    ]
    return _digest(to_json([proof.ours, claims]))


def measure_digest(proof: AnyProof) -> str:
    """Digest of how it is measured.

    Raises:
        SteelyardError: the source of `measure` cannot be read.
    """
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(proof.measure) or type(proof)))
    except (OSError, TypeError) as error:
        hint = "define it with def in a file"
        raise SteelyardError("has a measure whose source cannot be read", where=proof.proves[0], hint=hint) from error
    defined = {name: node for node in tree.body for name in _defines(node)}
    given = _given(defined.pop("PROOF", None))
    roots = set[str]().union(*map(_reads, given.values())) | {getattr(proof.measure, "__name__", "measure")}
    parts = {name: defined[name] for name in _closure(roots, defined)} | given
    written = {first_name(name): _form(node) for name, node in parts.items()}
    return _digest(to_json(dict(sorted(written.items()))))


def _given(statement: ast.stmt | None) -> dict[str, ast.AST]:
    """What PROOF is given besides its claims and its words: the arms and their settings."""
    call = getattr(statement, "value", None)
    if not isinstance(call, ast.Call):
        return {}
    return {f"PROOF.{k.arg}": k.value for k in call.keywords if k.arg is not None and k.arg not in _NOT_MEASURED}


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _defines(node: ast.stmt) -> Iterator[str]:
    """The names that a statement of a module gives a value, imports left out."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            yield from (each.id for each in ast.walk(target) if isinstance(each, ast.Name))


def _reads(node: ast.AST) -> set[str]:
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}


def _closure(roots: set[str], defined: Mapping[str, ast.stmt]) -> set[str]:
    """All names of the module that the roots reach."""
    reached = set[str]()
    waiting = [name for name in roots if name in defined]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [other for other in _reads(defined[name]) if other in defined]
    return reached


def _form(node: object) -> object:
    """A syntax tree as lists: no docstring, annotation or context, names as they were first, alike in every Python."""
    if isinstance(node, list):
        return [_form(each) for each in node if not _is_text(each)]
    if isinstance(node, str):
        return first_name(node)
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Constant):
        return ["Constant", repr(first_name(node.value) if isinstance(node.value, str) else node.value)]
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in _NO_MEANING and value not in _EMPTY]
    return [type(node).__name__, *([name, _form(value)] for name, value in fields)]


def _is_text(node: object) -> bool:
    """True for a docstring, of a field too."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
