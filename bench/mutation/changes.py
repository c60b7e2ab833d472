"""What mutation testing changes: one thing of a module is made different, missing or confused."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import NamedTuple

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
UNTOUCHED = {"annotation", "returns", "decorator_list", "type_params"}


class Mutant(NamedTuple):
    """A change, made by `apply` to the tree in which it was found."""

    line: int
    what: str
    apply: Callable[[], None]
    inside: bool
    """Whether it lies in a function, so that the module need not be imported again."""


def mutants(node: ast.AST, inside: bool = False) -> Iterator[Mutant]:
    """Every change that is tried below a node, in the order of the source."""
    for name, value in ast.iter_fields(node):
        within = inside or (isinstance(node, ast.FunctionDef) and name == "body")
        if name in UNTOUCHED or (isinstance(value, ast.AST) and _passed_over(value)):
            continue
        if isinstance(value, list):
            for place, item in enumerate(value):
                if isinstance(item, ast.AST) and not _passed_over(item):
                    yield from _changes(value, place, item, within, node)
                    yield from mutants(item, within)
            if isinstance(node, ast.Dict) and name == "values" and len(value) > 1 and not inside:
                yield from _rows(node)
        elif isinstance(value, ast.AST):
            yield from _changes(vars(node), name, value, within, node)
            yield from mutants(value, within)


def _passed_over(node: ast.AST) -> bool:
    """Docstrings, imports, and what only type checkers read."""
    text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    return text or typing or isinstance(node, (ast.Import, ast.ImportFrom))


def _changes(
    holder: list[ast.AST] | dict[str, ast.AST], place: int | str, node: ast.AST, inside: bool, parent: ast.AST
) -> Iterator[Mutant]:
    line = getattr(node, "lineno", 0)
    for new, what in _replacements(node):

        def apply(new: ast.AST = new) -> None:
            holder[place] = ast.copy_location(new, node) if line else new  # type: ignore[call-overload,index]

        yield Mutant(line or getattr(parent, "lineno", 0), what, apply, inside)


def _replacements(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    if type(node) in OPERATORS:
        new = OPERATORS[type(node)]()
        yield new, f"{type(node).__name__} becomes {type(new).__name__}"
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield node.operand, f"{ast.unparse(node)} loses its sign"
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        new_value = not node.value if isinstance(node.value, bool) else node.value + 1
        yield ast.Constant(new_value), f"{node.value} becomes {new_value}"
    elif isinstance(node, (ast.If, ast.IfExp, ast.While)):
        negated = ast.copy_location(ast.UnaryOp(ast.Not(), node.test), node.test)
        yield type(node)(**{**vars(node), "test": negated}), f"not ({ast.unparse(node.test)})"
    elif isinstance(node, ast.Return):
        if node.value is not None and ast.unparse(node.value) != "None":
            nothing = ast.copy_location(ast.Constant(None), node)
            yield ast.Return(nothing), f"returns None, not {ast.unparse(node.value)}"
    elif isinstance(node, (ast.Assign, ast.AugAssign)) or _is_call(node):
        yield ast.Pass(), f"without: {ast.unparse(node)}"
    elif isinstance(node, ast.Name) and node.id in CALLS:
        yield ast.Name(CALLS[node.id], node.ctx), f"{node.id} becomes {CALLS[node.id]}"


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _rows(table: ast.Dict) -> Iterator[Mutant]:
    """A table without one of its rows, and with the value of the next row."""
    keys, values = list(table.keys), list(table.values)
    for number, key in enumerate(keys):
        if key is None:
            continue

        def drop(number: int = number) -> None:
            del table.keys[number], table.values[number]

        def confuse(number: int = number) -> None:
            table.values[number] = values[(number + 1) % len(values)]

        yield Mutant(key.lineno, f"no row {ast.unparse(key)}", drop, False)
        if ast.dump(values[number]) != ast.dump(values[(number + 1) % len(values)]):
            yield Mutant(key.lineno, f"row {ast.unparse(key)} has the value of the next", confuse, False)
