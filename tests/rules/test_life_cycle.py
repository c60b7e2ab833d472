"""Every cell of the ISA-18.2 table, as an asset's monitor decides it; what the table leaves empty is refused."""

from __future__ import annotations

import json

import pytest

from rules.alarms import JOURNALLED, LIFE_CYCLE, Act, State, Transition
from rules.asset import AssetMonitor
from rules.commands import ACTIONS
from rules.events import SECOND, Command, Event, Revision
from rules.ruleset import EMPTY
from tests.rules.plant import T0, rules_of, seen, tick

HOUR = 3600


def rules(*, latch: bool = False, extra: str = "") -> str:
    return (
        f"  - {{id: r, kind: equipment, assets: m, latch: {str(latch).lower()}, priority: {{high: medium, high_high: high}}, "
        f"suppress_when: cleaning == true, detect: {{type: limits, signal: t, high: 80, high_high: 90}}{extra}}}\n"
    )


class Story:
    """One alarm, told step by step; a second passes with each."""

    def __init__(self, *, latch: bool = False, extra: str = "", restart: bool = False) -> None:
        self.rules = rules_of(rules(latch=latch, extra=extra))
        self.monitor = AssetMonitor("m", self.rules)
        self.second = 0.0
        self.restart = restart
        self.state = "A"

    def tell(self, event: Event) -> list[Transition]:
        if self.restart:
            self.monitor = AssetMonitor.restore(self.rules, json.loads(json.dumps(self.monitor.snapshot())))
        out = self.monitor.handle(event)
        for transition in out:
            assert transition.from_ == self.state
            self.state = transition.to
        return out

    def do(self, step: str) -> list[str]:
        self.second += 1
        return [t.event for t in self.tell(self.event(step))]

    def event(self, step: str) -> Event:
        values = {"hot": 85, "hotter": 95, "cool": 20}
        if step in values:
            return seen(self.second, t=values[step], cleaning=False)
        if step in ("clean", "work"):
            return seen(self.second, cleaning=step == "clean")
        if step.startswith("wait "):
            self.second += float(step.removeprefix("wait "))
            return tick(self.second)
        return self.command(step)

    def command(self, action: str, by: str = "kim") -> Command:
        at = T0 + round(self.second * SECOND)
        until = at + HOUR * SECOND if action in ("shelve", "out-of-service") else None
        return Command(at, action.removesuffix(" once"), "m", "m:r", by, "because", until)


FOR_DETECTORS = {"freeze", "relearn", "dispose", "override", "restore"}
"""Commands that change what is detected, whatever the state."""
REACHED = {
    "A": ["cool"],
    "B": ["hot"],
    "C": ["hot", "acknowledge"],
    "D": ["hot", "cool"],
    "E": ["hot", "cool"],
    "F": ["hot", "acknowledge", "cool"],
}
"""How each state is reached; E and F by a rule that latches."""

CELLS = [
    ("A", "hot", "B", ["raised"]),
    ("B", "acknowledge", "C", ["acknowledged"]),
    ("B", "cool", "D", ["cleared"]),
    ("B latching", "cool", "E", ["latched"]),
    ("C", "cool", "A", ["cleared"]),
    ("C latching", "cool", "F", ["latched"]),
    ("C", "wait 3600", "B", ["re_alarmed"]),
    ("C", "hotter", "B", ["raised_priority"]),
    ("D", "acknowledge", "A", ["acknowledged"]),
    ("D", "hot", "B", ["raised"]),
    ("E", "acknowledge", "F", ["acknowledged"]),
    ("E", "hot", "B", ["raised"]),
    ("F", "reset", "A", ["reset", "cleared"]),
    ("F", "hot", "B", ["raised"]),
    *((state, "shelve", "G", ["shelved"]) for state in REACHED),
    *((state, "clean", "H", ["suppressed"]) for state in REACHED),
    *((state, "out-of-service", "I", ["out_of_service"]) for state in REACHED),
]


