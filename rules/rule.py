"""One rule as its file has it, typed."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializeAsAny,
    model_validator,
)

from rules.alarms import Kind, Priority
from rules.detectors.base import DetectorConfig
from rules.digest import digest
from rules.durations import DurationField
from rules.escalation import LONGEST_SHELF, SHIFT, Step, rising
from rules.events import SECOND
from rules.expressions import Expression, ExpressionField, ForeignSignal
from rules.problems import InputError, quoted, unknown
from rules.validation import Section

MATCH_KEYS: Final = frozenset({"kind", "priority", "area", "asset", "rule", "mode"})
"""What routes match by; no label may have such a name."""

GROUP_NAMES: Final = ("asset", "parent", "area")
"""What may stand in braces in a rule's `group`."""
PLANT: Final = "plant"
"""The name under which the alarm of a rule over several assets is shown, unless the rule names another."""

BUILTIN_IDS: Final = (
    "system.broker-lost",
    "system.clock",
    "system.comms-lost",
    "system.host-clock",
    "system.instrument-fault",
    "system.journal-damaged",
    "system.journal-full",
    "system.queue-dropped",
)
"""The rules that every site has without anybody writing them."""

_ID: Final = re.compile(r"[a-z0-9][a-z0-9.-]*")


def _id(text: str) -> str:
    if not _ID.fullmatch(text) or len(text) > 100:
        raise InputError(
            f"the id {quoted(text)} is not allowed", "use a-z, 0-9, - and . (at most 100, no . or - in front)"
        )
    if text.startswith("system."):
        raise InputError(f"the id {quoted(text)} is reserved", "ids that begin with system. belong to built-in rules")
    return text


