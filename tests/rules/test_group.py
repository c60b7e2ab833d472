"""The group stage: what hides what, what comes back, who is first, and what wears people out."""

from __future__ import annotations

import json

import pytest

from rules.alarms import Transition
from rules.builtin import BUILTIN
from rules.events import SECOND, Command, Event, Link, Revision, Tick
from rules.group import Outcome
from rules.grouping.flood import Flood
from rules.rule import BUILTIN_IDS
from rules.ruleset import RuleSet, load_rules
from rules.stages import Stages
from tests.rules.plant import T0, rules_of, seen, tick

PRESS = """
  - {id: trip, kind: equipment, assets: line1, detect: {type: limits, signal: x, high: 5}}
  - {id: low, kind: equipment, assets: "line1/*", inhibited_by: [trip], detect: {type: limits, signal: x, low: 5}}
"""
GATEWAY = """
  - {id: quiet, kind: equipment, assets: "line1/*", detect: {type: silence, after: 20s}}
  - {id: hot, kind: equipment, assets: "line1/*", detect: {type: limits, signal: x, high: 90}}
"""
MACHINES = "assets: {line1/a: {gateway: gw}, line1/b: {gateway: gw}, line1/c: {gateway: gw}}\n"


class Site:
    """All stages, with time passing as in replay."""

    def __init__(self, rules: str, assets: str | None = None) -> None:
        self.stages = Stages(rules_of(rules, assets))
        self.out = Outcome()

    def feed(self, *events: Event) -> Site:
        for event in events:
            while (due := self.stages.next_due()) is not None and due < event.received:
                self._one(Tick(due))
            self._one(event)
        return self

    def _one(self, event: Event) -> None:
        out = self.stages.handle(event)
        self.out.shown += out.shown
        self.out.told += out.told
        self.out.nuisances += out.nuisances

    def story(self, asset: str, rule: str | None = None) -> list[tuple[float, str, str]]:
        """Second, event and both states of what is shown of an asset."""
        return [
            (second(t), t.event, f"{t.from_}{t.to}")
            for t in self.out.shown
            if t.asset == asset and rule in (None, t.rule)
        ]

    def calls(self) -> list[tuple[str, str]]:
        """Asset and rule of every alarm that people were called for."""
        calling = {"raised", "re_alarmed", "unsuppressed", "unshelved"}
        return [(t.asset, t.rule) for t in self.out.told if t.event in calling and t.to == "B"]

    def shown(self, event: str) -> list[Transition]:
        return [t for t in self.out.shown if t.event == event]


def second(t: Transition) -> float:
    return (t.at - T0) / SECOND


def test_a_cause_hides_what_comes_while_it_lasts_and_what_stands_comes_back() -> None:
    site = Site(PRESS).feed(
        seen(0, asset="line1", x=9), seen(1, asset="line1/a", x=1), seen(9, asset="line1", x=1), tick(20)
    )
    assert site.story("line1/a") == [(1, "raised", "AB"), (1, "suppressed", "BH"), (10, "unsuppressed", "HB")]
    assert site.calls() == [("line1", "trip"), ("line1/a", "low")]


def test_what_acknowledged_itself_while_hidden_says_so_when_it_is_shown() -> None:
    rules = PRESS.replace("inhibited_by: [trip],", "inhibited_by: [trip], acknowledge: automatic,")
    site = Site(rules).feed(
        seen(0, asset="line1", x=9), seen(1, asset="line1/a", x=1), seen(9, asset="line1", x=1), tick(20)
    )
    assert site.story("line1/a") == [
        (1, "raised", "AB"),
        (1, "suppressed", "BH"),
        (1, "acknowledged", "HH"),
        (10, "unsuppressed", "HC"),
    ]
    assert site.out.told[-1].reason["automatic"] is True


