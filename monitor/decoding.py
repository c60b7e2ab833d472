"""How a revision of the site's configuration reads the journal's messages; both readers build it the same way."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.codecs.decoder import Decoder
from monitor.site import gateways_from_texts, ruleset_from_texts
from rules.ruleset import RuleSet


def decoder_for(texts: Mapping[str, str]) -> Decoder:
    """The decoder of a revision, from the texts kept in the journal."""
    return decoder_of(texts, ruleset_from_texts(texts))


def decoder_of(texts: Mapping[str, str], rules: RuleSet) -> Decoder:
    """The same where the rules are at hand already."""
    return Decoder(gateways_from_texts(texts), rules.assets.is_numeric, rules.max_ahead)
