"""The answers to `andon explain`: why an alarm came and who was told, or why nothing came. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import merge
from itertools import groupby
from operator import attrgetter
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from monitor.database.queries import AlarmReader, Delivery
from monitor.database.records import Suppression, because
from monitor.errors import AndonError
from monitor.site import Site, ruleset_from_texts
from monitor.stores.base import Point, Store, reading_of
from rules.alarms import State, Transition
from rules.asset import AssetMonitor
from rules.builtin import BUILTIN
from rules.escalation import LONGEST_OVERRIDE
from rules.events import SECOND, Duration, Event, Instant, Observation, Tick
from rules.explanation import Answer, Step, Way, ways
from rules.life import Override
from rules.overriding import impose
from rules.plant import Plant
from rules.problems import quoted, unknown
from rules.rule import Rule
from rules.ruleset import RuleSet

LOOK_BACK: Final[Duration] = 24 * 3600 * SECOND
"""How much of the past is decided again to learn how things stood."""
AROUND: Final[Duration] = 3600 * SECOND
"""How near to the asked time an alarm is still worth a mention."""


class Chapter(msgspec.Struct, frozen=True):
    """One transition, who was told of it and why or why nobody, and how the notifications fared."""

    transition: Transition
    told: str
    deliveries: tuple[Delivery, ...]


class AlarmStory(msgspec.Struct, frozen=True):
    """Why an alarm came: `rule` as it was then, None if it is not kept any more; `changed` whether it differs now."""

    alarm: str
    rule: dict[str, Any] | None
    changed: bool
    chapters: tuple[Chapter, ...]


class Silence(msgspec.Struct, frozen=True):
    """Why nothing came: what was decided `near` the time all the same, and how far each part of the rule got.

    `answer` is the short of it. `readings` were decided again for this, since `since`.
    """

    asset: str
    rule: str
    at: Instant
    since: Instant
    readings: int
    near: tuple[Transition, ...]
    ways: tuple[Way, ...]
    answer: str


def alarm_story(reader: AlarmReader, site: Site, alarm: str) -> AlarmStory:
    """All that is known of an alarm, by the id of its occurrence or by its name.

    Raises:
        AndonError: there was no such alarm.
    """
    occurrence = reader.occurrence(alarm)
    if occurrence is None:
        hint = "`andon alarms --all` lists them; with --rule, --asset and --at it is told why nothing came"
        raise AndonError(f"there is no alarm {quoted(alarm[:200])}; {hint}")
    history = reader.history(occurrence)
    fared: dict[str, list[Delivery]] = {}
    for delivery in reader.deliveries(occurrence):
        fared.setdefault(delivery.transition, []).append(delivery)
    chapters = [Chapter(transition, told, tuple(fared.get(transition.id, ()))) for transition, told in history]
    first = history[0][0]
    then, now = _rule_then(reader, site, first), site.ruleset.rule(first.rule)
    return AlarmStory(occurrence, None if then is None else _told(then), then != now, tuple(chapters))


def _rule_then(reader: AlarmReader, site: Site, transition: Transition) -> Rule | None:
    """The rule in the revision that decided; texts that this program does not accept any more are passed over."""
    revision = transition.reason.get("revision")
    if revision == site.ruleset.revision:
        return site.ruleset.rule(transition.rule)
    for texts in reader.revision_texts():
        try:
            rules = ruleset_from_texts(texts)
        except AndonError:
            continue
        if rules.revision == revision:
            return rules.rule(transition.rule)
    return None


def _told(rule: Rule) -> dict[str, Any]:
    """A rule as it would be written, without what it leaves at its default."""
    return rule.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude_none=True)


# -- why nothing came -----------------------------------------------------------------------------------------------


def silence(
    reader: AlarmReader | None, store: Store, site: Site, *, rule: str, asset: str, at: Instant, look_back: Duration
) -> Silence:
    """Decide the stored readings of an asset again up to `at`, and tell how far the rule got.

    Raises:
        AndonError: the site has no such rule, or it does not watch the asset.
        StoreError: the store fails.
    """
    watched = _check(site.ruleset, rule, asset)
    since = at - look_back
    overrides = [] if reader is None else _overrides(reader.between(asset, rule, since - LONGEST_OVERRIDE, at))
    plant = Plant(site.ruleset) if watched is not None and watched.plant_wide else None
    monitor = AssetMonitor(asset, site.ruleset) if plant is None else plant.monitors[asset]
    assets = [asset] if plant is None or watched is None else sorted({signal.asset for signal in watched.foreign})
    points = merge(*(store.read(one, None, since, at + 1) for one in assets), key=attrgetter("at"))
    count = _decide(monitor, monitor if plant is None else plant, points, since, at, overrides)
    found = ways(monitor, rule, at)
    near = [] if reader is None else [told for told, _ in reader.between(asset, rule, at - AROUND, at + AROUND)]
    before = [] if reader is None else reader.last_before(asset, rule, at)
    found = [_with_standing(way, before, at) for way in found]
    return Silence(asset, rule, at, since, count, tuple(near), tuple(found), _answer(at, count, near, found))


def _check(rules: RuleSet, name: str, asset: str) -> Rule | None:
    """The rule, which watches the asset; None for one that nobody wrote."""
    rule = rules.rule(name)
    if rule is None and name in BUILTIN:
        return None
    if rule is None:
        mistake = unknown("rule", name, [rule.id for rule in rules.rules])
        raise AndonError(f"{mistake.message}{f'; {mistake.hint}' if mistake.hint else ''}")
    shown_under = rule.plant_wide and rule.mode != "off" and rule.host == asset
    if not shown_under and rule not in rules.for_asset(asset):
        where = f"its alarm is shown under {rule.host}" if rule.plant_wide else f"it is for {', '.join(rule.assets)}"
        off = "its mode is off" if rule.mode == "off" else where
        raise AndonError(f"the rule {quoted(name)} does not watch {quoted(asset)}: {off}")
    return rule


class _Changed(NamedTuple):
    """From `at` on the limits of a part of a rule were others, or those of the files again."""

    at: Instant
    rule: str
    part: str | None
    override: Override | None


def _overrides(history: Iterable[tuple[Transition, str]]) -> list[_Changed]:
    """What people did to the limits of a rule, latest first, of one instant what was done last."""
    found = [
        _Changed(t.at, t.rule, t.part, _override(t) if t.event == "limits_overridden" else None)
        for t, _ in history
        if t.event in ("limits_overridden", "limits_restored")
    ]
    return sorted(found, key=lambda change: change.at)[::-1]


def _override(transition: Transition) -> Override:
    said = transition.reason["override"]
    limits = {level: one["limit"] for level, one in said["limits"].items()}
    return Override(limits, said.get("rows", {}), transition.at, said["until"], said["by"], said["comment"])


class _Stage(Protocol):
    """A machine by itself, or rules over several."""

    def handle(self, event: Event) -> list[Transition]:
        """Take an event in."""

    def next_due(self) -> Instant | None:
        """When a Tick would matter."""


def _decide(
    monitor: AssetMonitor,
    stage: _Stage,
    points: Iterable[Point],
    since: Instant,
    at: Instant,
    overrides: list[_Changed],
) -> int:
    stage.handle(Tick(since))
    count = 0
    for observation in _observations(points):
        _impose(monitor, overrides, observation.received)
        _pass(stage, observation.received)
        stage.handle(observation)
        count += len(observation.readings)
    _impose(monitor, overrides, at)
    _pass(stage, at)
    stage.handle(Tick(at))
    return count


def _impose(monitor: AssetMonitor, overrides: list[_Changed], until: Instant) -> None:
    while overrides and overrides[-1].at <= until:
        change = overrides.pop()
        for watch in monitor.watching(change.rule):
            if watch.detector.part == change.part:
                impose(watch, change.override)
                for signal in watch.inputs:
                    signal.refresh()


def _pass(stage: _Stage, received: Instant) -> None:
    while (due := stage.next_due()) is not None and due <= received:
        stage.handle(Tick(due))


def _observations(points: Iterable[Point]) -> Iterator[Observation]:
    for (at, _), together in groupby(points, key=attrgetter("at", "asset")):
        listed = list(together)
        yield Observation(listed[0].asset, at, at, tuple(reading_of(point) for point in listed))


def _with_standing(way: Way, before: Iterable[Transition], at: Instant) -> Way:
    """What the alarm's own state at that time adds: it was active already, or hidden."""
    last = next((transition for transition in before if transition.part == way.part), None)
    step = None if last is None else _standing(last, at)
    return way if step is None else Way(way.part, way.raised, (*way.steps, step))


