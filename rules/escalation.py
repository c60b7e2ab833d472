"""How a rule's alarm may be shelved, called again and stepped up: the limits and the shape of `escalate`."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Final

from pydantic import Field

from rules.alarms import Priority
from rules.durations import DurationField
from rules.events import SECOND, Duration
from rules.problems import InputError
from rules.validation import Section

SHIFT: Final[Duration] = 8 * 3_600 * SECOND
"""The longest suppression of a safety alarm, and how long others may be shelved unless the rule says otherwise."""
LONGEST_SHELF: Final[Duration] = 7 * 24 * 3_600 * SECOND
"""What `max_shelve` may say at most."""
LONGEST_OUT_OF_SERVICE: Final[Duration] = 30 * 24 * 3_600 * SECOND
"""For kinds other than safety."""
LONGEST_OVERRIDE: Final[Duration] = 7 * 24 * 3_600 * SECOND
"""How long limits may be other than those of the files, for kinds other than safety."""


class Step(Section):
    """An active alarm that is not acknowledged `after` people were called gets this priority, if it is higher."""

    after: Annotated[DurationField, Field(gt=0)]
    priority: Priority


def rising(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps, if each comes later and is higher than the one before.

    Raises:
        InputError: they are not.
    """
    for one, two in pairwise(steps):
        if one.after >= two.after or one.priority.rank >= two.priority.rank:
            raise InputError("each step of `escalate` comes later and is higher than the one before", "order them")
    return steps
