"""From what a gateway published to readings of assets; pure: no I/O, no clock."""

from monitor.codecs.base import Claim, Codec, Declared, Decoded, Reject
from monitor.codecs.decoder import FORMATS, Decoder
from monitor.codecs.topics import TopicTemplate

__all__ = ["FORMATS", "Claim", "Codec", "Declared", "Decoded", "Decoder", "Reject", "TopicTemplate"]