def test_an_effect_that_comes_just_before_its_cause_is_told_to_nobody() -> None:
    site = Site(PRESS).feed(seen(0, asset="line1/a", x=1), seen(0.9, asset="line1", x=9), tick(5))
    assert site.story("line1/a") == [(0, "raised", "AB"), (0.9, "suppressed", "BH")]
    assert site.calls() == [("line1", "trip")]


def test_without_its_cause_an_effect_is_told_after_a_second() -> None:
    site = Site(PRESS).feed(seen(0, asset="line1/a", x=1), tick(0.99))
    assert site.calls() == []
    assert site.stages.next_due() == T0 + SECOND
    assert site.feed(tick(1)).calls() == [("line1/a", "low")]


def test_what_stands_is_hidden_too_once_its_cause_comes() -> None:
    site = Site(PRESS).feed(seen(0, asset="line1/a", x=1), seen(60, asset="line1", x=9), tick(70))
    assert site.story("line1/a")[-1] == (60, "suppressed", "BH")


def test_the_life_underneath_goes_on_and_is_what_is_left_in_the_end() -> None:
    site = Site(PRESS).feed(
        seen(0, asset="line1", x=9),
        seen(1, asset="line1/a", x=1),
        seen(2, asset="line1/a", x=9),
        seen(3, asset="line1", x=1),
        tick(9),
    )
    assert site.story("line1/a")[2:] == [(2, "cleared", "HH"), (4, "unsuppressed", "HD")]
    assert site.shown("cleared")[0].reason["underneath"] == "D"


def test_a_shelf_lies_over_the_overlay() -> None:
    site = Site(PRESS).feed(seen(0, asset="line1", x=9), seen(1, asset="line1/a", x=1))
    alarm = site.shown("raised")[-1].alarm
    site.feed(Command(T0 + 2 * SECOND, "shelve", "line1/a", alarm, "kim", "known", T0 + 60 * SECOND))
    assert site.story("line1/a")[-1] == (2, "shelved", "HG")
    assert [hold["state"] for hold in site.shown("shelved")[0].reason["suppression"]] == ["G", "H"]
    site.feed(seen(3, asset="line1", x=1), tick(5))
    assert site.story("line1/a")[-1] == (4, "unsuppressed", "GG")


def test_an_acknowledgement_underneath_is_kept() -> None:
    site = Site(PRESS).feed(seen(0, asset="line1/a", x=1), tick(3))
    alarm = site.shown("raised")[-1].alarm
    site.feed(seen(4, asset="line1", x=9), Command(T0 + 5 * SECOND, "acknowledge", "line1/a", alarm, "kim"))
    site.feed(seen(6, asset="line1", x=1), tick(9))
    assert site.story("line1/a")[-2:] == [(5, "acknowledged", "HH"), (7, "unsuppressed", "HC")]
    assert site.calls().count(("line1/a", "low")) == 1


@pytest.mark.parametrize("by_name", [False, True])
def test_nobody_answers_what_nobody_is_shown(by_name: bool) -> None:
    site = Site(PRESS).feed(seen(0, asset="line1/a", x=1), tick(3), seen(4, asset="line1", x=9))
    alarm = "line1/a:low" if by_name else site.shown("raised")[0].alarm
    for action in ("acknowledge", "reset"):
        assert "that has to end first" in str(
            site.stages.refusal(Command(T0 + 5 * SECOND, action, "line1/a", alarm, "kim"))
        )
    assert site.stages.refusal(Command(T0 + 5 * SECOND, "comment", "line1/a", alarm, "kim", "seen")) is None
    site.feed(seen(6, asset="line1", x=1), tick(9))
    assert site.stages.refusal(Command(T0 + 9 * SECOND, "acknowledge", "line1/a", alarm, "kim")) is None


