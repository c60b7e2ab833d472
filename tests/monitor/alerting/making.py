"""Short ways to say what a test of alerting needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.alerting.policy import CONSOLE, AssetFacts, Decision, decide, fingerprint
from monitor.database.records import Notification, Recipient
from monitor.settings import Notify
from rules.alarms import Kind, Priority, State, Transition
from rules.events import SECOND

T0 = 1_700_000_000 * SECOND
"""2023-11-14 22:13:20 UTC."""

MAIL = "mailto://user:tops3cret@example.com"
HOOK = "json://127.0.0.1:1/hook"


MILL: Final = AssetFacts("Mill 3", "A")


@dataclass(frozen=True)
class Facts:
    """A rule as far as alerting looks at it."""

    response: str | None = "Check the coolant flow."
    cause: str | None = None
    consequence: str | None = None
    time_to_respond: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    notice: bool = False


def transition(
    event: str = "raised", to: State = State.UNACKNOWLEDGED, *, second: int = 0, **changes: object
) -> Transition:
    """One transition of `line1/mill3:too-hot`; its alarm began at second 0 unless `alarm` says otherwise."""
    asset = str(changes.pop("asset", "line1/mill3"))
    rule = str(changes.pop("rule", "too-hot"))
    at = T0 + second * SECOND
    given = {
        "id": f"{asset}:{rule}:{at}:0",
        "alarm": f"{asset}:{rule}:{T0}:0",
        "at": at,
        "received": at,
        "part": None,
        "kind": Kind.EQUIPMENT,
        "priority": Priority.HIGH,
        "from_": State.NORMAL,
        "value": 91.25,
        "reason": {"text": "spindle 91.25 above high limit 85", "limit": 85.0, "level": "high"},
        "by": "andon",
        "mode": "live",
        "title": "Spindle too hot",
    }
    return Transition(asset=asset, rule=rule, event=event, to=to, **{**given, **changes})


def notify(*routes: tuple[dict[str, str], str], **teams: list[str]) -> Notify:
    """Settings with these routes (match, team) and these teams' addresses."""
    return Notify.model_validate(
        {
            "teams": {name: {"channels": addresses} for name, addresses in teams.items()},
            "routes": [{"match": match, "to": team} for match, team in routes],
        }
    )


def decided(
    what: Transition, settings: Notify | None = None, told: tuple[Recipient, ...] = (), **rule: object
) -> Decision:
    """The decision on one transition of Mill 3."""
    return decide(what, Facts(**rule), settings or Notify(), MILL, told=told)


def notification(what: Transition, channel: str = CONSOLE) -> Notification:
    """An alert of this transition to one channel."""
    (made,) = decided(what, notify(({}, "all"), all=[channel])).notifications
    return made


def told_on(*addresses: str) -> tuple[Recipient, ...]:
    """Recipients of a team `all` on these addresses."""
    return tuple(Recipient("all", fingerprint(address)) for address in addresses)
