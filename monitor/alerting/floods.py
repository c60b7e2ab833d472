"""In an alarm flood people get one message for many alarms: low and medium ones are bundled, by team and area.

High, critical and safety alarms still come singly, and no alarm is hidden: only messages are fewer. Pure: no I/O, no
clock, no randomness.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from monitor.alerting.messages import AssetFacts, RuleFacts, moment
from monitor.alerting.policy import Decision, Notifier, Why
from monitor.database.records import Notification, Purpose, Recipient
from rules.alarms import APPEARS, Identity, Kind, Priority, Transition
from rules.events import SECOND, Duration, Instant
from rules.grouping.flood import ENDS_BELOW, STARTS_ABOVE, Flood

if TYPE_CHECKING:
    from monitor.settings import Notify

FIRST_BUNDLE: Final[Duration] = 60 * SECOND
"""A flood's first bundle goes out so long after it began."""
BUNDLE_EVERY: Final[Duration] = 300 * SECOND
"""While it lasts, another goes out so often."""
SINGLY: Final = frozenset({Priority.HIGH, Priority.CRITICAL})
MOST_LINES: Final = 20
"""Lines of a bundle: those of the rules with most alarms."""
MOST_RULES: Final = 1_000
"""Rules that are counted one by one."""
OTHERS: Final = "others"


class Bundle(msgspec.Struct):
    """The flood of one team in one area, and what was not told singly since the last message.

    `pattern` is, by channel, a message as the first alarm of the bundle would have made it; `rules` counts the alarms
    by the title of their rule.
    """

    team: str
    area: str
    flood: Flood
    due: Instant | None = None
    pattern: dict[str, Notification] = msgspec.field(default_factory=dict)
    rules: dict[str, int] = msgspec.field(default_factory=dict)

    def add(self, notifications: Iterable[Notification], title: str) -> None:
        """One more alarm that is not told singly."""
        for notification in notifications:
            self.pattern.setdefault(notification.channel, notification)
        name = title if title in self.rules or len(self.rules) < MOST_RULES else OTHERS
        self.rules[name] = self.rules.get(name, 0) + 1

    @property
    def next(self) -> Instant | None:
        """When time changes something about it, in time of receipt."""
        ends = (self.due, self.flood.ends)
        return min((end for end in ends if end is not None), default=None)


class _Share(NamedTuple):
    """A team's part of a decision."""

    team: str
    notifications: list[Notification]


class FloodControl(Notifier):
    """A Notifier that bundles in floods. `changed` says whether there is something new to save."""

    def __init__(
        self, notify: Notify, zone: tzinfo = UTC, told: Mapping[Identity, Iterable[Recipient]] | None = None
    ) -> None:
        super().__init__(notify, zone, told)
        self._bundles: dict[str, Bundle] = {}
        self.changed = False

    def decide(self, transition: Transition, rule: RuleFacts | None, asset: AssetFacts) -> Decision:
        """As every Notifier; what belongs to a flood and may be bundled is left out, and `why` says so."""
        decision = super().decide(transition, rule, asset)
        kept = [n for share in _shares(decision) for n in self._passed(share, transition, asset.area or "")]
        if len(kept) == len(decision.notifications):
            return decision
        why = decision.why if kept else Why.FLOOD
        return Decision(decision.transition, why, tuple(kept))

    def due(self) -> Instant | None:
        """When, in time of receipt, the next bundle may go out."""
        return min((end for bundle in self._bundles.values() if (end := bundle.next) is not None), default=None)

    def advance(self, received: Instant) -> list[Notification]:
        """Time has come to `received`: the bundles that go out now."""
        out: list[Notification] = []
        for key, bundle in list(self._bundles.items()):
            end = bundle.next
            if end is not None and end <= received:
                self.changed = True
                out += self._send(bundle, received)
                if bundle.flood.since is None and bundle.flood.idle <= received:
                    del self._bundles[key]
        return out

    def snapshot(self) -> list[Any]:
        """All floods, as JSON."""
        self.changed = False
        bundles: list[Any] = msgspec.to_builtins(list(self._bundles.values()))
        return bundles

    def restore(self, data: list[Any]) -> None:
        """The reverse of `snapshot`."""
        found = msgspec.convert(data, list[Bundle])
        self._bundles = {_key(bundle.team, bundle.area): bundle for bundle in found}

    def _passed(self, share: _Share, transition: Transition, area: str) -> list[Notification]:
        """What of a team's messages goes out singly."""
        if share.notifications[0].purpose is not Purpose.ALERT:
            return share.notifications
        bundle = self._bundle(share.team, area)
        new, self.changed = transition.event in APPEARS, True
        flooded = (bundle.flood.count if new else bundle.flood.look)(transition.received)
        if not flooded or transition.kind is Kind.SAFETY or transition.priority in SINGLY:
            return share.notifications
        bundle.add(share.notifications, transition.title)
        if bundle.due is None:
            bundle.due = transition.received + FIRST_BUNDLE
        if new:
            self.untell(transition.identity, [Recipient(n.team, n.channel) for n in share.notifications])
        return []

    def _bundle(self, team: str, area: str) -> Bundle:
        key = _key(team, area)
        if key not in self._bundles:
            self._bundles[key] = Bundle(team, area, Flood())
        return self._bundles[key]

    def _send(self, bundle: Bundle, received: Instant) -> Iterator[Notification]:
        began, lasts = bundle.flood.since, bundle.flood.look(received)
        for pattern in self.directory.forwarded(bundle.pattern.values()):
            yield _message(bundle, pattern, self.zone, began, lasts=lasts)
        bundle.due = received + BUNDLE_EVERY if lasts and bundle.pattern else None
        bundle.pattern, bundle.rules = {}, {}


def _shares(decision: Decision) -> list[_Share]:
    teams: dict[str, list[Notification]] = {}
    for notification in decision.notifications:
        teams.setdefault(notification.team, []).append(notification)
    return [_Share(team, notifications) for team, notifications in teams.items()]


def _message(
    bundle: Bundle, pattern: Notification, zone: tzinfo, began: Instant | None, *, lasts: bool
) -> Notification:
    where = f" in area {bundle.area}" if bundle.area else ""
    count = sum(bundle.rules.values())
    return msgspec.structs.replace(
        pattern,
        key=f"flood:{pattern.key}",
        purpose=Purpose.SUMMARY,
        event="flood",
        title=f"ALARM FLOOD{where}: {count} more alarms" if lasts else f"ALARM FLOOD OVER{where}: {count} more alarms",
        body="\n".join(_lines(bundle, pattern, zone, began, lasts=lasts)),
    )


def _lines(bundle: Bundle, pattern: Notification, zone: tzinfo, began: Instant | None, *, lasts: bool) -> Iterator[str]:
    since = f" since {moment(began, zone)}" if began is not None else ""
    state = "lasts" if lasts else f"is over: fewer than {ENDS_BELOW} new alarms within 10 min"
    yield f"The alarm flood{since} {state}."
    yield f"More than {STARTS_ABOVE} new alarms within 10 min: low and medium ones are told together, others singly."
    yield f"First of these: {pattern.title}, {moment(pattern.at, zone)}"
    ordered = sorted(bundle.rules.items(), key=lambda item: (-item[1], item[0]))
    yield from (f"{count} x {title}" for title, count in ordered[:MOST_LINES])
    if len(ordered) > MOST_LINES:
        yield f"and {sum(count for _, count in ordered[MOST_LINES:])} more of other rules"
    yield "All of them are listed by `andon alarms`."


def _key(team: str, area: str) -> str:
    return f"{team}\n{area}"