@pytest.mark.parametrize("restart", [False, True])
def test_what_is_shown_again_at_the_same_time_comes_in_the_same_order_whatever_it_did_meanwhile(restart: bool) -> None:
    rules = PRESS.replace("signal: x, low: 5", "each: [y, z], low: 5").replace("assets: line1,", 'assets: "line1*",')
    site = Site(rules, "assets: {line1/a: {parent: line1}}\n").feed(
        seen(0, asset="line1", x=9),
        seen(1, asset="line1/a", y=1, z=9),
        seen(2, asset="line1/a", z=1),
        seen(5, asset="line1", x=1),
    )
    at = T0 + 11 * SECOND // 2
    site.feed(Command(at, "acknowledge", "line1/a", "line1/a:low:y", "kim", "seen"))
    if restart:
        saved, fresh = site.stages.snapshot(), Stages(site.stages.rules)
        for monitor in site.stages.fleet.monitors.values():
            fresh.fleet.adopt(fresh.rules, json.loads(json.dumps(monitor.snapshot())), 0)
        fresh.restore(fresh.rules, json.loads(json.dumps(saved)), 0)
        site.stages = fresh
    assert [t.part for t in site.feed(tick(7)).shown("unsuppressed")] == ["y", "z"]


def test_another_cause_takes_over_without_a_word() -> None:
    rules = PRESS + "  - {id: stop, kind: equipment, assets: line1, detect: {type: limits, signal: y, high: 5}}\n"
    site = Site(rules.replace("[trip]", "[trip, stop]"))
    site.feed(seen(0, asset="line1", x=9), seen(1, asset="line1/a", x=1), seen(2, asset="line1", y=9))
    site.feed(seen(3, asset="line1", x=1), tick(30))
    assert site.story("line1/a")[-1] == (1, "suppressed", "BH")
    assert site.feed(seen(31, asset="line1", y=1), tick(40)).story("line1/a")[-1] == (32, "unsuppressed", "HB")


@pytest.mark.parametrize(
    ("assets", "asset", "hidden"),
    [
        (None, "line1/a", True),
        (None, "line2/a", False),
        ("assets: {mill: {parent: cell}, cell: {parent: line1}}\n", "mill", True),
        ("assets: {mill: {parent: line2}}\n", "mill", False),
        ("assets: {mill: {gateway: line1}}\n", "mill", True),
        ("assets: {line1/a: {parent: line2}}\n", "line1/a", False),
    ],
)  # fmt: skip
def test_a_cause_hides_alarms_of_its_own_asset_and_of_all_below(assets: str | None, asset: str, hidden: bool) -> None:
    site = Site(PRESS.replace('"line1/*"', '"*"'), assets)
    site.feed(seen(0, asset="line1", x=9), seen(1, asset=asset, x=1))
    assert (site.story(asset)[-1][1] == "suppressed") is hidden


@pytest.mark.parametrize(("how", "hides"), [("acknowledge", True), ("shelve", True), ("out-of-service", False)])
def test_a_cause_counts_until_it_is_normal_but_not_out_of_service(how: str, hides: bool) -> None:
    site = Site(PRESS).feed(seen(0, asset="line1", x=9))
    alarm = site.shown("raised")[0].alarm
    site.feed(
        Command(T0 + SECOND, how, "line1", alarm, "kim", "why", None if how == "acknowledge" else T0 + 99 * SECOND)
    )
    site.feed(seen(2, asset="line1/a", x=1))
    assert (site.story("line1/a")[-1][1] == "suppressed") is hides


def test_what_is_shadow_hides_nothing_that_is_live() -> None:
    site = Site(PRESS.replace("assets: line1,", "assets: line1, mode: shadow,"))
    site.feed(seen(0, asset="line1", x=9), seen(1, asset="line1/a", x=1), tick(3))
    assert ("line1/a", "low") in site.calls()


