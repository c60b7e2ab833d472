"""`capability`: whether a process can keep its specification, proven by the confidence bounds of an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import isfinite
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from rules.charting.gauge import FEWEST, Character, Gauge
from rules.charting.grouping import Group, grouping
from rules.charting.keys import Number, Subgroup
from rules.charting.window import MOST, Window
from rules.detectors.base import Beside, Bindings, Detector, DetectorConfig
from rules.durations import format_duration, parse_duration
from rules.events import Duration, Instant
from rules.limit_table import LimitTable, written
from rules.problems import InputError, quoted
from rules.statistics.capability import FEWEST_VALUES, Index, Specification, Verdict
from rules.statistics.limits import LARGEST

MOST_PRODUCTS: Final = 20
"""So many products have a window at a time; the one not made for longest goes."""
Side: TypeAlias = Number | LimitTable | None


class Span(int):
    """A window that is a length of time, not a number of values."""


def _window(value: Any) -> int | Span:
    if isinstance(value, str):
        return Span(parse_duration(value))
    if type(value) is not int or not FEWEST <= value <= MOST:
        raise InputError(f"a window holds {FEWEST} to {MOST} values, or is a time", "window: 100 or window: 8h")
    return value


def _shown(value: int) -> int | str:
    return format_duration(value) if isinstance(value, Span) else value


class CapabilityConfig(DetectorConfig):
    """The alarm says that the process is proven incapable; what is undecided is none.

    Values that are clearly not normal are judged by percentiles; ones that follow each other count for fewer. `cp` and
    `cpk` take the spread within each `subgroup`, without it the one from value to value. `target` is a part of the
    specification that `cpm` alone goes by.
    Values made while a chart of the same signal is out of control are left out, and nothing is judged then. `per` keeps
    a window for each value of a key of the context; a specification may be a table by asset or context.
    """

    type: Literal["capability"]
    signal: str
    lower_spec: Number | LimitTable | None = None
    upper_spec: Number | LimitTable | None = None
    target: Number | LimitTable | None = None
    index: Literal["cp", "cpk", "pp", "ppk", "cpm"] = "ppk"
    at_least: Annotated[float, Field(gt=0, le=100)] = 1.33
    window: Annotated[Any, BeforeValidator(_window), PlainSerializer(_shown, when_used="json")] = FEWEST_VALUES
    per: str | None = None
    distribution: Literal["normal", "any"] = "normal"
    subgroup: Subgroup | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        sides = (self.lower_spec, self.upper_spec)
        try:
            for row in self._rows():
                self.specification(partial(_at_row, row))
        except ValueError as error:
            raise InputError(str(error), "lower_spec: 9.8, upper_spec: 10.2") from None
        if self.distribution == "any" and self.index not in {"pp", "ppk"}:
            raise InputError(f"{quoted(self.index)} assumes normal values", "take index: ppk, or distribution: normal")
        if self.index in {"cp", "pp", "cpm"} and None in sides:
            raise InputError(f"{quoted(self.index)} needs both lower_spec and upper_spec", "or take cpk or ppk")
        if self.subgroup is not None and self.subgroup.counter is None and self.index not in {"cp", "cpk"}:
            raise InputError(f"{quoted(self.index)} is of all values", "remove subgroup, or take index: cpk")
        return self

    def _rows(self) -> set[str | None]:
        """The values by which tables differ; None stands for what they do not name."""
        tables = [side for side in (self.lower_spec, self.upper_spec) if isinstance(side, LimitTable)]
        named: set[str | None] = {key for table in tables for key in table.limits}
        return named | {None} if all(table.default is not None for table in tables) else named

    def specification(self, number: Callable[[Side], float | None]) -> Specification:
        """What is asked for; `number` reads a side.

        Raises:
            ValueError: no side at all, or the wrong way round.
        """
        return Specification(number(self.lower_spec), number(self.upper_spec), number(self.target))

    def context_keys(self) -> tuple[str, ...]:
        """Keys of the context that the rule names."""
        tables = (side for side in (self.lower_spec, self.upper_spec, self.target) if isinstance(side, LimitTable))
        keys = [table.by for table in tables if table.by != "asset"]
        return tuple(dict.fromkeys(keys if self.per is None else [self.per, *keys]))

    def signals(self) -> tuple[str, ...]:
        """The signal, and the part counter."""
        counter = None if self.subgroup is None else self.subgroup.counter
        return (self.signal,) if counter is None else (self.signal, counter)

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector."""
        return [Capability(self, bindings)]

    def window_of(self) -> Window:
        """An empty one."""
        timed = isinstance(self.window, Span)
        return Window(None if timed else self.window, int(self.window) if timed else None)


