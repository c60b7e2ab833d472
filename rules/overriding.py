"""Limits that a person puts in the place of those of the files for a while: in force, said in reasons, and ended.

They belong to the alarm, not to the rule's text: a restart and new files leave them in force until their end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.alarms import Kind, Reason
from rules.detectors.base import shown
from rules.events import Instant
from rules.life import Override

if TYPE_CHECKING:
    from rules.watch import Emit, Watch


def impose(watch: Watch, override: Override | None) -> None:
    """Let the watch judge by the override; None: by the limits of the files."""
    watch.alarm.override = override
    levels = watch.detector.adjustable
    if levels is not None:
        levels.override(*((override.limits, override.rows) if override is not None else ({}, {})))


def begin(watch: Watch, override: Override, at: Instant, emit: Emit, reason: Reason) -> None:
    """Put it in force, in the place of any other; what follows from it follows at once."""
    impose(watch, override)
    _tell(watch, "limits_overridden", at, emit, reason | {"override": _record(watch, override)})
    watch.evaluate(at, "limits_overridden", emit)


def end(watch: Watch, at: Instant, emit: Emit, cause: str, why: str) -> None:
    """The limits of the files hold again; `cause` are the words, `why` the word for programs."""
    restore(watch, at, emit, cause, why)
    watch.evaluate(at, "limits_restored", emit)


def restore(watch: Watch, at: Instant, emit: Emit, cause: str, why: str) -> None:
    """As `end`, for a watch that is not to judge any more."""
    override = watch.alarm.override
    assert override is not None
    record = _record(watch, override)
    impose(watch, None)
    filed = _words({level: one["filed"] for level, one in record["limits"].items()})
    reason = {"text": f"{cause}: the limits of the files hold again ({filed})", "why": why, "override": record}
    _tell(watch, "limits_restored", at, emit, reason)


def hand_over(watch: Watch, heir: Watch | None, at: Instant, emit: Emit) -> None:
    """The watch's rule decides differently now, or is gone: the override goes on where it means the same.

    What one person put in force does not go on over a rule that became one of safety.
    """
    override = watch.alarm.override
    if override is None:
        return
    if heir is None or not _means_the_same(override, watch, heir):
        restore(watch, at, emit, "the rule was changed or removed", "rule_changed")
    else:
        impose(heir, override)


def _means_the_same(override: Override, watch: Watch, heir: Watch) -> bool:
    """Whether its limits are still there, over the same signals, and as many people agreed as it takes now."""
    levels = heir.detector.adjustable
    alone = heir.rule.kind is Kind.SAFETY and watch.rule.kind is not Kind.SAFETY
    same = [signal.name for signal in heir.inputs] == [signal.name for signal in watch.inputs]
    return levels is not None and same and not alone and levels.still_has(override.limits, override.rows)


def named(watch: Watch, level: str) -> Reason:
    """What a reason says of a level's limit that is not that of the files; nothing if it is."""
    override, levels = watch.alarm.override, watch.detector.adjustable
    if override is None or levels is None or not levels.overrides(level):
        return {}
    return {"override": _record(watch, override)}


def sentence(watch: Watch, level: str) -> str:
    """The same in words, to stand behind what was said of the limit; empty if there is nothing to say."""
    found = named(watch, level).get("override")
    if found is None:
        return ""
    return (
        f" (overridden by {found['by']}: {found['comment']}; the files say {_limit(found['limits'][level]['filed'])})"
    )


def instead(watch: Watch, limits: dict[str, float]) -> str:
    """What would change, in words: each limit with that of the files."""
    levels = watch.detector.adjustable
    assert levels is not None
    filed = {level: levels.limit_of_files(level) for level in limits}
    return ", ".join(f"{level} {shown(limit)} instead of {_limit(filed[level])}" for level, limit in limits.items())


def _record(watch: Watch, override: Override) -> Reason:
    levels = watch.detector.adjustable
    limits = {
        level: {"limit": limit, "filed": None if levels is None else levels.filed(level)}
        for level, limit in override.limits.items()
    }
    told = {"limits": limits, "until": override.end, "by": override.by, "comment": override.comment}
    return told | ({"rows": override.rows} if override.rows else {})


def _tell(watch: Watch, event: str, at: Instant, emit: Emit, reason: Reason) -> None:
    emit(watch, event, watch.alarm.shown, watch.alarm.shown, at, reason)


def _words(limits: dict[str, float | None]) -> str:
    return ", ".join(f"{level} {_limit(limit)}" for level, limit in limits.items())


def _limit(limit: float | None) -> str:
    return "none" if limit is None else shown(limit)
