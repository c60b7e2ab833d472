"""Whether an expression fits the types of its signals: what would be unknown or false for ever is refused when read."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, Final, TypeAlias

from rules import closures
from rules.expressions import CONSTANTS, Expression, Source, parsed
from rules.problems import InputError, quoted
from rules.windowed import CHANGED, NUMERIC

Type: TypeAlias = str
"""`number`, `text` or `boolean`, as assets.yaml has it; "" where nothing is known."""
NUMBER: Final = "number"
TEXT: Final = "text"
BOOLEAN: Final = "boolean"
UNKNOWN: Final = ""
NOT_NUMBERS: Final = frozenset({TEXT, BOOLEAN})
CORRECT: Final = "correct the expression, or `type` in assets.yaml"


def mistake(expression: Expression, types: Mapping[str, Type], *, condition: bool = True) -> InputError | None:
    """The first thing in an expression that can never work, its signals being of these types; None if all may."""
    source = Source(expression.text)
    try:
        tree = parsed(source)
        found = _Typing(source, types).of(tree)
        if condition:
            _no_text(found, "the expression")
    except InputError as error:
        return error
    return None


def compared(expression: Expression) -> list[tuple[str, str]]:
    """Every signal that is compared with a text, and the text."""
    source = Source(expression.text)
    found = []
    for node in ast.walk(parsed(source)):
        operands = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        meanings = [source.meanings.get(getattr(operand, "id", ""), ("", "")) for operand in operands]
        for pair in pairwise(meanings):
            texts = [text for kind, text in pair if kind == "text"]
            found += [(name, text) for kind, name in pair if kind in {"signal", "word"} for text in texts]
    return found


def _no_text(found: Type, what: str) -> None:
    if found == TEXT:
        raise InputError(f"{what} is a text, and a text is neither true nor false", "compare it: mode == 'running'")


class _Typing:
    """Follows the syntax tree and raises at the first thing that does not fit."""

    def __init__(self, source: Source, types: Mapping[str, Type]) -> None:
        self._source = source
        self._types = types

    def of(self, node: ast.expr) -> Type:
        """The type of what a node gives."""
        return self._RULES[type(node)](self, node)

    def _logic(self, node: Any) -> Type:
        for operand in node.values if isinstance(node, ast.BoolOp) else (node.operand,):
            _no_text(self.of(operand), self._words(operand))
        return BOOLEAN

    def _choice(self, node: Any) -> Type:
        _no_text(self.of(node.test), self._words(node.test))
        first, second = self.of(node.body), self.of(node.orelse)
        return first if first == second else UNKNOWN

    def _comparison(self, node: Any) -> Type:
        nodes = [node.left, *node.comparators]
        types = [self.of(operand) for operand in nodes]
        for n, op in enumerate(node.ops):
            if TEXT in (pair := types[n : n + 2]) and set(pair) & {NUMBER, BOOLEAN}:
                text, other = sorted(zip(nodes[n : n + 2], pair, strict=True), key=lambda one: one[1] != TEXT)
                equal = isinstance(op, (ast.Eq, ast.NotEq))
                relation = "never equals" if equal else "is neither above nor below"
                raise InputError(f"{self._words(text[0])} is a text: it {relation} a {other[1]}", CORRECT)
        return BOOLEAN

    def _arithmetic(self, node: Any) -> Type:
        operands = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.operand,)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self._logic(node)
        return self._number(operands)

    def _call(self, node: Any) -> Type:
        name = self._meaning(node.func)[1]
        signal = self._meaning(node.args[0])[1] if node.args else ""
        looks_back = name not in closures.FUNCTIONS or any(self._meaning(a)[0] == "duration" for a in node.args)
        if not looks_back:
            return self._number(node.args)
        if name in NUMERIC and (kind := self._types.get(signal, UNKNOWN)) in NOT_NUMBERS:
            message = f"{name}() is for numbers: the signal {quoted(signal)} is a {kind}"
            raise InputError(message, "write changed(), or correct `type` in assets.yaml")
        return BOOLEAN if name == CHANGED else NUMBER

    def _number(self, operands: Any) -> Type:
        for operand in operands:
            if (found := self.of(operand)) in NOT_NUMBERS:
                raise InputError(f"{self._words(operand)} is a {found}, and one calculates with numbers", CORRECT)
        return NUMBER

    def _name(self, node: Any) -> Type:
        kind, name = self._meaning(node)
        if kind == "text":
            return TEXT
        if kind == "duration":
            return NUMBER
        if kind == "word" and name in CONSTANTS:
            return BOOLEAN if isinstance(CONSTANTS[name], bool) else NUMBER
        return self._types.get(name, UNKNOWN)

    def _constant(self, node: Any) -> Type:
        return BOOLEAN if isinstance(node.value, bool) else NUMBER

    def _meaning(self, node: Any) -> tuple[str, str]:
        return self._source.meanings.get(getattr(node, "id", ""), ("", ""))

    def _words(self, node: Any) -> str:
        kind, name = self._meaning(node)
        return f"the signal {quoted(name)}" if kind in {"signal", "word"} else repr(name) if kind else "a part of it"

    _RULES: Final[dict[type[ast.expr], Callable[[_Typing, Any], Type]]] = {
        ast.BoolOp: _logic,
        ast.IfExp: _choice,
        ast.Compare: _comparison,
        ast.BinOp: _arithmetic,
        ast.UnaryOp: _arithmetic,
        ast.Call: _call,
        ast.Name: _name,
        ast.Constant: _constant,
    }
