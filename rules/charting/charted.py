"""The engine of every chart: readings to samples, samples to points, and what an alarm makes of those that signal."""

from __future__ import annotations

from math import inf, isfinite
from statistics import fmean
from typing import Any, TypeAlias

from rules.charting.book import Book
from rules.charting.frequency import frequency
from rules.charting.grouping import Single
from rules.charting.keys import ChartKeys
from rules.charting.made import Ledger, Made
from rules.charting.pace import Pace
from rules.charting.phase_one import MEASURED, Basis
from rules.charting.recipe import Hit, Recipe, Statistic, within_reach
from rules.charting.setting import Plant, Setting
from rules.charting.verdict import Trace, finding, frozen, judgement, loss, proposal
from rules.events import Duration, Instant, Value
from rules.signals import Signal
from rules.statistics.checks import Autoregression
from rules.statistics.limits import FAR, LARGEST

Inspected: TypeAlias = Signal | float | None


class Charted:
    """A chart in service: what the detectors of charts have in common, apart from being detectors.

    A sample that signals raises the alarm; `clear_after` points in control clear it, or a person who disposes of it.
    Where the rule says so the statistic begins anew after a signal; then the alarm goes `clear_after` samples after it
    in any case, and if that one signals as well another occurrence begins there and then.
    """

    every_reading = True

    def __init__(
        self,
        plant: Plant,
        keys: ChartKeys,
        recipe: Recipe,
        signal: Signal,
        grouping: Single | None = None,
        inspected: Inspected = None,
    ) -> None:
        self._grouping = grouping or Single(keys.thin)
        self._grouped = type(self._grouping) is not Single
        counted = (inspected,) if isinstance(inspected, Signal) else ()
        self._signal = signal
        self.inputs: tuple[Signal, ...] = (signal, *counted, *self._grouping.inputs)
        self._recipe = recipe
        self._ignore = plant.ignore_quality
        self._inspected = inspected
        self._measured = recipe.chart in MEASURED
        self._subgroups = recipe.chart.startswith("xbar")
        self._keys = keys
        self._restarts = keys.on_signal == "restart"
        self._clear_after = keys.clear_after
        self._setting = Setting(plant, keys)
        self._direct = not (self._grouped or self._setting.traced or keys.thin > 1)
        self.renewed = False
        self.notice: dict[str, Any] | None = None
        self._ledger = Ledger()
        self._trace = Trace()
        self._seen = 0
        self._counted: Instant | None = None
        self._before: float | None = None
        self._follows = False
        self._pace = Pace() if keys.residuals else None
        self._size = 0.0 if self._subgroups else 1.0
        self._units = 1.0 if inspected is None and not self._grouped else 0.0
        self._on = False
        self._calm = 0
        self._finding: dict[str, Any] = {}
        self._ended = ""
        self._book = Book(recipe, keys)
        self._basis: Basis | None = None
        self._statistic: Statistic | None = None
        self._take_up()

    def _take_up(self) -> None:
        """What the book's page says is in force from here."""
        basis = self._book.page.basis
        if basis is not self._basis:
            self._basis = basis
            self._statistic = None if basis is None else self._recipe.make(basis.parameters)

    # -- readings ---------------------------------------------------------------------------------------------------

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether the chart is out of control; None while the signal cannot be read.

        What ends a subgroup was not made with what is set up from here on: it is judged first, by what it was made
        under. A part under way belongs to the setting of its last value, so a change waits until the part counter moves
        on, or the part has another value.
        """
        self.renewed = False
        setting, signal = self._setting, self._signal
        ended = self._grouped and self._close(at)
        item = self._number(signal) if self._measured else self._pair()
        if item is None and not self._grouped and signal.quality is not None:
            self._interrupt()
        fresh = signal.samples != self._seen
        if setting.told and ((fresh and item is not None) or not self._grouping.under_way) and setting.changed():
            self._turn()
        if fresh:
            self._seen = signal.samples
            if setting.traced and setting.known:
                self._ledger.note(*setting.origin())
            if item is not None and setting.known:
                self._counted = signal.at
                if self._direct:
                    self._point(at, item)
                elif (group := self._grouping.add(at, item)) is not None:
                    self._group(group.at, group.items)
        return (self._on,) if item is not None or ended or signal.quality is None else None

    def _close(self, at: Instant) -> bool:
        """Whether time, or a part, ends a subgroup that is charted then."""
        ended = self._grouping.close(at)
        if ended is not None:
            self._group(ended.at, ended.items)
        return ended is not None

    def _turn(self) -> None:
        """Another product, or another tool: other limits perhaps, and the runs begin anew in any case."""
        self._book.turn(self._setting.product)
        self._take_up()
        self._begin_series()

    def _number(self, signal: Signal) -> float | None:
        """What a signal reads, as far as it can be charted."""
        value: Value = signal.last if self._ignore else signal.value
        if type(value) is float and -LARGEST <= value <= LARGEST:
            return value
        return float(value) if type(value) is bool and not self._measured else None

    def _pair(self) -> tuple[float, float] | None:
        """A count and how many were inspected."""
        value = self._number(self._signal)
        inspected = self._number(self._inspected) if isinstance(self._inspected, Signal) else self._inspected
        n = 1.0 if self._inspected is None else inspected
        if value is None or n is None or n < FEWEST or value < 0 or (self._recipe.chart in SHARES and value > n):
            return None
        return value, n

    # -- samples ----------------------------------------------------------------------------------------------------

    def _group(self, at: Instant, items: list[Any]) -> None:
        self._point(at, self._sample(items))

    def _sample(self, items: list[Any]) -> Any:
        """What the chart draws of a subgroup."""
        if self._subgroups:
            self._size = len(items)
            return items
        if not self._measured:
            return (sum(count for count, _ in items), sum(n for _, n in items)) if len(items) > 1 else items[0]
        return fmean(items) if len(items) > 1 else items[0]

    def _point(self, at: Instant, sample: Any) -> None:
        if not self._measured:
            self._units = sample[1]
        basis, statistic, made = self._basis, self._statistic, self._ledger.take()
        follows, self._follows = self._follows, True
        if self._pace is not None:
            follows = not self._pace.gap(at) and follows
        judged = sample if basis is None or basis.model is None else self._residual(basis.model, sample, follows)
        self._before = sample if self._keys.residuals else None
        teaches = not self._subgroups or len(sample) > 1
        if teaches and self._book.page.learning is not None:
            self._learn(sample, follows)
        if statistic is None:
            return
        if teaches and self._book.page.checking is not None:
            self._check(judged, follows)
        hits = statistic.feed(judged)
        z = statistic.z
        self._trace.points.append((at, z if -FAR <= z <= FAR else within_reach(z), made, self._size))
        self._calm += 1
        if hits:
            self._signalled(hits)
        elif self._on and self._calm >= self._clear_after:
            self._on = False
            self._trace.keep(self._calm)

    def _residual(self, model: Autoregression, sample: float, follows: bool) -> float:
        """What a sample does not owe to the one before; one that follows none is judged by the spread of the values."""
        before = self._before
        return model.residual(sample, before) if follows and before is not None else model.first(sample)

    def _interrupt(self) -> None:
        """What comes after bad quality is no neighbour of what came before it."""
        self._follows = False
        if self._statistic is not None:
            self._statistic.interrupt()

    def _learn(self, sample: Any, follows: bool) -> None:
        proposed = self._book.add(sample, follows=follows)
        if proposed is not None:
            self._take_up()
            in_force = self._basis is proposed
            self.notice = proposal(self.inputs[0].name, self._setting.product, proposed, in_force=in_force)

    def _check(self, point: Any, follows: bool) -> None:
        """Given limits stay as they are, whatever is found of them; a proposal made of the same points says it too."""
        checked = self._book.check(point, follows=follows)
        if checked is not None and checked.notes and self.notice is None:
            self.notice = judgement(self.inputs[0].name, self._setting.product, checked)

    def _signalled(self, hits: tuple[Hit, ...]) -> None:
        assert self._statistic is not None
        self.renewed = self._on and self._restarts and self._calm >= self._clear_after
        if self.renewed or not self._on:
            self._on, self._ended = True, ""
            self._find(hits)
        self._calm = 0
        if self._restarts:
            self._begin_anew()

    def _find(self, hits: tuple[Hit, ...]) -> None:
        assert self._basis is not None
        length = self._run_length()
        self._finding = finding(self.inputs[0], hits, self._trace, self._basis)
        self._finding["run_length"] = length if isfinite(length) else None

    def _run_length(self) -> float:
        """Points until a false alarm, on average; of counts with as many inspected as the last one had."""
        assert self._basis is not None
        return self._recipe.run_length(self._size if self._measured else self._units, self._basis.parameters)

    def _begin_anew(self) -> None:
        self._trace.keep(0)
        if self._statistic is not None:
            self._statistic.restart()

    def _begin_series(self) -> None:
        """What comes next does not follow what came before."""
        self._calm, self._before, self._follows = 0, None, False
        if self._pace is not None:
            self._pace.restart()
        self._grouping.restart()
        self._ledger.take()
        self._begin_anew()

    # -- people -----------------------------------------------------------------------------------------------------

    @property
    def out_of_control(self) -> bool:
        """Whether the chart signals, or has not yet been calm for long enough since."""
        return self._on

    def objection(self, action: str) -> str | None:
        """Limits can be frozen and learned anew, and an alarm can be disposed of."""
        if action == "dispose":
            return None if self._on else "the chart is in control: there is nothing to dispose of"
        return self._book.objection(action)

    def order(self, action: str, by: str, comment: str) -> dict[str, Any]:
        """Do what a person asks; returns what is written down of it."""
        if action == "dispose":
            self._on, self._ended = False, f"{self.inputs[0].name}: disposed of by {by}: {comment}"
            self._begin_series()
            return {"disposition": {"by": by, "comment": comment}}
        if action == "relearn":
            self._book.relearn()
            return {"product": self._setting.product or None}
        basis = self._book.freeze(by, comment)
        self._take_up()
        self._begin_series()
        return frozen(self._setting.product, basis)

    # -- the detector's contract ------------------------------------------------------------------------------------

    @property
    def deadline(self) -> Instant | None:
        """The end of a subgroup by time."""
        return self._grouping.deadline

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """Which chart, which rule, which points, since when; or that it is over."""
        del level
        name = self.inputs[0].name
        if on:
            return {"text": f"{name}: no point was judged yet", **self._finding}
        if self._ended:
            return {"text": self._ended}
        if self.renewed:
            return {"text": f"{name}: the chart began anew after its signal, and signals again"}
        return {"text": f"{name}: {self._in_words()}"}

    def _in_words(self) -> str:
        """How the chart stands while it does not signal."""
        if self._basis is None:
            learning = self._book.page.learning
            have = "" if learning is None else f": {learning.progress} so far"
            return f"limits are being learned{have}" if self._setting.known else "what is being made is not known yet"
        points = "point" if self._clear_after == 1 else "points"
        length = inf if self._subgroups and self._size < 1 else self._run_length()
        often = frequency(length, self._basis) if isfinite(length) else ""
        standing = ["its limits are provisional"] if self._basis.provisional else self._basis.doubts
        return "; ".join([f"in control for {self._clear_after} {points}{often}", *standing])

    def settle(self, held: tuple[bool, ...], at: Instant) -> None:
        """Armed (again): runs begin anew, limits and what is being learned stay. A reading of this very time counts."""
        signal = self.inputs[0]
        fresh = signal.at == at and self._counted != at
        self._seen = signal.samples - 1 if fresh else signal.samples
        self._on = held[0]
        self._begin_series()

    def shift(self, delta: Duration) -> None:
        """The asset's timeline has moved."""
        self._grouping.shift(delta)
        self._trace.shift(delta)
        if self._counted is not None:
            self._counted += delta
        if self._pace is not None:
            self._pace.shift(delta)

    def snapshot(self) -> dict[str, Any]:
        """All of it; `book` is what was given, learned and frozen, by product, with its checks."""
        return {
            "on": self._on,
            "ended": self._ended,
            "calm": self._calm,
            "counted": self._counted,
            "passed": self._grouping.passed,
            "before": self._before,
            "follows": self._follows,
            "pace": None if self._pace is None else self._pace.snapshot(),
            "size": self._size,
            "units": self._units,
            "finding": self._finding,
            "made": self._ledger.made.snapshot(),
            "grounds": self._keys.grounds,
            "setting": self._setting.snapshot(),
            "grouping": self._grouping.snapshot(),
            "book": self._book.snapshot(),
            "statistic": None if self._statistic is None else self._statistic.snapshot(),
            "trace": self._trace.snapshot(),
        }

    def inherit(self, data: Any) -> None:
        """The rule was another until now: limits outlive it as far as it does not change what they rest on."""
        before = data.get("grounds") if isinstance(data, dict) else None
        if before is None:
            return
        now = self._keys.grounds
        changed = {key for key in now.keys() | before.keys() if now.get(key) != before.get(key)}
        lost = self._book.inherit(data["book"], changed)
        self._take_up()
        if lost:
            self.notice = loss(self._signal.name, sorted(changed - {"learn"}), lost)

    def restore(self, data: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self._on, self._ended, self._calm, self._finding = data["on"], data["ended"], data["calm"], data["finding"]
        self._counted, self._grouping.passed, self._size = data["counted"], data["passed"], data["size"]
        self._before, self._follows = data["before"], data.get("follows", True)
        self._units = data.get("units", self._units)
        if self._pace is not None and data.get("pace") is not None:
            self._pace.restore(data["pace"])
        self._ledger.made = Made.restored(data["made"] if "made" in data else data["origin"])
        self._setting.restore(data["setting"])
        self._grouping.restore(data["grouping"])
        self._trace.restore(data["trace"], data["size"])
        self._book.restore(data["book"])
        if self._setting.known:
            self._book.turn(self._setting.product)
        self._take_up()
        if self._statistic is not None:
            self._statistic.restore(data["statistic"])


FEWEST = 1e-6
"""Less than this of a unit is no inspection."""
SHARES = frozenset({"p", "np", "p_laney"})
"""Charts of items that are good or bad: no more can be bad than were inspected."""