def at(state: str, *, restart: bool = False) -> Story:
    latch = state[0] in "EF" or "latching" in state
    story = Story(latch=latch, extra=", re_alarm_after: 1h", restart=restart)
    for step in REACHED[state[0]]:
        story.do(step)
    assert story.state == state[0]
    return story


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
@pytest.mark.parametrize(("state", "step", "to", "events"), CELLS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_cell_of_the_table(state: str, step: str, to: str, events: list[str], restart: bool) -> None:
    story = at(state, restart=restart)
    assert story.do(step) == events
    assert story.state == to


SUPPRESSIONS = [
    ("shelve", "unshelve", "unshelved"),
    ("shelve", "wait 3600", "unshelved"),
    ("clean", "work", "unsuppressed"),
    ("out-of-service", "return", "returned_to_service"),
    ("out-of-service", "wait 3600", "returned_to_service"),
]
KEPT = [(state, [], state) for state in REACHED] + [
    ("A", ["hot"], "B"),
    ("B", ["cool"], "D"),
    ("B latching", ["cool"], "E"),
    ("C", ["cool"], "A"),
    ("C latching", ["cool"], "F"),
    ("C", ["hotter"], "B"),
    ("D", ["hot"], "B"),
    ("E", ["hot"], "B"),
    ("F", ["hot"], "B"),
    ("A", ["hot", "cool"], "D"),
]


LEFT = [(*how, *kept) for how in SUPPRESSIONS for kept in KEPT if how[0] != "clean" or not kept[1]]
"""By design nothing can be told meanwhile: the readings of these stories say that cleaning is over."""


@pytest.mark.parametrize(("begin", "end", "event", "state", "meanwhile", "follows"), LEFT, ids=str)
def test_leaving_a_suppression_goes_to_what_was_kept_underneath(
    begin: str, end: str, event: str, state: str, meanwhile: list[str], follows: str
) -> None:
    story = at(state, restart=True)
    story.do(begin)
    for step in meanwhile:
        assert story.do(step)
        assert story.state in "GI"
    story.second += 1
    (left, *after) = story.tell(story.event(end))
    assert (left.event, left.to, left.reason["follows"]) == (event, follows, follows)
    assert f"({follows}) follows" in left.reason["text"]
    if end == "wait 3600" and follows == "C":
        assert [t.event for t in after] == ["re_alarmed"]
    else:
        assert after == []


def test_what_comes_and_goes_by_design_suppressed_is_journalled() -> None:
    story = Story()
    story.do("clean")
    assert [(t.event, t.to) for t in story.tell(seen(2, t=85))] == [("raised", "H")]
    assert [(t.event, t.to) for t in story.tell(seen(3, t=20))] == [("cleared", "H")]
    raised, left = story.tell(seen(4, t=85)), story.tell(seen(5, cleaning=False))
    assert (left[0].to, left[0].alarm) == ("B", raised[0].id)
    assert raised[0].reason["underneath"] == "B"
    by_design = {"state": "H", "until": None, "by": "andon", "comment": "cleaning == true", "once": False}
    assert raised[0].reason["suppression"] == [by_design]


REFUSED = {
    "acknowledge": {"A": "nothing to acknowledge", "C": "acknowledged already", "F": "acknowledged already"},
    "reset": {
        "A": "nothing to reset", "B": "still holds", "C": "still holds", "D": "not latched", "E": "acknowledge it first",
    },
    "unshelve": dict.fromkeys("ABCDEF", "not shelved"),
    "return": dict.fromkeys("ABCDEF", "not out of service"),
    "explode": dict.fromkeys("ABCDEF", "unknown command"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("action", "state", "why"), [(action, s, why) for action, states in REFUSED.items() for s, why in states.items()]
)
def test_a_command_that_does_not_apply_is_refused_with_the_reason_and_changes_nothing(
    action: str, state: str, why: str
) -> None:
    story = at(state)
    story.second += 1
    command = story.command(action)
    before = story.monitor.snapshot()
    assert why in (story.monitor.refusal(command) or "")
    assert story.tell(command) == []
    assert why in (story.monitor.refused or "")
    assert story.monitor.snapshot() == before


@pytest.mark.parametrize("state", REACHED)
@pytest.mark.parametrize("action", [action for action in ACTIONS if action not in FOR_DETECTORS])
def test_every_command_is_either_legal_or_refused_in_every_state(action: str, state: str) -> None:
    story = at(state)
    story.second += 1
    refused = story.monitor.refusal(story.command(action)) is not None
    assert refused is (state in REFUSED.get(action, {}))
    assert bool(story.do(action)) is not refused


@pytest.mark.parametrize(
    ("begin", "shown"), [("shelve", "shelved"), ("clean", "suppressed"), ("out-of-service", "out of")]
)
@pytest.mark.parametrize("action", ["acknowledge", "reset"])
def test_what_is_suppressed_is_neither_acknowledged_nor_reset(begin: str, shown: str, action: str) -> None:
    story = at("E")
    story.do(begin)
    assert shown in (story.monitor.refusal(story.command(action)) or "")


def test_a_second_acknowledgement_changes_nothing() -> None:
    story = at("C")
    assert story.do("acknowledge") == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"by": " "}, "say who you are"),
        ({"by": "k\nim"}, "say who you are"),
        ({"by": "k" * 101}, "at most 100"),
        ({"by": "Andon"}, "the monitor itself"),
        ({"comment": " "}, "needs a comment"),
        ({"comment": "x" * 2001}, "at most 2,000"),
        ({"until": T0}, "in the past"),
        ({"until": T0 + 8 * HOUR * SECOND + 2 * SECOND}, "within 8h"),
        ({"alarm": "m:r:12:0"}, "no alarm"),
        ({"action": "out-of-service", "until": None}, "needs an end"),
        ({"action": "out-of-service", "until": T0 + 40 * 24 * HOUR * SECOND}, "within 30d"),
    ],
)
def test_a_suppression_needs_a_person_a_reason_and_an_end_within_the_limit(
    changes: dict[str, object], why: str
) -> None:
    command = Command(T0 + SECOND, "shelve", "m", "m:r", "kim", "noise", T0 + HOUR * SECOND)
    monitor = at("B").monitor
    assert monitor.refusal(command) is None
    given = {name: getattr(command, name) for name in command.__struct_fields__}
    assert why in (monitor.refusal(Command(**{**given, **changes})) or "")


