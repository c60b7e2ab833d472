"""Topic templates: `plant/{line}/{machine}/{metric}` names the levels of an MQTT topic, `{name...}` takes the rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import zip_longest
from typing import Final

from rules.problems import InputError, quoted, unknown

LEVEL: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(\.\.\.)?\}")
HINT: Final = "write whole levels, as in plant/{line}/{machine}/{metric}; {name...} as the last one takes the rest"


class TopicTemplate:
    """Says which topics belong to it and what their levels are called.

    `filter` is the MQTT subscription that delivers them; `names` the named levels in order. A named level may be
    empty, as MQTT allows; `{name...}` stands for one level or more. As in MQTT, a name in front does not match `$...`.

    Raises:
        InputError: the text is no template; message and hint say how to mend it.
    """

    __slots__ = ("_pattern", "filter", "names", "text")

    def __init__(self, text: str) -> None:
        levels = text.split("/")
        named = [LEVEL.fullmatch(level) for level in levels]
        _check(text, levels, named)
        self.text = text
        self.names = tuple(found[1] for found in named if found)
        self.filter = "/".join(_subscribed(level, found) for level, found in zip(levels, named, strict=True))
        not_system = r"(?!\$)" if named[0] else ""
        self._pattern = re.compile(not_system + "/".join(map(_expression, levels, named)), re.DOTALL)

    def claims(self, other: TopicTemplate) -> bool:
        """Whether every topic of the other belongs to this one, too."""
        return covers(self.filter, other.filter) and other.filter.count("/") >= self.filter.count("/")

    def match(self, topic: str) -> dict[str, str] | None:
        """The named levels of a topic that belongs to the template, otherwise None."""
        found = self._pattern.fullmatch(topic)
        return found.groupdict() if found else None


class NameTemplate:
    """A name made of a topic's levels, such as `{line}/{machine}`.

    Raises:
        InputError: it uses a level that the topic does not name, or is empty.
    """

    __slots__ = ("text",)

    def __init__(self, text: str, levels: Iterable[str]) -> None:
        known = tuple(levels)
        if not text or "{" in LEVEL.sub("", text) or any(found[2] for found in LEVEL.finditer(text)):
            raise InputError(f"{quoted(text)} makes no name", "write for example {line}/{machine}")
        for found in LEVEL.finditer(text):
            if found[1] not in known:
                raise unknown("topic level", found[1], known)
        self.text = text

    def fill(self, levels: dict[str, str]) -> str:
        """The name for these levels."""
        return LEVEL.sub(lambda found: levels[found[1]], self.text)


def filters_of(templates: Iterable[str]) -> list[str]:
    """The MQTT subscriptions for topic templates, each once."""
    return list(dict.fromkeys(TopicTemplate(text).filter for text in templates))


def needed(filters: Iterable[str]) -> list[str]:
    """Those that no other covers: a broker may deliver a message once for each subscription that it matches."""
    once = list(dict.fromkeys(filters))
    return [narrow for narrow in once if not any(covers(wide, narrow) for wide in once if wide != narrow)]


def covers(wide: str, narrow: str) -> bool:
    """Whether one subscription delivers everything that the other would."""
    if _hides_system(wide, narrow):
        return False
    for level, other in zip_longest(wide.split("/"), narrow.split("/")):
        if level == "#":
            return True
        if level != other and (level != "+" or other in ("#", None)):
            return False
    return True


def overlap(one: str, other: str) -> bool:
    """Whether there is a topic that both subscriptions deliver."""
    if _hides_system(one, other) or _hides_system(other, one):
        return False
    for levels in zip_longest(one.split("/"), other.split("/")):
        if "#" in levels:
            return True
        if None in levels or (levels[0] != levels[1] and "+" not in levels):
            return False
    return True


def _hides_system(wide: str, narrow: str) -> bool:
    """A wildcard in front does not match what begins with a dollar sign."""
    return wide.startswith(("+", "#")) and narrow.startswith("$")


def _check(text: str, levels: list[str], named: list[re.Match[str] | None]) -> None:
    names = [found[1] for found in named if found]
    if not text:
        raise InputError("the topic template is empty", HINT)
    for level, found in zip(levels, named, strict=True):
        if not found and re.search(r"[{}+#\0]", level):
            raise InputError(
                f"{quoted(level)} in the topic template {quoted(text)} is neither a name nor plain text", HINT
            )
    if len(set(names)) < len(names):
        raise InputError(f"the topic template {quoted(text)} uses a name twice", HINT)
    if any(found and found[2] for found in named[:-1]):
        raise InputError(f"{{name...}} is not the last level of the topic template {quoted(text)}", HINT)


def _subscribed(level: str, found: re.Match[str] | None) -> str:
    if not found:
        return level
    return "#" if found[2] else "+"


def _expression(level: str, found: re.Match[str] | None) -> str:
    if not found:
        return re.escape(level)
    return f"(?P<{found[1]}>{'.*' if found[2] else '[^/]*'})"