def test_a_cause_that_becomes_shadow_hides_no_longer() -> None:
    site = Site(PRESS).feed(seen(0, asset="line1", x=9), seen(1, asset="line1/a", x=1), tick(3))
    shadow = PRESS.replace("assets: line1,", "assets: line1, mode: shadow,")
    site.feed(Revision(T0 + 4 * SECOND, rules_of(shadow)), tick(6))
    assert site.story("line1/a")[-1] == (5, "unsuppressed", "HB")
    site.feed(Revision(T0 + 7 * SECOND, rules_of(PRESS)), tick(9))
    assert site.story("line1/a")[-1] == (7, "suppressed", "BH")


def test_critical_does_not_wait_and_safety_is_never_hidden() -> None:
    rules = PRESS.replace("inhibited_by: [trip],", "inhibited_by: [trip], priority: critical,")
    rules += "  - {id: guard, kind: safety, detect: {type: silence, after: 5s}}\n"
    site = Site(rules, MACHINES).feed(seen(0, asset="line1/a", x=1))
    assert site.calls() == [("line1/a", "low")]
    site.feed(tick(30))
    assert ("line1/a", "guard") in site.calls()
    assert not [t for t in site.shown("suppressed") if t.kind == "safety"]


def test_a_silent_gateway_is_one_alarm_for_all_its_machines() -> None:
    site = Site(GATEWAY, MACHINES)
    for n in range(10):
        site.feed(
            *(seen(n + i / 10, asset=f"line1/{name}", x=95 if name == "a" else 1) for i, name in enumerate("abc"))
        )
    site.feed(tick(60))
    assert site.calls() == [("line1/a", "hot"), ("gw", "system.comms-lost")]
    assert [(t.asset, t.rule) for t in site.shown("suppressed")] == [(f"line1/{name}", "quiet") for name in "abc"]
    assert [(t.asset, t.rule, t.reason["stale"]) for t in site.shown("commented")] == [("line1/a", "hot", True)]
    lost = next(t for t in site.shown("raised") if t.asset == "gw")
    assert "3 assets" in lost.reason["text"]


OLD_VALUES = """
  - {id: quiet, kind: equipment, assets: "line1/*", detect: {type: silence, after: 20s}}
  - {id: hot, kind: KIND, assets: "line1/*", detect: {type: limits, signal: x, high: 90, on_delay: 60s}MORE}
"""


def old_values(kind: str = "equipment", more: str = "") -> Site:
    """A site whose gateway is lost as a machine has just become hot."""
    site = Site(OLD_VALUES.replace("KIND", kind).replace("MORE", more), MACHINES)
    return site.feed(*(seen(1, asset=f"line1/{name}", x=95 if name == "a" else 1) for name in "abc"))


def test_what_is_raised_from_old_values_while_the_gateway_is_lost_is_hidden() -> None:
    site = old_values().feed(tick(100))
    assert site.calls() == [("gw", "system.comms-lost")]
    assert site.story("line1/a", "hot") == [(61, "raised", "AB"), (61, "suppressed", "BH")]
    site.feed(seen(101, asset="line1/b", x=1), tick(103))
    assert site.story("line1/a", "hot")[-1] == (102, "unsuppressed", "HB")


def test_what_was_raised_from_old_values_and_is_over_calls_nobody() -> None:
    site = old_values().feed(tick(100), seen(101, asset="line1/a", x=1), tick(110))
    assert site.story("line1/a", "hot")[2:] == [(101, "cleared", "HH"), (102, "unsuppressed", "HD")]
    assert site.calls() == [("gw", "system.comms-lost")]


def test_a_safety_alarm_from_old_values_is_told_and_marked_stale() -> None:
    site = old_values("safety").feed(tick(100))
    assert ("line1/a", "hot") in site.calls()
    assert [t.event for t in site.shown("suppressed") if t.rule == "hot"] == []
    assert [t.reason["stale"] for t in site.shown("commented") if t.rule == "hot"] == [True]


def test_what_stood_before_the_gateway_was_lost_is_unshelved_in_sight() -> None:
    site = Site(GATEWAY, MACHINES).feed(*(seen(1, asset=f"line1/{name}", x=95) for name in "abc"))
    site.feed(Command(T0 + 2 * SECOND, "shelve", "line1/a", "line1/a:hot", "kim", "why", T0 + 50 * SECOND), tick(60))
    assert site.story("line1/a", "hot")[-1] == (50, "unshelved", "GB")