def test_what_is_out_of_service_is_not_shelved_but_what_is_shelved_may_leave_service() -> None:
    story = at("B")
    assert [*story.do("shelve"), story.state] == ["shelved", "G"]
    assert [*story.do("out-of-service"), story.state] == ["out_of_service", "I"]
    assert "out of service" in (story.monitor.refusal(story.command("shelve")) or "")
    assert [*story.do("unshelve"), story.state] == ["unshelved", "I"]
    assert [*story.do("return"), story.state] == ["returned_to_service", "B"]


def test_every_cell_of_the_code_s_table_is_told_here_or_is_a_change_of_rules() -> None:
    told = {(state[0], to) for state, _, to, _ in CELLS}
    assert {(s, to) for (s, act), to in LIFE_CYCLE.items() if act != "rule change"} <= told
    assert {(s, to) for s, to in told if to in {State.SHELVED, State.SUPPRESSED_BY_DESIGN, State.OUT_OF_SERVICE}}


ACTS = {
    "hot": Act.OCCUR,
    "acknowledge": Act.ACKNOWLEDGE,
    "reset": Act.RESET,
    "wait 3600": Act.RE_ALARM,
    "shelve": Act.SHELVE,
    "clean": Act.SUPPRESS,
    "out-of-service": Act.REMOVE_FROM_SERVICE,
}
"""What the steps of these stories are in the table; that something cools down latches or not."""


def test_the_table_of_what_is_journalled_is_what_comes() -> None:
    told = {
        ACTS.get(step) or (Act.RETURN_LATCHING if to in "EF" else Act.RETURN): tuple(events)
        for _, step, to, events in CELLS
        if step != "hotter"
    }
    told |= {
        end: (event,)
        for (_, _, event), end in zip(
            SUPPRESSIONS[1:4], (Act.UNSHELVE, Act.UNSUPPRESS, Act.RETURN_TO_SERVICE), strict=True
        )
    }
    story = at("C")
    told[Act.RULE_CHANGE] = tuple(t.event for t in story.tell(Revision(T0 + 60 * SECOND, EMPTY)))
    assert told == JOURNALLED
