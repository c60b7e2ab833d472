"""What is wrong between rules: inhibitors that are missing or go in a circle, signals that named assets do not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rules.assetmodel import AssetModel
from rules.expressions import ForeignSignal
from rules.problems import InputError, Problem, closest, quoted, unknown
from rules.rule import BUILTIN_IDS
from rules.rulechecks import SourcedRule


def check_inhibitors(entries: Iterable[SourcedRule]) -> Iterator[Problem]:
    """Names in `inhibited_by` that no rule has, and rules that would hide each other for ever."""
    named = {entry.rule.id: entry for entry in entries if "id" in entry.item}
    inhibitors = {name: entry.rule.inhibited_by for name, entry in named.items()}
    for name, entry in named.items():
        for other in entry.rule.inhibited_by:
            if other not in named and other not in BUILTIN_IDS:
                mistake = unknown("rule", other, (*named, *BUILTIN_IDS))
                yield entry.problem(("inhibited_by",), mistake.message, mistake.hint)
        if name in _reached(name, inhibitors):
            message = f"{quoted(name)} is inhibited by itself, directly or by what inhibits its inhibitors"
            yield entry.problem(("inhibited_by",), message, "a cause inhibits its effects, never the reverse")


def _reached(name: str, inhibitors: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Every rule whose alarm may hide this one, over any number of steps."""
    found: set[str] = set()
    ahead = list(inhibitors[name])
    while ahead:
        other = ahead.pop()
        if other not in found:
            found.add(other)
            ahead += inhibitors.get(other, ())
    return found


def check_foreign(entries: Iterable[SourcedRule], model: AssetModel) -> Iterator[Problem]:
    """Assets and signals of rules with `scope: plant` that are not there.

    An asset that is not listed may still speak; it is a mistake where a listed one is called nearly the same.
    """
    for entry in entries:
        for foreign in entry.rule.foreign:
            mistake, certain = _mistake(foreign, model)
            if mistake is not None:
                path = entry.mentions(foreign.key)
                yield entry.problem(path, mistake.message, mistake.hint, "error" if certain else "warning")


def _mistake(foreign: ForeignSignal, model: AssetModel) -> tuple[InputError | None, bool]:
    if model.assets and foreign.asset not in model.assets:
        return unknown("asset", foreign.asset, model.assets), closest(foreign.asset, model.assets) is not None
    known = model.known_signals(foreign.asset)
    if known is not None and foreign.signal not in known:
        return unknown("signal", foreign.signal, known), True
    return None, False