def test_a_machine_that_speaks_through_another_gateway_than_its_parent_is_seen() -> None:
    machines = MACHINES.replace(
        "line1/c: {gateway: gw}", "line1/c: {gateway: gw}, line1/d: {gateway: own, parent: line1/a}"
    )
    site = Site(OLD_VALUES.replace("KIND", "equipment").replace("MORE", ""), machines)
    site.feed(*(seen(1, asset=f"line1/{name}", x=1) for name in "abc"))
    site.feed(*(seen(n, asset="line1/d", x=95) for n in range(2, 80, 5)))
    assert site.calls() == [("gw", "system.comms-lost"), ("line1/d", "hot")]


def test_after_the_gateway_is_back_its_machines_get_their_time_to_speak_again() -> None:
    site = Site(GATEWAY, MACHINES).feed(*(seen(1, asset=f"line1/{name}", x=1) for name in "abc"), tick(60))
    site.feed(seen(61, asset="line1/a", x=1), seen(75, asset="line1/b", x=1), seen(79, asset="line1/a", x=1), tick(82))
    assert [(t.asset, str(t.to)) for t in site.shown("unsuppressed")] == [
        ("line1/a", "D"),
        ("line1/b", "D"),
        ("line1/c", "B"),
    ]
    assert site.calls()[-1] == ("line1/c", "quiet")


def test_machines_whose_patience_is_learned_give_a_silent_gateway_away_as_well() -> None:
    site = Site(GATEWAY.replace("after: 20s", "after: learn, at_most: 5m"), MACHINES)
    for n in range(0, 300, 5):
        site.feed(*(seen(n + i / 10, asset=f"line1/{name}", x=1) for i, name in enumerate("abc")))
    site.feed(tick(700))
    assert site.calls() == [("gw", "system.comms-lost")]
    site.feed(*(seen(701 + n, asset="line1/a", x=1) for n in range(0, 300, 5)))
    assert len(site.calls()) == 1, "each may be silent for five minutes more"
    assert site.feed(tick(1001)).calls()[1:] == [("line1/b", "quiet"), ("line1/c", "quiet")]


def test_one_silent_machine_is_its_own_alarm_while_others_speak() -> None:
    site = Site(GATEWAY, MACHINES).feed(seen(0, asset="line1/a", x=1))
    for n in range(40):
        site.feed(*(seen(n + 0.5, asset=f"line1/{name}", x=1) for name in "bc"))
    assert site.calls() == [("line1/a", "quiet")]


def test_while_our_own_link_is_down_no_gateway_is_silent() -> None:
    site = Site(GATEWAY, MACHINES).feed(*(seen(1, asset=f"line1/{name}", x=1) for name in "abc"))
    site.feed(Link(T0 + 2 * SECOND, "main", False, T0 + 2 * SECOND), tick(100))
    assert [asset for asset, _ in site.calls()] == ["andon"]


@pytest.mark.parametrize(("others", "lost"), [((0, 8, 16), "line1/a"), ((0,), "gw")], ids=["machine", "gateway"])
def test_a_link_that_went_for_a_while_neither_makes_a_gateway_silent_nor_lets_one_go(
    others: tuple[int, ...], lost: str
) -> None:
    site = Site(GATEWAY, MACHINES).feed(seen(0, asset="line1/a", x=1))
    site.feed(*(seen(second, asset=f"line1/{name}", x=1) for second in others for name in "bc"))
    down, up = T0 + 17 * SECOND, T0 + 40 * SECOND
    site.feed(Link(down, "main", False, down), Link(up, "main", True, down), tick(45))
    assert [asset for asset, _ in site.calls() if asset != "andon"] == [lost]