def _assets(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if not pattern.strip() or not pattern.isprintable():
            raise InputError(f"the asset {quoted(pattern)} is not a name", "write a name, or a pattern like line1/*")
        if set(pattern) & set("+#"):
            raise InputError(f"the asset {quoted(pattern)} holds + or #", "here * stands for any text")
    return patterns


def _group(text: str) -> str:
    for name in re.findall(r"\{([^}]*)\}", text):
        if name not in GROUP_NAMES:
            raise unknown("name in group", name, GROUP_NAMES)
    return text


def _one_priority(value: Any) -> Priority:
    if value not in tuple(Priority):
        mistake = unknown("priority", str(value), Priority)
        raise InputError(mistake.message, "use low, medium, high or critical")
    return Priority(value)


def _priority(value: Any) -> Priority | dict[str, Priority]:
    if isinstance(value, dict) and value:
        return {level: _one_priority(priority) for level, priority in value.items()}
    if not isinstance(value, str):
        raise InputError("a priority is one word or a table by level", "priority: {high: medium, high_high: critical}")
    return _one_priority(value)


def _as_is(value: Any) -> Any:
    return value


def _labels(labels: dict[str, str]) -> dict[str, str]:
    for name in labels:
        if name in MATCH_KEYS:
            raise InputError(
                f"a label cannot be called {quoted(name)}", "routes match that name already: choose another"
            )
    return labels


Text: TypeAlias = Annotated[str, Field(max_length=4_000)]


class NoDetector(DetectorConfig):
    """Stands in where a rule's detector is wrong, so that the rest of the rule can be looked at."""

    def signals(self) -> tuple[str, ...]:
        """None."""
        return ()


class Rule(Section):
    """One thing to watch over. Text fields that are not given are empty, the title is then the id.

    For a safety rule `latch` is true and `on_bad_quality` is alarm unless the file says otherwise. `acknowledge` says
    whether a person has to (`person`), only as long as it is active (`on_return`), or nobody (`automatic`).
    """

    id: Annotated[str, AfterValidator(_id)]
    kind: Kind
    title: Annotated[str, Field(max_length=200)] = ""
    assets: Annotated[tuple[str, ...], BeforeValidator(_assets), Field(min_length=1), AfterValidator(_patterns)] = (
        "*",
    )
    priority: Annotated[
        Priority | dict[str, Priority], PlainValidator(_priority), PlainSerializer(_as_is, return_type=Any)
    ] = Priority.MEDIUM
    when: ExpressionField | None = None
    settle: DurationField = 0
    when_false: Literal["hold", "clear"] = "hold"
    mode: Literal["live", "shadow", "off"] = "live"
    detect: SerializeAsAny[DetectorConfig]
    on_bad_quality: Literal["hold", "alarm", "ignore"] = "hold"
    fault_after: DurationField = 60 * SECOND
    latch: bool = False
    acknowledge: Literal["person", "on_return", "automatic"] = "person"
    re_alarm_after: Annotated[DurationField | None, Field(gt=0)] = None
    ack_expires: Annotated[DurationField | None, Field(gt=0)] = None
    max_shelve: Annotated[DurationField, Field(gt=0, le=LONGEST_SHELF)] = SHIFT
    suppress_when: ExpressionField | None = None
    inhibited_by: Annotated[tuple[str, ...], BeforeValidator(_assets)] = ()
    group: Annotated[str, Field(max_length=200), AfterValidator(_group)] = ""
    escalate: Annotated[tuple[Step, ...], AfterValidator(rising)] = ()
    notice: bool = False
    cause: Text = ""
    consequence: Text = ""
    time_to_respond: DurationField | None = None
    response: Text = ""
    labels: Annotated[dict[str, str], AfterValidator(_labels)] = {}

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        safety = {"latch": True, "on_bad_quality": "alarm"} if data.get("kind") == Kind.SAFETY else {}
        named = {"title": data["id"]} if isinstance(data.get("id"), str) else {}
        return {**safety, **named, **data}

    @model_validator(mode="after")
    def _levels_exist(self) -> Self:
        if isinstance(self.priority, dict) and not isinstance(self.detect, NoDetector):
            levels = [*self.detect.level_names(), "bad_quality"]
            for level in self.priority:
                if level not in levels:
                    raise unknown("level in priority", level, levels)
        return self

    @model_validator(mode="after")
    def _safety_is_seen(self) -> Self:
        if self.kind is Kind.SAFETY and self.suppress_when is not None:
            raise InputError("a safety rule is never suppressed by design", "remove suppress_when, or say it in `when`")
        if self.kind is Kind.SAFETY and self.inhibited_by:
            raise InputError("a safety rule is never inhibited", "remove inhibited_by")
        if self.kind is Kind.SAFETY and self.max_shelve > SHIFT:
            raise InputError("a safety rule is shelved for a shift at most", "max_shelve: 8h or less")
        return self

    @model_validator(mode="after")
    def _somebody_answers(self) -> Self:
        if self.kind is Kind.SAFETY and self.acknowledge != "person":
            raise InputError("a safety alarm is acknowledged by a person", f"remove acknowledge: {self.acknowledge}")
        waits = [key for key in ("re_alarm_after", "ack_expires", "escalate") if getattr(self, key)]
        if self.acknowledge == "automatic" and waits:
            hint = f"remove {waits[0]}, or let a person acknowledge"
            raise InputError(f"{quoted(waits[0])} waits for people, and this alarm acknowledges itself", hint)
        return self

    @model_validator(mode="after")
    def _names_assets_where_it_must(self) -> Self:
        foreign = {signal.key for signal in self.foreign}
        if not self.plant_wide and foreign:
            raise InputError(
                "signals of other assets need `scope: plant`", "write it beside the expression in `detect`"
            )
        if self.plant_wide and (own := sorted(self.signals - foreign)):
            hint = f'write asset("line1/oven").{own[0]}'
            raise InputError(f"with `scope: plant` the signal {quoted(own[0])} must be named with its asset", hint)
        if self.plant_wide and self.assets != ("*",) and (len(self.assets) > 1 or "*" in self.assets[0]):
            hint = "name one, or leave `assets` away"
            raise InputError("with `scope: plant` the alarm is shown under one name, not under a pattern", hint)
        return self

    @property
    def plant_wide(self) -> bool:
        """Whether it is one rule over several assets."""
        return getattr(self.detect, "scope", "asset") == "plant"

    @property
    def host(self) -> str:
        """The name under which the alarm of a plant-wide rule is shown."""
        return PLANT if self.assets == ("*",) else self.assets[0]

    @property
    def foreign(self) -> tuple[ForeignSignal, ...]:
        """Every signal that is named with its asset."""
        return tuple(sorted({signal for e in self.expressions.values() for signal in e.foreign}))

    @property
    def expressions(self) -> dict[tuple[str, ...], Expression]:
        """Every expression, by where it stands in the rule."""
        gates = {("when",): self.when, ("suppress_when",): self.suppress_when}
        fields = type(self.detect).model_fields.items()
        detect = {("detect", field.alias or name): getattr(self.detect, name) for name, field in fields}
        return {path: e for path, e in (gates | detect).items() if isinstance(e, Expression)}

    @property
    def detector(self) -> str:
        """The `type` of its detector; nothing where that is wrong."""
        return str(getattr(self.detect, "type", ""))

    @property
    def hears_all(self) -> bool:
        """Whether it tells of the silence of a whole asset."""
        return self.detector == "silence" and not self.detect.signals()

    @cached_property
    def detection_key(self) -> str:
        """See the function of that name. What stands at its default counts as unwritten: new keys change nothing."""
        decides = self._deciding()
        spoken = self.detect.spoken
        return digest(decides | {"detect": {k: v for k, v in decides["detect"].items() if k not in spoken}})

    @cached_property
    def former_key(self) -> str:
        """The key as older snapshots have it, with the `spoken` keys of the detector in it."""
        return digest(self._deciding())

    def _deciding(self) -> dict[str, Any]:
        keys = {"kind", "when", "settle", "when_false", "detect", "on_bad_quality"}
        return self.model_dump(mode="json", include=keys, exclude_defaults=True)

    @cached_property
    def varies(self) -> bool:
        """Whether which levels it watches depends on `values` of the asset."""
        return bool(getattr(self.detect, "value_names", tuple)())

    @property
    def signals(self) -> frozenset[str]:
        """Every signal that the rule names."""
        gates = (gate.signals for gate in (self.when, self.suppress_when) if gate is not None)
        return frozenset(self.detect.signals()).union(*gates)


def detection_key(rule: Rule) -> str:
    """The same for two rules that detect alike, whatever their texts: state survives where it stays the same."""
    return rule.detection_key


def former_key(rule: Rule) -> str:
    """The same as older snapshots have it."""
    return rule.former_key
