"""What people ask of the line: checked, journalled, applied, and answered once it is durable."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec

from monitor import clock
from monitor.errors import AndonError, RefusedError
from monitor.journal.entries import CommandEntry
from monitor.line.decider import Decider
from monitor.line.intake import Intake
from rules.alarms import Transition
from rules.events import SECOND, Command, Duration
from rules.problems import quoted

PATIENCE: Final[Duration] = 8 * SECOND
"""How long an answer waits for the command to take effect."""
LONGEST_ALARM: Final = 2_000
"""Characters of an alarm's id."""


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The arguments of the request `command`; `duration` is in nanoseconds, none means one-shot for `shelve`.

    `limits` by level are for `override`.
    """

    action: str
    alarm: str
    by: str
    comment: str = ""
    duration: Duration | None = None
    limits: dict[str, float] = {}


class CommandDesk:
    """Answers `command` with `{alarm, asset, rule, part, state, events, text}`."""

    def __init__(self, decider: Decider, intake: Intake) -> None:
        self._decider = decider
        self._intake = intake

    async def __call__(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Let a person's command happen.

        Raises:
            RefusedError: it does not apply, or is no command; the message says why.
            AndonError: there is no room to journal it, or it is journalled but could not take effect yet.
        """
        command = self._command(arguments)
        if (why := self._decider.stages.refusal(command)) is not None:
            raise RefusedError(why)
        outcome = self._decider.outcome(command.received)
        try:
            await self._intake.append([CommandEntry(command.received, msgspec.json.encode(command))])
        except AndonError:
            outcome.cancel()
            raise
        try:
            async with asyncio.timeout(clock.seconds(PATIENCE)):
                told = await outcome
        except TimeoutError:
            raise AndonError(
                "the line is behind: the command is journalled and takes effect once it has caught up"
            ) from None
        if isinstance(told, str):
            raise RefusedError(told)
        return _answer(told)

    def _command(self, arguments: dict[str, Any]) -> Command:
        try:
            asked = msgspec.convert(arguments, Asked)
        except msgspec.ValidationError as error:
            raise RefusedError(f"that is no command: {error}") from None
        asset = self._decider.stages.asset_of(asked.alarm[:LONGEST_ALARM])
        if asset is None:
            raise RefusedError(f"there is no alarm {quoted(asked.alarm[:100])}; `andon alarms` lists them")
        received = self._intake.stamp()
        until = None if asked.duration is None else received + asked.duration
        return Command(received, asked.action, asset, asked.alarm, asked.by, asked.comment, until, asked.limits)


def _answer(told: list[Transition]) -> dict[str, Any]:
    last = told[-1]
    return {
        "alarm": last.alarm,
        "asset": last.asset,
        "rule": last.rule,
        "part": last.part,
        "state": last.to,
        "events": [transition.event for transition in told],
        "text": told[0].reason["text"],
    }
