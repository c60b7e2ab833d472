"""How a revision of the site's configuration reads the journal's messages; both readers build it the same way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog

from monitor.codecs.decoder import Decoder
from monitor.errors import AndonError
from monitor.settings import Gateway
from monitor.site import Site, gateways_from_texts, ruleset_from_texts
from rules.ruleset import EMPTY, RuleSet

MOST_KNOWN: Final = 4

log = structlog.get_logger()


class Meaning(NamedTuple):
    """What a revision says to this program."""

    rules: RuleSet
    gateways: tuple[Gateway, ...]

    def decoder(self) -> Decoder:
        """Reads messages as it wants them read."""
        return Decoder(self.gateways, self.rules.assets.declared, self.rules.max_ahead)


NOTHING: Final = Meaning(EMPTY, ())
"""What holds before the first revision."""


def meaning_of(texts: Mapping[str, str]) -> Meaning:
    """Of the texts kept in the journal.

    Raises:
        AndonError, ValueError: this program does not accept what once was accepted.
    """
    return Meaning(ruleset_from_texts(texts), gateways_from_texts(texts))


def meaning_or(otherwise: Callable[[], Meaning], texts: Mapping[str, str]) -> Meaning:
    """The same; where this program does not accept what an older one did, `otherwise`, the present files as a rule.

    Nothing that was received under a revision is lost because of its texts.
    """
    try:
        return meaning_of(texts)
    except (AndonError, ValueError) as error:
        hint = "what was received under it is decided and stored as the present files say"
        log.warning("revision_refused", error=str(error), hint=hint)
        return otherwise()


def present(site: Site) -> Meaning:
    """What the files say now."""
    return Meaning(site.ruleset, site.settings.gateways)


class Revisions:
    """What revisions mean, by their hash; the last few that were asked for need not be read again.

    `otherwise` stands in for one that this program does not accept any more.
    """

    def __init__(self, otherwise: Callable[[], Meaning]) -> None:
        self._otherwise = otherwise
        self._known: dict[str, Meaning] = {}

    def know(self, revision: str, meaning: Meaning) -> None:
        """This is what a revision means."""
        self._known[revision] = meaning
        if len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def of(self, revision: str, texts: Mapping[str, str]) -> Meaning:
        """What a revision means, read from its texts if it is not known."""
        meaning = self._known.pop(revision, None) or meaning_or(self._otherwise, texts)
        self.know(revision, meaning)
        return meaning
