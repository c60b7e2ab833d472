"""What commands say, fit for a terminal whatever it holds."""

from __future__ import annotations


def plain(line: str) -> str:
    """The line without signs that a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in line)
