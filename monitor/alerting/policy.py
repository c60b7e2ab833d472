"""Who is told of a transition, and why, or why nobody.

Pure: no I/O, no clock, no randomness. `decide` is the whole decision; `Notifier` only remembers who was told, because
those and no others hear that it is over.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from monitor.alerting import messages
from monitor.alerting.messages import AssetFacts, RuleFacts
from monitor.database.records import Notification, Purpose, Recipient
from rules.alarms import LEAVING, SUPPRESSIONS, Identity, Kind, Priority, State, Transition
from rules.builtin import COMMS_LOST
from rules.patterns import matcher

if TYPE_CHECKING:
    from monitor.settings import Notify

CONSOLE: Final = "console://"
DEFAULT_TEAM: Final = "default"
NO_TEAM: Final = "console"
"""The team of those who are told on the console because nobody else is."""


class Why(enum.StrEnum):
    """Why somebody was told, or why nobody was."""

    ROUTED = "a route matches"
    DEFAULT = "no route matches: the default team is told"
    UNROUTED = "no route matches and there is no default team: the console is told"
    THOSE_TOLD = "those who were told of the alarm are told that it is over"
    NOBODY_WAS_TOLD = "nobody was told of the alarm, so nobody is told that it is over"
    WAITS = "it waits for what may be its cause, up to a second"
    FLOOD = "alarm flood: told together with others, in the next message of the flood"
    QUIET_EVENT = "this event notifies nobody"
    SUPPRESSED = "the alarm is shelved, suppressed or out of service"
    COVERED = "told with the loss of its gateway, which lists it"
    NOT_LIVE = "the rule is not live: it decides but notifies nobody"
    HELD = "held: it came late, and people are told once the backlog is worked off"
    OVERTAKEN = "it came late and was overtaken: people are told what followed"
    SUMMARISED = "it came late and was over again: told in a summary"


class Decision(msgspec.Struct, frozen=True):
    """What follows from one transition; `why` always says it, also when nobody is told."""

    transition: str
    why: Why
    notifications: tuple[Notification, ...] = ()


_matcher: Final = lru_cache(maxsize=4096)(matcher)
_ALERTS: Final = frozenset({"raised", "raised_priority", "re_alarmed"})
_AFTER_LEAVING: Final[dict[State, Purpose]] = {
    State.UNACKNOWLEDGED: Purpose.ALERT,
    State.LATCHED_UNACKNOWLEDGED: Purpose.ALERT,
    State.LATCHED_ACKNOWLEDGED: Purpose.LATCHED,
    State.RETURNED_UNACKNOWLEDGED: Purpose.RECOVERY,
    State.NORMAL: Purpose.RECOVERY,
}
_FOLLOW_UPS: Final[dict[str, Purpose]] = {"latched": Purpose.LATCHED, "cleared": Purpose.RECOVERY}


@lru_cache(maxsize=4096)
def fingerprint(address: str) -> str:
    """Names a channel without giving its address away: scheme and a digest, e.g. `json#1a2b3c4d`."""
    scheme = re.match(r"[A-Za-z0-9+.-]{1,32}(?=://)", address)
    digest = hashlib.sha256(address.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{scheme.group().lower() if scheme else 'unknown'}#{digest}"


def purpose_of(transition: Transition) -> Purpose | None:
    """What a notification of this transition would be for; None if it notifies nobody."""
    if transition.event in _ALERTS:
        return Purpose.ALERT
    if transition.event in LEAVING:
        nobody_asked = transition.to is State.ACKNOWLEDGED and transition.reason.get("automatic") is True
        return Purpose.ALERT if nobody_asked else _AFTER_LEAVING.get(transition.to)
    return _FOLLOW_UPS.get(transition.event)


def route(
    transition: Transition, rule: RuleFacts | None, notify: Notify, asset: AssetFacts
) -> tuple[Why, list[Recipient]]:
    """The channels of all teams that a route sends this to, each once; the default team, else the console."""
    teams = dict.fromkeys(r.to for r in notify.routes if _matches(r.match, transition, rule, asset))
    for why, names in ((Why.ROUTED, list(teams)), (Why.DEFAULT, [DEFAULT_TEAM])):
        if recipients := _channels(names, notify):
            return why, recipients
    return Why.UNROUTED, [Recipient(NO_TEAM, fingerprint(CONSOLE))]


def decide(
    transition: Transition,
    rule: RuleFacts | None,
    notify: Notify,
    asset: AssetFacts,
    *,
    told: Iterable[Recipient] = (),
    zone: tzinfo = UTC,
) -> Decision:
    """Who is told of this transition; `told` are those who heard that the alarm was raised.

    `rule` is None for rules that come from no file. A rule with `notice` goes out with low priority.
    """
    purpose = purpose_of(transition)
    if purpose is Purpose.ALERT:
        why, recipients = _alerted(transition, rule, notify, asset)
    else:
        why, recipients = _followed_up(transition, purpose, told)
    if purpose is None or not recipients:
        return Decision(transition.id, why)
    notice = rule is not None and rule.notice and transition.kind is not Kind.SAFETY
    title = messages.title(transition, rule, asset, purpose)
    body = messages.body(transition, rule, asset, purpose, zone)
    made = (_notification(transition, purpose, recipient, title, body, notice=notice) for recipient in recipients)
    return Decision(transition.id, why, tuple(made))


class Directory:
    """Which channels there are, and which each team has, by fingerprint.

    The one place that says who is told instead when a channel is gone: its address or token may only have changed.
    `besides` are channels that are there although no team names them.
    """

    def __init__(self, notify: Notify, besides: Iterable[str] = ()) -> None:
        self._teams = {name: _channels([name], notify) for name in notify.teams}
        named = (recipient.channel for recipients in self._teams.values() for recipient in recipients)
        self._there = {fingerprint(CONSOLE), *named, *besides}

    def present(self, recipients: Iterable[Recipient]) -> list[Recipient]:
        """These, in place of a channel that is gone those that its team has now; each channel once."""
        found: dict[str, Recipient] = {}
        for recipient in recipients:
            for one in [recipient] if recipient.channel in self._there else self._teams.get(recipient.team, ()):
                found.setdefault(one.channel, one)
        return list(found.values())

    def forwarded(self, notifications: Iterable[Notification]) -> list[Notification]:
        """The same for what is yet to be sent."""
        found: dict[str, Notification] = {}
        for notification in notifications:
            for recipient in self.present([Recipient(notification.team, notification.channel)]):
                found.setdefault(recipient.channel, readdressed(notification, recipient))
        return list(found.values())


def readdressed(notification: Notification, recipient: Recipient) -> Notification:
    """The same message to another, with the key that it would have had from the beginning."""
    team, channel = recipient
    key = notification.key.removesuffix(notification.channel) + channel
    return msgspec.structs.replace(notification, key=key, team=team, channel=channel)


class Notifier:
    """Decides one transition after the other and remembers who was told of each active alarm."""

    def __init__(
        self, notify: Notify, zone: tzinfo = UTC, told: Mapping[Identity, Iterable[Recipient]] | None = None
    ) -> None:
        self.replace(notify, zone)
        self._told: dict[Identity, dict[Recipient, None]] = {
            key: dict.fromkeys(who) for key, who in (told or {}).items()
        }

    def replace(self, notify: Notify, zone: tzinfo) -> None:
        """Other teams, routes and channels from now on."""
        self.notify, self.zone = notify, zone
        self.directory = Directory(notify)

    def decide(self, transition: Transition, rule: RuleFacts | None, asset: AssetFacts) -> Decision:
        """As the function of this name, with its memory; call it once for each transition, in order."""
        identity = transition.identity
        told = self._told_of(identity)
        decision = self._without_informed(
            decide(transition, rule, self.notify, asset, told=told, zone=self.zone), transition.reason.get("covered")
        )
        for notification in decision.notifications:
            if notification.purpose is Purpose.ALERT:
                self._told.setdefault(identity, {})[Recipient(notification.team, notification.channel)] = None
            elif notification.purpose is Purpose.RECOVERY:
                self._told.pop(identity, None)
        return decision

    def _without_informed(self, decision: Decision, gateway: str | None) -> Decision:
        """What the loss of a gateway said already goes to those alone who were not told of that."""
        informed = {recipient.channel for recipient in self._told_of((gateway or "", COMMS_LOST, None))}
        kept = tuple(n for n in decision.notifications if n.channel not in informed)
        if gateway is None or kept == decision.notifications:
            return decision
        return Decision(decision.transition, decision.why if kept else Why.COVERED, kept)

    def _told_of(self, identity: Identity) -> list[Recipient]:
        """Who was told of the alarm, by the channels of today."""
        return self.directory.present(self._told.get(identity, ()))

    def untell(self, identity: Identity, recipients: Iterable[Recipient]) -> None:
        """They were not told of the alarm after all."""
        told = self._told.get(identity, {})
        for recipient in recipients:
            told.pop(recipient, None)


def _alerted(
    transition: Transition, rule: RuleFacts | None, notify: Notify, asset: AssetFacts
) -> tuple[Why, list[Recipient]]:
    if transition.to in SUPPRESSIONS:
        return Why.SUPPRESSED, []
    return route(transition, rule, notify, asset) if transition.mode == "live" else (Why.NOT_LIVE, [])


def _followed_up(
    transition: Transition, purpose: Purpose | None, told: Iterable[Recipient]
) -> tuple[Why, list[Recipient]]:
    if purpose is None:
        return Why.QUIET_EVENT, []
    if transition.to in SUPPRESSIONS:
        return Why.SUPPRESSED, []
    recipients = list({r.channel: r for r in told}.values())
    return (Why.THOSE_TOLD if recipients else Why.NOBODY_WAS_TOLD), recipients


def _notification(
    transition: Transition, purpose: Purpose, recipient: Recipient, title: str, body: str, *, notice: bool
) -> Notification:
    return Notification(
        key=f"{transition.id}@{recipient.channel}",
        transition=transition.id,
        alarm=transition.alarm,
        purpose=purpose,
        event=transition.event,
        asset=transition.asset,
        rule=transition.rule,
        part=transition.part,
        kind=transition.kind,
        priority=Priority.LOW if notice else transition.priority,
        safety=transition.kind is Kind.SAFETY or bool(transition.reason.get("blind")),
        team=recipient.team,
        channel=recipient.channel,
        at=transition.at,
        received=transition.received,
        title=title,
        body=body,
    )


def _channels(names: Iterable[str], notify: Notify) -> list[Recipient]:
    found: dict[str, Recipient] = {}
    for name in names:
        for address in notify.teams[name].channels if name in notify.teams else ():
            channel = fingerprint(address.get_secret_value())
            found.setdefault(channel, Recipient(name, channel))
    return list(found.values())


def _matches(match: Mapping[str, str], transition: Transition, rule: RuleFacts | None, asset: AssetFacts) -> bool:
    if match.get("kind") == Kind.SAFETY and transition.reason.get("blind"):
        match = {key: wanted for key, wanted in match.items() if key != "kind"}
    facts = {
        **(rule.labels if rule is not None else {}),
        "kind": transition.kind.value,
        "priority": transition.priority.value,
        "area": asset.area or "",
        "asset": transition.asset,
        "rule": transition.rule,
    }
    return all(key in facts and _matcher(wanted)(str(facts[key])) for key, wanted in match.items())