def test_a_silent_parent_hides_the_silence_of_what_hangs_on_it() -> None:
    rules = '  - {id: quiet, kind: equipment, assets: [plc, "m*"], detect: {type: silence, after: 10s}}\n'
    site = Site(rules, "assets: {m1: {parent: plc}, m2: {parent: plc}}\n")
    site.feed(*(seen(i / 10, asset=name, x=1) for i, name in enumerate(["m1", "plc", "m2"])), tick(30))
    assert site.calls() == [("plc", "quiet")]


def test_new_rules_that_inhibit_no_more_show_at_once_what_they_hid() -> None:
    site = Site(PRESS).feed(seen(0, asset="line1", x=9), seen(1, asset="line1/a", x=1), tick(3))
    site.feed(Revision(T0 + 4 * SECOND, rules_of(PRESS.replace("inhibited_by: [trip], ", ""))))
    assert site.story("line1/a")[-1] == (1, "unsuppressed", "HB")


# -- first-out ------------------------------------------------------------------------------------------------------

GROUP = """
  - {id: oil, kind: equipment, group: "trip {asset}", detect: {type: limits, signal: oil, low: 1}}
  - {id: motor, kind: equipment, group: "trip {asset}", detect: {type: limits, signal: motor, high: 5}}
"""


def test_the_first_alarm_of_a_group_is_marked_and_the_others_name_it() -> None:
    site = Site(GROUP).feed(
        seen(0, asset="p1", oil=0), seen(0.4, asset="p1", motor=9), seen(0.5, asset="p2", motor=9), tick(5)
    )
    told = {(t.asset, t.rule): t.reason["text"].split(":")[0] for t in site.out.told if t.event == "raised"}
    assert told == {
        ("p1", "oil"): "first out of trip p1",
        ("p1", "motor"): "400ms after p1",
        ("p2", "motor"): "first out of trip p2",
    }
    assert site.shown("commented")[0].reason["first_out"]["first"] == site.shown("raised")[0].id


def test_what_comes_late_by_less_than_the_wait_is_still_the_first() -> None:
    rules = GROUP.replace("{asset}", "of the line")
    site = Site(rules).feed(seen(1, asset="p1", motor=9), seen(0.5, asset="p2", late=0.9, oil=0), tick(5))
    first = next(t for t in site.shown("commented") if "first out" in t.reason["text"])
    assert first.asset == "p2"


def test_a_group_begins_anew_after_all_was_normal_for_a_while() -> None:
    site = Site(GROUP).feed(
        seen(0, asset="p", oil=0), seen(20, asset="p", oil=5), seen(60, asset="p", motor=9), tick(70)
    )
    assert [t.reason["text"].split(":")[0] for t in site.shown("commented")] == ["first out of trip p"] * 2


@pytest.mark.parametrize("lasts", [0.5, 1, 2])
def test_an_alarm_that_is_gone_before_it_is_told_holds_its_group_open_no_longer(lasts: float) -> None:
    site = Site(GROUP).feed(
        seen(0, asset="p", oil=0), seen(lasts, asset="p", oil=5), seen(60, asset="p", motor=9), tick(70)
    )
    assert [t.reason["text"].split(":")[0] for t in site.shown("commented")] == ["first out of trip p"] * 2


# -- nuisance alarms ------------------------------------------------------------------------------------------------

HOT = "  - {id: hot, kind: equipment, detect: {type: limits, signal: x, high: 5}}\n"


def test_three_activations_within_a_minute_are_chattering_and_said_once() -> None:
    site = Site(HOT)
    for n in range(5):
        site.feed(seen(10 * n, x=9), seen(10 * n + 7, x=1))
    assert [(n.sort, n.text) for n in site.out.nuisances] == [
        ("chattering", "raised 3 times within 20s: off_delay: 4s would make it one")
    ]
    assert any(t.reason["text"].startswith("chattering") for t in site.out.told)


