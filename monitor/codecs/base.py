"""What every codec takes and gives: a claimed topic and a payload in, observations and rejects out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

import msgspec

from rules.events import GatewayLink, Instant, Observation

LONGEST_NAME: Final = 255
"""Characters of an asset's or metric's name; nested payloads could otherwise multiply a long key without bound."""

EXACT_INTEGER: Final = 2**53
"""Up to here a float holds every integer; beyond it the digits are kept as text."""

Declared: TypeAlias = Callable[[str], Mapping[str, str]]
"""What the site declares an asset's metrics to be: number, number or boolean, boolean, text."""


class Reject(msgspec.Struct, frozen=True, gc=False):
    """What could not become a reading, for quarantine: the whole message, or one metric of it if `metric` is given.

    `reason` is a stable slug to count by, `detail` says it to people. `gateway` is None where none claims the topic.
    """

    gateway: str | None
    reason: str
    detail: str
    asset: str | None = None
    metric: str | None = None


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """The outcome of one message; never all empty. `link` is what it says of the gateway itself."""

    observations: tuple[Observation, ...] = ()
    rejects: tuple[Reject, ...] = ()
    link: GatewayLink | None = None


class Claim(msgspec.Struct, frozen=True, gc=False):
    """A topic that belongs to a gateway: which one, the asset it speaks of, and the metric if the topic names it."""

    gateway: str
    asset: str
    metric: str | None

    def rejected(self, reason: str, detail: str, metric: str | None = None) -> Reject:
        """A reject of this gateway and asset; of the whole message unless a metric is given."""
        return Reject(self.gateway, reason, detail, self.asset, metric)


class Codec(Protocol):
    """One gateway's payload format."""

    def decode(self, claim: Claim, payload: bytes, received: Instant) -> Decoded:
        """Readings and rejects of one payload, within the gateway's `max_payload`; no bytes make it raise."""
        ...
