"""Conditions and formulas over signals: compiled once to closures, safe by construction, three-valued.

A missing signal is unknown (None) and unknown spreads; `and`, `or`, `not` follow Kleene's tables. Arithmetic takes
numbers alone, and what has no finite real result is unknown. In comparisons and as a condition a boolean equals 1 or 0,
for controllers send either; text never equals a number, ordering the two is unknown, and text has no truth.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, cast

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from rules import closures, windowed
from rules.bounds import Known
from rules.closures import Closure, Truth
from rules.durations import parse_duration
from rules.events import SECOND, Value
from rules.problems import InputError, quoted, unknown
from rules.windowed import AGE, WindowCall

MAX_LENGTH: Final = 4_000
"""Characters of an expression."""
MAX_NODES: Final = 1_000
MAX_DEPTH: Final = 100
MAX_WINDOWS: Final = 50
"""Different functions of the recent past in one expression."""

CONSTANTS: Final[dict[str, Value]] = {"true": True, "false": False, "pi": math.pi}
WORDS: Final = frozenset({"and", "or", "not", "if", "else", "True", "False"})
"""The words of Python's grammar that are words of ours."""

NOT_BUILT: Final[dict[str, str]] = {
    **dict.fromkeys(
        ["avg", "average", "median", "std", "stddev", "variance", "sum", "integral", "percentile", "delta", "previous"],
        f"this function is not built yet; over a window of time there are {', '.join(windowed.NAMES)}",
    ),
    "asset": 'another asset\'s signal is written asset("line1/oven").zone1',
}
"""Functions that are refused by name, with the reason."""


class ExpressionError(InputError):
    """An expression that is refused: `message`, `hint`, and the `column` (from 1) where it goes wrong."""

    def __init__(self, message: str, hint: str = "", column: int = 1) -> None:
        super().__init__(f"{message} (column {column} of the expression)", hint)
        self.column = column


class ForeignSignal(NamedTuple):
    """A signal of a named asset, as `asset("line1/oven").zone1` names it."""

    asset: str
    signal: str

    @property
    def key(self) -> str:
        """The name by which its value is looked up, and by which people are told of it."""
        quote = "'" if '"' in self.asset else '"'
        return f"asset({quote}{self.asset}{quote}).{self.signal}"