def test_three_activations_in_more_than_a_minute_are_not() -> None:
    site = Site(HOT)
    for n in range(5):
        site.feed(seen(31 * n, x=9), seen(31 * n + 7, x=1))
    assert site.out.nuisances == []


def test_what_is_gone_within_seconds_is_fleeting() -> None:
    site = Site(HOT).feed(seen(0, x=9), seen(2.5, x=1), seen(100, x=9), seen(103, x=1))
    assert [n.text for n in site.out.nuisances] == ["gone after 2.5s, before anyone could act: try on_delay: 3s"]


# -- floods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("apart", "alarms", "flood"), [(1, 10, False), (1, 11, True), (59, 11, True), (60, 11, False)])
def test_more_than_ten_alarms_in_ten_minutes_are_a_flood(apart: int, alarms: int, flood: bool) -> None:
    counted = Flood()
    assert [counted.count(n * apart * SECOND) for n in range(alarms)][-1] is flood


def test_a_flood_ends_when_fewer_than_five_came_in_ten_minutes() -> None:
    flood = Flood()
    for n in range(20):
        flood.count(n * SECOND)
    assert flood.ends == (15 + 600) * SECOND
    assert flood.look(614 * SECOND)
    assert not flood.look(615 * SECOND)


# -- what files say -------------------------------------------------------------------------------------------------


def problems(rules: str, assets: str | None = None) -> str:
    text = "version: 1\nrules:\n" + rules
    loaded = load_rules({"a.yaml": text}, None if assets is None else ("assets.yaml", assets))
    return "\n".join(map(str, loaded.problems))


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (PRESS.replace("[trip]", "[tripp]"), "unknown rule `tripp`, did you mean `trip`?"),
        (PRESS.replace("[trip]", "[low]"), "`low` is inhibited by itself"),
        (PRESS.replace("assets: line1,", "assets: line1, inhibited_by: [low],"), "is inhibited by itself"),
        (PRESS.replace('assets: "line1/*"', "kind: safety").replace("low, kind: equipment,", "low,"), "never inhibited"),
        (GROUP.replace("{asset}", "{aset}"), "unknown name in group `aset`"),
    ],
)  # fmt: skip
def test_mistakes_are_told_when_the_files_are_read(rules: str, expected: str) -> None:
    assert expected in problems(rules)


def test_an_asset_that_is_its_own_ancestor_is_refused() -> None:
    assert "its own ancestor" in problems(HOT, "assets: {a: {parent: b}, b: {parent: a}}\n")


def test_every_built_in_alarm_may_be_named_as_a_cause() -> None:
    assert set(BUILTIN_IDS) == set(BUILTIN)


# -- a whole plant --------------------------------------------------------------------------------------------------


def plant(machines: int, gateways: int) -> tuple[RuleSet, list[str]]:
    names = [f"line{n % gateways}/m{n}" for n in range(machines)]
    listed = "\n".join(f"  {name}: {{gateway: gw{n % gateways}}}" for n, name in enumerate(names))
    return rules_of(GATEWAY.replace('"line1/*"', '"*"'), f"assets:\n{listed}\n"), names


@pytest.mark.parametrize(("machines", "gateways"), [(20, 1), (2000, 4)])
def test_a_plant_that_loses_its_network_has_one_alarm_for_each_gateway(machines: int, gateways: int) -> None:
    rules, names = plant(machines, gateways)
    stages, told = Stages(rules), []
    for n in range(3):
        for i, name in enumerate(names):
            told += stages.handle(seen(10 * n + i / machines, asset=name, x=1)).told
    while (due := stages.next_due()) is not None and due < T0 + 200 * SECOND:
        told += stages.handle(Tick(due)).told
    called = [(t.asset, t.rule) for t in told if t.event == "raised" and t.to == "B"]
    assert sorted(called) == [(f"gw{n}", "system.comms-lost") for n in range(gateways)]
    assert sum(t.event == "suppressed" for t in told) == machines