def _at_row(row: str | None, side: Side) -> float | None:
    if not isinstance(side, LimitTable):
        return side
    return side.default if row is None else side.at(row)


@dataclass(slots=True)
class Product:
    """The values of one product, how many of them were not judged yet, and the last verdict with its numbers."""

    window: Window
    new: int = 0
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def due(self) -> bool:
        """Whether there is enough to judge that is new: all of it, or a window that has filled since it was judged."""
        count, full = len(self.window), self.window.full
        if self.new < count:
            return full and self.told.get("count", count) < count
        return full or count >= FEWEST_VALUES

    def snapshot(self) -> list[Any]:
        """Window, how much of it is new, verdict."""
        return [self.window.snapshot(), self.new, self.told]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        window, self.new, self.told = data
        self.window.restore(window)


class Capability(Detector):
    """Judges the window as soon as it holds enough, when it is full, and again when all of it is new.

    Bounds are wrong once in twenty times: of a window that is judged again with every few values, one time will do.
    """

    every_reading = True

    def __init__(self, config: CapabilityConfig, bindings: Bindings) -> None:
        signal = bindings.signal(config.signal)
        self._grouping = grouping(config.subgroup, bindings.signal)
        self.inputs = (signal, *self._grouping.inputs)
        self._config = config
        self._bindings = bindings
        self._gauge = Gauge(config.index, config.distribution)
        self._ignore = bindings.ignore_quality
        self._per = None if config.per is None else bindings.context(config.per)
        self._contexts = {key: bindings.context(key) for key in config.context_keys()}
        self._seen = 0
        self._paused = False
        self.notice: dict[str, Any] | None = None
        self._counted: Instant | None = None
        self._product = "" if config.per is None else None
        self._products: dict[str, Product] = {}
        self._made = Product(config.window_of())
        if self._product is not None:
            self._products[self._product] = self._made

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether the process is proven incapable."""
        ended = self._grouping.close(at)
        if ended is not None:
            self._take(ended)
        self._turn()
        signal = self.inputs[0]
        value = signal.last if self._ignore else signal.value
        readable = type(value) is float and abs(value) <= LARGEST
        if signal.samples != self._seen:
            self._seen = signal.samples
            if readable and type(value) is float:
                self._counted = signal.at
                self._collect(at, value)
        if not readable and ended is None and signal.quality is not None:
            return None
        return (self._made.told.get("verdict") == Verdict.INCAPABLE,)

    def _turn(self) -> None:
        """Another product has a window of its own."""
        if self._per is None or self._per.known is None or (product := written(self._per.known)) == self._product:
            return
        self._product = product
        self._grouping.restart()
        if product in self._products:
            self._made = self._products.pop(product)
        else:
            self._made = Product(self._config.window_of())
        self._products[product] = self._made
        if len(self._products) > MOST_PRODUCTS:
            del self._products[next(iter(self._products))]

    def _collect(self, at: Instant, value: float) -> None:
        """One more value of a process in control and a product that is known."""
        if self._product is None or self._suspended():
            self._grouping.restart()
        elif (group := self._grouping.add(at, value)) is not None:
            self._take(group)

    def _take(self, group: Group) -> None:
        """A value, or a subgroup of them."""
        made = self._made
        if self._config.subgroup is None:
            made.window.add(group.at, group.items[0])
        else:
            made.window.add_group(group.at, group.items)
        made.new += len(group.items)
        if made.due:
            self._judge(made)

    def _suspended(self) -> bool:
        """Whether nothing is judged; where an alarm stands meanwhile, that is said once."""
        before, self._paused = self._paused, self._unquiet
        if self._paused and not before and self._made.told.get("verdict") == Verdict.INCAPABLE:
            name, count = self.inputs[0].name, self._made.told["count"]
            why = "not judged while a chart of it is out of control"
            self.notice = {"text": f"{name}: {why}: the alarm stands by {count} values before", "why": "not_judged"}
        return self._paused

    @property
    def _unquiet(self) -> bool:
        return any(chart.out_of_control for chart in self._charts)

    @cached_property
    def _charts(self) -> Sequence[Beside]:
        return self._bindings.beside(self.inputs[0])

    @property
    def deadline(self) -> Instant | None:
        """The end of a subgroup by time."""
        return self._grouping.deadline

    def _judge(self, made: Product) -> None:
        made.new, window = 0, made.window
        made.told = {"count": len(window), "mean": window.mean, "overall": window.overall, "within": window.within}
        character = Character.of(window.values)
        index = self._index(window, character)
        if index is None:
            made.told["verdict"] = Verdict.UNDECIDED.value
        else:
            bounds = {"value": _finite(index.value), "lower": _finite(index.lower), "upper": _finite(index.upper)}
            made.told |= {"verdict": index.verdict(self._config.at_least).value, **bounds, **character.told()}
            made.told |= {"percentiles": self._gauge.by_percentiles(character)}
            made.told |= {"remarks": self._gauge.remarks(character)}

    def _index(self, window: Window, character: Character) -> Index | None:
        try:
            spec = self._config.specification(self._number)
        except ValueError:
            return None
        return self._gauge.read(spec, window, character)

    def _number(self, side: Side) -> float | None:
        if not isinstance(side, LimitTable):
            return side
        signal = self._contexts.get(side.by)
        key = self._bindings.asset if side.by == "asset" else None if signal is None else written(signal.known)
        return side.default if key is None else side.at(key)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The index, its bounds and what they prove."""
        del level, on
        told = {"verdict": Verdict.UNDECIDED, "count": 0, **self._made.told}
        name = self._gauge.name.capitalize()
        signal = self.inputs[0]
        gate, words = self._config.at_least, _words(str(told["verdict"]))
        text = f"{signal.name}: {words} of {name} {gate:g}: {_found(name, told)} ({told['count']} values)"
        meanwhile = ["not judged anew while a chart of it is out of control"] if self._unquiet else []
        said = "; ".join([text, *told.pop("remarks", ()), *meanwhile])
        return {**told, "text": said, "index": self._gauge.name, "limit": gate}

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Armed (again): the values so far stay, for what they say is of the process in operation."""
        signal = self.inputs[0]
        fresh = signal.at == at and self._counted != at
        self._seen = signal.samples - 1 if fresh else signal.samples
        self._grouping.restart()
        if not held[0] and self._made.told.get("verdict") == Verdict.INCAPABLE:
            self._made.window.clear()
            self._made.new, self._made.told = 0, {}

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._grouping.shift(delta)
        for product in self._products.values():
            product.window.shift(delta)
        if self._counted is not None:
            self._counted += delta

    def snapshot(self) -> list[Any]:
        """When last read, the product that is being made, all products, whether judging is paused, the subgroup so far.

        The product not made for longest comes first.
        """
        products = [[name, made.snapshot()] for name, made in self._products.items()]
        return [self._counted, self._product, products, self._paused, self._grouping.snapshot()]

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        self._counted, self._product, products, *later = data
        if later:
            self._paused, under_way = later
            self._grouping.restore(under_way)
        for name, saved in products:
            self._products[name] = self._made = Product(self._config.window_of())
            self._made.restore(saved)


def _finite(bound: float) -> float | None:
    return bound if isfinite(bound) else None


def _bound(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def _found(name: str, told: dict[str, Any]) -> str:
    if "value" not in told:
        return "no spread to speak of"
    if told["value"] is None:
        return "beyond the specification, without spread to speak of"
    return f"{name} {told['value']:.3g}, 95 % bounds {_bound(told['lower'])} and {_bound(told['upper'])}"


def _words(verdict: str) -> str:
    return {"incapable": "proven incapable", "proven": "proven capable"}.get(verdict, "undecided, not proven incapable")
