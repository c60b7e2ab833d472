"""`alarm_table`: the fault word of a controller, with one alarm for each of its bits or codes."""

from __future__ import annotations

import re
from typing import Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from rules.alarms import Priority
from rules.detectors.base import Bindings, Detector, DetectorConfig
from rules.durations import DurationField
from rules.events import Instant, Value
from rules.problems import InputError, quoted
from rules.signals import Signal
from rules.validation import Section

UNLISTED: Final = "unlisted"
"""The part of the alarm over what is not in the table."""
WHOLE_BITS: Final = 53
"""Bits that a number keeps."""
LAST_BIT: Final = 31
"""Of the words that controllers have for faults as a rule."""
MOST_CODES: Final = 2_000
NO_FAULT: Final = frozenset({"0", ""})
"""Codes that mean that all is well, unless the table lists them."""

_WIDTHS: Final = (16, 32, 64)


class FaultCode(Section):
    """One row: a bit's number from 0, or a code; what it means; how urgent it is (else as the rule); what to do."""

    code: str = Field(min_length=1, max_length=100)
    text: str = Field(min_length=1, max_length=1_000)
    priority: Priority | None = None
    response: str = Field(default="", max_length=4_000)

    @field_validator("code")
    @classmethod
    def _plain(cls, code: str) -> str:
        if not code.isprintable() or set(code) & set("/+#") or code == UNLISTED:
            raise InputError(f"the code {quoted(code)} is not allowed", "use letters, digits, - and .")
        return code


class AlarmTableConfig(DetectorConfig):
    """Each listed bit or code is an alarm of its own; whatever is not listed shares one, named by its numbers.

    `holds: codes`: the signal is the one code that is present; 0 and empty text mean none. `holds: bits`: the signal
    is a word, each of its bits a fault; negative words count as two's complement. `codes: true` and `bits: true` say
    the same. `table` is a list of rows, or the name of a CSV file beside the rule file with the columns code, text,
    priority and response. A row that is changed, added or removed leaves the alarms of the others as they are.
    """

    type: Literal["alarm_table"]
    signal: str
    holds: Literal["bits", "codes"] = "codes"
    bits: bool | None = Field(default=None, exclude=True)
    codes: bool | None = Field(default=None, exclude=True)
    table: tuple[FaultCode, ...] = Field(min_length=1, max_length=MOST_CODES)
    on_delay: DurationField = 0
    off_delay: DurationField = 0

    @model_validator(mode="before")
    @classmethod
    def _one_meaning(cls, data: Any) -> Any:
        """`holds` as the other spellings have it; contradictions are refused."""
        if not isinstance(data, dict):
            return data
        said = {data["holds"]} if isinstance(data.get("holds"), str) else set()
        said |= {name for name in ("bits", "codes") if data.get(name) is True}
        said |= {other for name, other in (("bits", "codes"), ("codes", "bits")) if data.get(name) is False}
        if len(said) > 1:
            raise InputError("`holds`, `bits` and `codes` contradict each other", "keep one of them: bits: true")
        return data | ({"holds": said.pop()} if said else {})

    @model_validator(mode="after")
    def _codes_fit(self) -> Self:
        seen: set[str] = set()
        for code in (row.code for row in self.table):
            if code in seen:
                raise InputError(f"the code {quoted(code)} is in the table twice", "remove one")
            seen.add(code)
            if self.holds == "bits" and not (re.fullmatch("[0-9]{1,2}", code) and int(code) < WHOLE_BITS):
                raise InputError(f"{quoted(code)} is not a bit", f"bits are numbers from 0 to {WHOLE_BITS - 1}")
        return self

    def signals(self) -> tuple[str, ...]:
        """The fault word."""
        return (self.signal,)

    @property
    def doubt(self) -> InputError | None:
        """A table that could be one of bits, where nothing says what it is of."""
        numbers = all(re.fullmatch("[0-9]{1,2}", row.code) and int(row.code) <= LAST_BIT for row in self.table)
        if "holds" in self.model_fields_set or not numbers:
            return None
        message = f"the codes of the table look like bits from 0 to {LAST_BIT}, and are taken for codes"
        return InputError(message, "say what the signal holds: bits: true or codes: true")

    @property
    def spoken(self) -> frozenset[str]:
        """The rows: each is a part, and its texts and priority decide nothing."""
        return frozenset({"table"})

    def build(self, bindings: Bindings) -> list[Detector]:
        """One detector per row, and one for the rest."""
        word = Word(bindings.signal(self.signal), bits=self.holds == "bits", ignore_quality=bindings.ignore_quality)
        known = frozenset(row.code for row in self.table) | (NO_FAULT if self.holds == "codes" else frozenset())
        return [*(Fault(word, row) for row in self.table), Unlisted(word, known)]


class Word:
    """What a fault word says now."""

    def __init__(self, signal: Signal, *, bits: bool, ignore_quality: bool) -> None:
        self.signal = signal
        self._read = _bits if bits else _code
        self._ignore = ignore_quality
        self._last: Value = None
        self._present: frozenset[str] | None = None

    def present(self) -> frozenset[str] | None:
        """The bits or codes that are there; None if it cannot be told."""
        value = self.signal.last if self._ignore else self.signal.value
        if value is not self._last:
            self._last, self._present = value, self._read(value)
        return self._present


def _bits(value: Value) -> frozenset[str] | None:
    if type(value) is not float or not value.is_integer():
        return None
    word = int(value)
    if word < 0:
        width = next((width for width in _WIDTHS if word >= -(1 << width - 1)), None)
        if width is None:
            return None
        word += 1 << width
    return frozenset(str(bit) for bit in range(word.bit_length()) if word >> bit & 1) if word < 1 << 64 else None


def _code(value: Value) -> frozenset[str] | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, float):
        return frozenset({str(int(value))}) if value.is_integer() else None
    return frozenset({value.strip()})


class Fault(Detector):
    """One bit or code of the table."""

    def __init__(self, word: Word, row: FaultCode) -> None:
        self.inputs = (word.signal,)
        self.part = row.code
        self.priority = row.priority
        self._word = word
        self._row = row

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether the code is there."""
        del at
        present = self._word.present()
        return None if present is None else (self._row.code in present,)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The row's text, with the word's value; `response` says what to do about this code."""
        del level
        row, signal = self._row, self.inputs[0]
        value = signal.last
        reason = {"text": f"{row.text} ({signal.name} {row.code}{'' if on else ', gone'})", "value": value,
                  "code": row.code, "values": {signal.name: value}}  # fmt: skip
        return reason | {"response": row.response} if row.response else reason


class Unlisted(Detector):
    """Everything that the table does not list: a fault is not silent for being unknown."""

    part = UNLISTED

    def __init__(self, word: Word, known: frozenset[str]) -> None:
        self.inputs = (word.signal,)
        self._word = word
        self._known = known

    def update(self, at: Instant) -> tuple[bool, ...] | None:
        """Whether there is a code that is not listed."""
        del at
        present = self._word.present()
        return None if present is None else (not present <= self._known,)

    def describe(self, level: str, *, on: bool) -> dict[str, Any]:
        """The codes that are there and not listed."""
        del level
        signal = self.inputs[0]
        value = signal.last
        codes = sorted((self._word.present() or frozenset()) - self._known)
        what = f"{signal.name}: {', '.join(codes)[:200]} is not in the table" if on else f"{signal.name}: all is listed"
        return {"text": what, "value": value, "values": {signal.name: value}}
