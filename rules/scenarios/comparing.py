"""What a scenario expects against what came: which transitions are missing, which nobody expected, and in words why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from rules.alarms import Transition
from rules.durations import format_duration
from rules.scenarios.loading import SourcedScenario
from rules.scenarios.playing import MOST_TRANSITIONS, Played, play
from rules.scenarios.scenario import Expectation, Scenario

MOST_SHOWN: Final = 20
"""Lines about what nobody expected; there may be as many as readings."""


NO_SURPRISE: Final = frozenset({"stale", "limits_checked"})
"""Why something is remarked that nobody needs to expect: that nothing is heard of an asset depends on machines which a
scenario leaves out, and doubts about given limits on values, which are made up."""


class Verdict(NamedTuple):
    """Of one scenario; `complaints` say, line by line, what is not as expected."""

    file: str
    line: int
    name: str
    transitions: int
    complaints: list[str]


def judge(entry: SourcedScenario) -> Verdict:
    """Play a scenario and compare."""
    scenario = entry.scenario
    played = play(entry.rules, scenario)
    complaints = [*_refusals(entry, played), *_differences(entry, played.transitions)]
    if played.cut:
        complaints.append(f"there are more than {MOST_TRANSITIONS:,} transitions: only the first were looked at")
    return Verdict(entry.document.file, entry.line(), scenario.name, len(played.transitions), complaints)


def _refusals(entry: SourcedScenario, played: Played) -> Iterator[str]:
    for number, (deed, why) in enumerate(zip(entry.scenario.do, played.refusals, strict=True)):
        place = f"line {entry.line('do', number)}: {format_duration(deed.at)} {deed.command} {deed.alarm}"
        if why is not None and not deed.refused:
            yield f"{place} was refused: {why}"
        elif why is None and deed.refused:
            yield f"{place} was not refused"


def _differences(entry: SourcedScenario, transitions: list[Transition]) -> Iterator[str]:
    scenario = entry.scenario
    missing, left = _matched(scenario, transitions)
    key = ("expect",) if scenario.expect.exactly is not None else ("expect", "at_least")
    for number in missing:
        expectation = scenario.expect.all[number]
        yield f"line {entry.line(*key, number)}: expected {_expected(scenario, expectation)}"
        yield _nearest(scenario, expectation, left)
    if scenario.expect.exactly is None:
        return
    surprising = [transition for transition in left if transition.reason.get("why") not in NO_SURPRISE]
    for transition in surprising[:MOST_SHOWN]:
        yield f"not expected: {_came(scenario, transition)}"
    if len(surprising) > MOST_SHOWN:
        yield f"not expected: {len(surprising) - MOST_SHOWN:,} more"


def _matched(scenario: Scenario, transitions: list[Transition]) -> tuple[list[int], list[Transition]]:
    """The expectations that nothing fits, by number, and the transitions that fit none; each is used once."""
    left, missing = list(transitions), []
    by_end = sorted(enumerate(scenario.expect.all), key=lambda pair: pair[1].at.at + pair[1].at.tolerance)
    for number, expectation in by_end:
        fitting = next((t for t in left if not list(_deviations(scenario, expectation, t))), None)
        if fitting is None:
            missing.append(number)
        else:
            left.remove(fitting)
    return sorted(missing), left


def _same(scenario: Scenario, expected: Expectation, transition: Transition) -> bool:
    alarm = (scenario.asset_of(expected), expected.rule, expected.event)
    return alarm == (transition.asset, transition.rule, transition.event)


def _deviations(scenario: Scenario, expected: Expectation, transition: Transition) -> Iterator[str]:
    """In what a transition is another one than expected."""
    after = transition.at - scenario.start
    if not _same(scenario, expected, transition):
        yield "another alarm or event"
        return
    if abs(after - expected.at.at) > expected.at.tolerance:
        yield f"at {format_duration(after)}"
    for name in ("part", "priority", "to", "value"):
        wanted, got = getattr(expected, name), getattr(transition, name)
        if wanted is not None and wanted != got:
            yield f"{name} {got}"
    if expected.text is not None and expected.text not in transition.reason["text"]:
        yield "with another text"


def _nearest(scenario: Scenario, expected: Expectation, left: list[Transition]) -> str:
    """What came instead."""
    alike = [t for t in left if _same(scenario, expected, t)]
    if not alike:
        return "    nothing like it came"
    nearest = min(alike, key=lambda t: abs(t.at - scenario.start - expected.at.at))
    how = ", ".join(_deviations(scenario, expected, nearest)) or "but that one was expected too"
    return f"    the nearest came {how}: {nearest.reason['text']}"


def _expected(scenario: Scenario, expected: Expectation) -> str:
    asset = scenario.asset_of(expected)
    named = (("part", expected.part), ("priority", expected.priority), ("to", expected.to), ("value", expected.value))
    more = [f"{name} {value}" for name, value in named if value is not None]
    more += [f"text {expected.text!r}"] if expected.text is not None else []
    return ", ".join((f"{expected.at} {asset}:{expected.rule} {expected.event}", *more))


def _came(scenario: Scenario, transition: Transition) -> str:
    part = f":{transition.part}" if transition.part else ""
    at = format_duration(transition.at - scenario.start)
    alarm = f"{at} {transition.asset}:{transition.rule}{part} {transition.event}"
    return f"{alarm}, priority {transition.priority}, to {transition.to}: {transition.reason['text']}"