def _standing(last: Transition, at: Instant) -> Step | None:
    hidden = because(msgspec.json.encode(last).decode()).suppression
    if holding := [hold for hold in hidden if hold.until is None or hold.until > at]:
        return Step("suppression", Answer.STOPS, _hold(holding[0]))
    if last.to in (State.UNACKNOWLEDGED, State.ACKNOWLEDGED):
        return Step(
            "state", Answer.STOPS, f"the alarm was active already ({last.to.words}): nothing new was to be told"
        )
    return None


def _hold(hold: Suppression) -> str:
    return f"the alarm was {hold.state.words} by {hold.by}: {hold.comment}"


def _answer(at: Instant, count: int, near: Iterable[Transition], found: Iterable[Way]) -> str:
    raised = sorted((t for t in near if t.event == "raised"), key=attrgetter("at"))
    if raised:
        return f"it did come: {([t for t in raised if t.at <= at] or raised[:1])[-1].id}"
    if not count:
        return "no reading of the asset was stored in that time: look at its gateway, or give more time with --back"
    ended = [way.ended for way in found]
    if not ended:
        return "the rule has nothing to watch on this asset"
    if all(step is None for step in ended):
        return "decided again, the alarm comes: look at the notifications of the alarms nearby"
    step = next(step for step in ended if step is not None)
    return f"{step.name}: {step.text}"