class Crossing(NamedTuple):
    """A comparison that turns by time alone: when what stands under `key` has grown to `limit`."""

    key: str
    limit: Closure


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; equal and hashed by its text.

    `evaluate(values)` gives its value and `holds(values)` its truth, None being unknown; neither ever raises. Of the
    values that `holds` is given no more than bounds may be known. The values of its `windows` are looked up by their
    keys, and so are the `foreign` signals of other assets, whose keys stand among the `signals`. `crossings` are its
    comparisons with an age, `inexact` is the refusal of an age that stands where no instant can be derived from it.
    """

    text: str
    signals: frozenset[str] = field(compare=False, repr=False)
    evaluate: Callable[[Mapping[str, Value]], Value] = field(compare=False, repr=False)
    holds: Callable[[Mapping[str, Known]], bool | None] = field(compare=False, repr=False)
    windows: tuple[WindowCall, ...] = field(default=(), compare=False, repr=False)
    foreign: tuple[ForeignSignal, ...] = field(default=(), compare=False, repr=False)
    crossings: tuple[Crossing, ...] = field(default=(), compare=False, repr=False)
    inexact: ExpressionError | None = field(default=None, compare=False, repr=False)

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        return compile_expression, (self.text,)

    def __str__(self) -> str:
        return self.text


@lru_cache(maxsize=1_024)
def compile_expression(text: str) -> Expression:
    """The expression of a text.

    Raises:
        ExpressionError: the text is too long, too deep, or not of the language.
    """
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"the expression is longer than {MAX_LENGTH} characters", "split it into several rules")
    source = Source(text)
    tree = parsed(source)
    compiler = _Compiler(source)
    evaluate = compiler.value(tree, 0)
    windows = tuple(dict.fromkeys(compiler.windows))
    if len(windows) > MAX_WINDOWS:
        message = f"the expression looks back in more than {MAX_WINDOWS} ways"
        raise ExpressionError(message, "split it into several rules")
    return Expression(
        text,
        frozenset(compiler.signals),
        cast("Callable[[Mapping[str, Value]], Value]", evaluate),
        compiler.truth(tree, evaluate),
        windows,
        tuple(sorted(source.foreign)),
        tuple(compiler.crossings),
        compiler.inexact,
    )


_TOKEN: Final = re.compile(
    r"asset\s*\(\s*(?P<mark>['\"])(?P<asset>(?:(?!(?P=mark))[^\r\n])+)(?P=mark)"
    r"\s*\)\s*\.\s*(?:`(?P<odd>[^`\r\n]+)`|(?P<plain>[^\W\d]\w*))"
    r"|(?P<quote>['\"])(?P<text>[^\r\n]*?)(?P=quote)"
    r"|`(?P<name>[^`\r\n]+)`"
    r"|(?P<word>[^\W\d]\w*)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<tail>\w*)"
    r"|(?P<operator>\*\*|//|[=!<>]=|[-+*/%<>(),])"
    r"|(?P<space>\s+)"
)
_CALLED: Final = re.compile(r"\s*\(")
_FOREIGN: Final[dict[str, str]] = {
    "=": "write == to compare",
    "&": "write and",
    "|": "write or",
    "!": "write not, or != for unequal",
    "^": "write ** for a power",
    "'": "a text ends with the quote it began with, in the same line",
    '"': "a text ends with the quote it began with, in the same line",
    "`": "a signal's name ends with the backquote it began with",
    ".": "a name with dots or slashes stands in backquotes: `zone.temperature`",
}


class Source:
    """A text rewritten for Python's parser: names and texts become plain words, anything unexpected is refused.

    `meanings` says of each such word what it stands for: its kind (signal, text, word, duration), and as written.
    """

    def __init__(self, text: str) -> None:
        self.meanings: dict[str, tuple[str, str]] = {}
        self.foreign: set[ForeignSignal] = set()
        self._origins: list[int] = []
        rewritten = "".join(self._pieces(text))
        self.python = rewritten.lstrip()
        del self._origins[: len(rewritten) - len(self.python)]

    def column(self, position: int) -> int:
        """The column in the written text, from 1, of a position in the rewritten one."""
        return self._origins[min(position, len(self._origins) - 1)] + 1 if self._origins else 1

    def _pieces(self, text: str) -> Iterable[str]:
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            if token is None:
                raise ExpressionError(
                    f"{quoted(text[position])} has no meaning here", _FOREIGN.get(text[position], ""), position + 1
                )
            piece = self._rewritten(token)
            self._origins += [position] * len(piece)
            position = token.end()
            yield piece

    def _rewritten(self, token: re.Match[str]) -> str:
        if token["space"]:
            return " "
        if token["asset"] is not None:
            other = ForeignSignal(token["asset"], token["odd"] or token["plain"])
            self.foreign.add(other)
            return self._placeholder("signal", other.key)
        if token["name"] is not None:
            return self._placeholder("signal", token["name"])
        if token["text"] is not None:
            return self._placeholder("text", token["text"])
        if token["word"]:
            _refuse_not_built(token)
            return self._word(token["word"], token.start() + 1)
        if token["tail"]:
            return self._duration(token["number"] + token["tail"], token.start() + 1)
        return f"{token[0]} "

    def _word(self, word: str, column: int) -> str:
        if word in WORDS:
            return f" {word} "
        if word.lower() in WORDS:
            raise ExpressionError(f"{quoted(word)} is written in small letters", f"write {word.lower()}", column)
        if keyword.iskeyword(word):
            raise ExpressionError(
                f"{quoted(word)} is a reserved word", "a signal of that name stands in backquotes", column
            )
        return self._placeholder("word", word)

    def _duration(self, text: str, column: int) -> str:
        try:
            parse_duration(text)
        except InputError:
            hint = "a name begins with a letter"
            raise ExpressionError(f"{quoted(text)} is not a number", hint, column) from None
        return self._placeholder("duration", text)

    def _placeholder(self, kind: str, meaning: str) -> str:
        placeholder = f"_{len(self.meanings)}"
        self.meanings[placeholder] = (kind, meaning)
        return f" {placeholder} "


def _refuse_not_built(token: re.Match[str]) -> None:
    reason = NOT_BUILT.get(token["word"])
    if reason and _CALLED.match(token.string, token.end()):
        raise ExpressionError(f"{token['word']}(): {reason}", "", token.start() + 1)


def parsed(source: Source) -> ast.expr:
    """The syntax tree of a text.

    Raises:
        ExpressionError: it is none of the language's.
    """
    if not source.python:
        raise ExpressionError("the expression is empty", "write a condition, for example: temperature > 80")
    try:
        return ast.parse(source.python, mode="eval").body
    except SyntaxError as error:
        column = source.column((error.offset or 1) - 1)
        raise ExpressionError(
            "this is not an expression", "for example: temperature > 80 and mode == 3", column
        ) from None
    except (RecursionError, MemoryError, ValueError):
        raise ExpressionError("the expression is nested too deeply", "split it into several rules") from None


class _Compiler:
    """Puts closures together along the syntax tree; whatever is not in its tables is refused."""

    def __init__(self, source: Source) -> None:
        self.signals: set[str] = set()
        self.windows: list[WindowCall] = []
        self.crossings: list[Crossing] = []
        self.inexact: ExpressionError | None = None
        self._source = source
        self._nodes = 0
        self._turning: set[ast.expr] = set()
        self._keys: dict[ast.expr, str] = {}
        self._bounding: set[ast.AST] = set()

    def value(self, node: ast.expr, depth: int) -> Closure:
        """The closure of a node `depth` levels down."""
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            raise self._error(node, "the expression is too large", "split it into several rules")
        build = self._BUILDERS.get(type(node))
        if build is None:
            raise self._error(node, f"{type(node).__name__.lower()} is not part of an expression")
        return build(self, node, depth + 1)

    def truth(self, node: ast.expr, value: Closure) -> Truth:
        """The closure of a node as a condition."""
        is_truth = isinstance(node, (ast.BoolOp, ast.Compare)) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        )
        return cast("Truth", value) if is_truth else closures.as_truth(value, bounded=self._bounded(node))

    def _condition(self, node: ast.expr, depth: int) -> Truth:
        return self.truth(node, self.value(node, depth))

    def _bounded(self, *nodes: ast.expr) -> bool:
        """Whether, in what was compiled of these, only bounds may be known of something."""
        return bool(self._bounding) and any(part in self._bounding for node in nodes for part in ast.walk(node))

    def _calculation(self, calculate: Callable[..., Any], nodes: list[ast.expr], depth: int) -> Closure:
        operands = [self.value(node, depth) for node in nodes]
        return closures.calculation(calculate, operands, bounded=self._bounded(*nodes))

    def _logic(self, node: Any, depth: int) -> Closure:
        operands = [self._condition(operand, depth) for operand in node.values]
        return closures.conjunction(operands) if isinstance(node.op, ast.And) else closures.disjunction(operands)

    def _choice(self, node: Any, depth: int) -> Closure:
        condition = self._condition(node.test, depth)
        return closures.choice(condition, self.value(node.body, depth), self.value(node.orelse, depth))

    def _comparison(self, node: Any, depth: int) -> Closure:
        nodes: list[ast.expr] = [node.left, *node.comparators]
        ages = [self._age_beside(*link) for link in zip(nodes, node.ops, nodes[1:], strict=False)]
        operands = [self.value(operand, depth) for operand in nodes]
        for n, age in enumerate(ages):
            if age is not None:
                self.crossings.append(Crossing(self._keys[nodes[n + age]], operands[n + 1 - age]))
        tables = (closures.COMPARISONS if age is None else closures.AGEING[age] for age in ages)
        compares = [table[type(op).__name__] for table, op in zip(tables, node.ops, strict=True)]
        bounded = self._bounded(*nodes)
        if len(compares) == 1:
            return closures.comparison(compares[0], *operands, bounded=bounded)
        return closures.chain(compares, operands, bounded=bounded)

    def _age_beside(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> int | None:
        """Which side of a comparison is an age (0 left, 1 right) whose turning can be foretold; None if none is."""
        for side, (one, other) in enumerate(((left, right), (right, left))):
            if self._is_age(one) and type(op).__name__ in closures.AGEING[side] and not self._has_age(other):
                self._turning.add(one)
                return side
        return None

    def _is_age(self, node: ast.AST) -> bool:
        return isinstance(node, ast.Call) and self._meaning(node.func) == ("word", AGE)

    def _has_age(self, node: ast.AST) -> bool:
        return any(map(self._is_age, ast.walk(node)))

    def _binary(self, node: Any, depth: int) -> Closure:
        return self._calculation(closures.ARITHMETIC[type(node.op).__name__], [node.left, node.right], depth)

    def _unary(self, node: Any, depth: int) -> Closure:
        if isinstance(node.op, ast.Not):
            return closures.negation(self._condition(node.operand, depth))
        negated = self._calculation(closures.ARITHMETIC[type(node.op).__name__], [node.operand], depth)
        return closures.constant(negated({})) if isinstance(node.operand, ast.Constant) else negated

    def _call(self, node: Any, depth: int) -> Closure:
        name = self._function_name(node)
        if name == AGE:
            return self._age(node)
        if name not in closures.FUNCTIONS or any(self._meaning(argument)[0] == "duration" for argument in node.args):
            return self._window(name, node)
        calculate, least, most = closures.FUNCTIONS[name]
        if not least <= len(node.args) <= most or node.keywords:
            takes = str(least) if least == most else f"{least} to {most}"
            raise self._error(node, f"{name}() takes {takes} value{'s' * (most > 1)}")
        return self._calculation(calculate, node.args, depth)

    def _function_name(self, node: Any) -> str:
        kind, name = self._meaning(node.func)
        if kind != "word":
            raise self._error(node, "only a function can be called", f"functions: {', '.join(closures.FUNCTIONS)}")
        functions = dict.fromkeys((*closures.FUNCTIONS, *windowed.NAMES, AGE))
        if name not in functions:
            mistake = unknown("function", name, functions)
            raise self._error(node, mistake.message, mistake.hint)
        return name

    def _meaning(self, node: ast.expr) -> tuple[str, str]:
        return self._source.meanings.get(getattr(node, "id", ""), ("", ""))

    def _window(self, name: str, node: Any) -> Closure:
        meanings = [self._meaning(argument) for argument in node.args]
        kinds = [kind for kind, _ in meanings]
        if name not in windowed.NAMES or node.keywords or kinds not in (["word", "duration"], ["signal", "duration"]):
            hint = f"for example: {name if name in windowed.NAMES else 'mean'}(speed, 5m)"
            raise self._error(node, f"{name}() over a window of time takes a signal and a time", hint)
        (_, signal), (_, written) = meanings
        if (length := parse_duration(written)) <= 0:
            raise self._error(node.args[1], f"the time {quoted(written)} is too short", "write 5m")
        return self._look_back(WindowCall(name, signal, length), node)

    def _age(self, node: Any) -> Closure:
        kinds = [self._meaning(argument) for argument in node.args]
        if node.keywords or len(kinds) != 1 or kinds[0][0] not in {"word", "signal"}:
            raise self._error(node, "age() takes a signal", "for example: age(level) > 60, in seconds")
        call = WindowCall(AGE, kinds[0][1], 0)
        self._keys[node] = call.key
        if node not in self._turning and self.inexact is None:
            hint = "write it by itself on one side of <, <=, > or >=, for example: age(level) > 60"
            self.inexact = self._error(node, "when an age would turn this true or false cannot be foretold", hint)
        return self._look_back(call, node)

    def _look_back(self, call: WindowCall, node: ast.expr) -> Closure:
        if call.function in windowed.BOUNDING:
            self._bounding.add(node)
        self.windows.append(call)
        self.signals.add(call.signal)
        return closures.signal(call.key)

    def _name(self, node: Any, _depth: int) -> Closure:
        kind, name = self._source.meanings[node.id]
        if kind == "text":
            return closures.constant(name)
        if kind == "duration":
            return closures.constant(parse_duration(name) / SECOND)
        if kind == "word" and name in CONSTANTS:
            return closures.constant(CONSTANTS[name])
        if kind == "word" and name in closures.FUNCTIONS:
            raise self._error(node, f"{quoted(name)} is a function", "a signal of that name stands in backquotes")
        self.signals.add(name)
        return closures.signal(name)

    def _constant(self, node: Any, _depth: int) -> Closure:
        if isinstance(node.value, bool):
            return closures.constant(node.value)
        try:
            number = float(node.value)
        except (OverflowError, TypeError, ValueError):
            number = math.inf
        if not math.isfinite(number):
            raise self._error(node, "the number is too large", "numbers go up to 1.7e308")
        return closures.constant(number)

    def _error(self, node: ast.expr, message: str, hint: str = "") -> ExpressionError:
        return ExpressionError(message, hint, self._source.column(node.col_offset))

    _BUILDERS: Final[dict[type[ast.expr], Callable[[_Compiler, Any, int], Closure]]] = {
        ast.BoolOp: _logic,
        ast.IfExp: _choice,
        ast.Compare: _comparison,
        ast.BinOp: _binary,
        ast.UnaryOp: _unary,
        ast.Call: _call,
        ast.Name: _name,
        ast.Constant: _constant,
    }


def _condition(value: Any) -> Expression:
    expression = _any(value)
    if expression.inexact is not None:
        raise expression.inexact
    return expression


def _present(value: Any) -> Expression:
    expression = _any(value)
    if expression.windows:
        message = f"{expression.windows[0]} looks back, and a computed signal is of the present alone"
        raise InputError(message, "write it in the expression of a rule")
    return expression


def _any(value: Any) -> Expression:
    if isinstance(value, Expression):
        return value
    if isinstance(value, bool):
        return compile_expression("true" if value else "false")
    if isinstance(value, str) or (isinstance(value, (int, float)) and math.isfinite(value)):
        return compile_expression(str(value))
    raise ExpressionError("an expression is written as text", 'for example: when: "mode == 3"')


ExpressionField: TypeAlias = Annotated[
    Expression,
    PlainValidator(_condition),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["temperature > 80 and mode == 3", "mean(temperature, 5m) > 80"]}),
]
"""A pydantic field: a condition, as text (or a plain number or truth value), compiled once read."""

ValueField: TypeAlias = Annotated[
    Expression,
    PlainValidator(_any),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["torque * speed", "mean(temperature, 5m)"]}),
]
"""The same for an expression that is asked for its value only when there is something to say."""

FormulaField: TypeAlias = Annotated[
    Expression,
    PlainValidator(_present),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "examples": ["torque * speed"]}),
]
"""The same for a signal that is computed: of the present alone."""
