"""The loss of a gateway that safety depends on: one alarm that nothing hides and that names all that is blind by it."""

from __future__ import annotations

import json

import pytest

from rules.alarms import Transition
from rules.events import SECOND, Command, GatewayLink
from rules.ruleset import load_rules
from rules.stages import Stages
from tests.rules.plant import T0, rules_of, seen, tick
from tests.rules.test_group import Site

RULES = """
  - {id: guard, kind: safety, title: Guard open, assets: "p*", detect: {type: condition, expression: "guard == false"}}
  - {id: guard-lost, kind: safety, title: Guard silent, assets: "p*", detect: {type: silence, after: 20s}}
  - {id: quiet, kind: equipment, assets: fan, detect: {type: silence, after: 20s}}
"""
ASSETS = "assets: {p1: {gateway: gw}, p2: {gateway: gw}, fan: {gateway: gw}}\n"
NAMES = ("p1", "p2", "fan")


def speaking(site: Site, seconds: range) -> Site:
    for n in seconds:
        site.feed(*(seen(n + i / 10, asset=name, guard=True) for i, name in enumerate(NAMES)))
    return site


def lost() -> Site:
    return speaking(Site(RULES, ASSETS), range(10)).feed(tick(60))


def loss(site: Site) -> Transition:
    return next(t for t in site.shown("raised") if t.asset == "gw")


def act(second: float, action: str, alarm: str, by: str = "kim", hours: float = 1) -> Command:
    at = T0 + round(second * SECOND)
    return Command(at, action, alarm.partition(":")[0], alarm, by, "why", at + round(hours * 3600 * SECOND))


def to_tell(site: Site) -> list[tuple[str, str, bool]]:
    """What is given to those who tell people of new alarms: asset, rule, and whether the loss of a gateway says it."""
    return [(t.asset, t.rule, "covered" in t.reason) for t in site.out.told if t.event == "raised" and t.to == "B"]


def test_it_is_critical_and_names_every_safety_function_that_is_blind_with_its_machine() -> None:
    alarm = loss(lost())
    assert (alarm.priority, alarm.to) == ("critical", "B")
    assert alarm.reason["blind"] == ["p1: Guard open", "p1: Guard silent", "p2: Guard open", "p2: Guard silent"]
    assert "4 safety functions blind: p1: Guard open, p1: Guard silent" in alarm.reason["text"]


def test_what_says_no_more_than_that_is_told_by_it_but_stays_in_sight() -> None:
    site = lost()
    assert to_tell(site) == [("gw", "system.comms-lost", False), ("p1", "guard-lost", True), ("p2", "guard-lost", True)]
    assert [t.asset for t in site.shown("suppressed")] == ["fan"], "safety is never inhibited"
    assert [str(t.to) for t in site.shown("raised") if t.rule == "guard-lost"] == ["B", "B"]


def test_after_it_is_back_what_stays_silent_is_told_to_everybody() -> None:
    site = lost().feed(*(seen(61 + n, asset="p1", guard=True) for n in range(40)))
    assert to_tell(site)[3:] == [("p2", "guard-lost", False)]
    told = [t.id for t in site.out.told if (t.asset, t.event) == ("p2", "raised")]
    assert told == [t.id for t in site.shown("raised") if t.asset == "p2"] * 2, "the same transition, so the same key"


def test_what_speaks_again_or_was_acknowledged_is_not() -> None:
    site = lost().feed(act(60.5, "acknowledge", "p2:guard-lost"))
    site.feed(*(seen(61 + n, asset="p1", guard=True) for n in range(40)))
    assert len(to_tell(site)) == 3


def test_what_two_persons_shelved_meanwhile_is_told_when_it_is_shown_again_and_not_before() -> None:
    site = lost().feed(*(act(60 + n, "shelve", "p2:guard-lost", by, hours=0.5) for n, by in enumerate(("kim", "lee"))))
    site.feed(*(seen(62 + n, asset="p1", guard=True) for n in range(40)))
    assert len(to_tell(site)) == 3
    assert [t.to for t in site.feed(tick(1900)).out.told if t.event == "unshelved"] == ["B"]


def test_what_the_next_loss_of_the_gateway_says_again_is_not_told_by_itself_meanwhile() -> None:
    site = lost().feed(word(61, up=True), word(65, up=False), tick(120))
    assert [name for name, _, covered in to_tell(site) if not covered] == ["gw", "gw"]
    site.feed(word(121, up=True), tick(145))
    assert [name for name, _, covered in to_tell(site) if not covered][2:] == ["p1", "p2"]


def test_what_is_covered_survives_a_restart() -> None:
    site = lost()
    saved = json.loads(json.dumps(site.stages.snapshot()))
    again = Stages(rules_of(RULES, ASSETS))
    for name, monitor in site.stages.fleet.monitors.items():
        again.fleet.adopt(again.rules, json.loads(json.dumps(monitor.snapshot())), 0)
        assert name in again.fleet.monitors
    again.restore(again.rules, saved, 0)
    site.stages = again
    site.feed(*(seen(61 + n, asset="p1", guard=True) for n in range(40)))
    assert to_tell(site)[-1] == ("p2", "guard-lost", False)


def test_a_guard_that_opens_meanwhile_is_told_at_once() -> None:
    site = lost().feed(seen(61, asset="p1", guard=False))
    assert ("p1", "guard", False) in to_tell(site)


@pytest.mark.parametrize("action", ["shelve", "out-of-service"])
def test_nobody_hides_it_not_even_two(action: str) -> None:
    site = lost()
    for by in ("kim", "lee"):
        why = site.stages.refusal(act(61, action, "gw:system.comms-lost", by))
        assert why == "safety functions are blind while it lasts: it cannot be hidden, acknowledge it"
        site.feed(act(61, action, "gw:system.comms-lost", by))
    assert not site.shown("shelved") + site.shown("out_of_service")
    assert site.stages.refusal(act(62, "acknowledge", "gw:system.comms-lost")) is None


def test_one_without_safety_behind_it_may_be_shelved_and_is_high() -> None:
    rules = RULES.replace("kind: safety", "kind: equipment")
    site = speaking(Site(rules, ASSETS), range(10)).feed(tick(60))
    assert (loss(site).priority, loss(site).reason["blind"]) == ("high", [])
    assert site.stages.refusal(act(61, "shelve", "gw:system.comms-lost")) is None


def test_a_single_machine_with_a_guard_is_enough() -> None:
    site = Site(RULES, "assets: {p1: {gateway: gw}}\n").feed(
        *(seen(n, asset="p1", guard=True) for n in range(9)), tick(60)
    )
    assert loss(site).reason["blind"] == ["p1: Guard open", "p1: Guard silent"]


@pytest.mark.parametrize("how", ["mode: shadow", "suppress_when: guard == true"])
def test_the_silence_that_gives_it_away_may_itself_be_out_of_sight(how: str) -> None:
    rules = RULES.replace("kind: safety, title: Guard silent,", f"kind: equipment, {how},")
    assert loss(speaking(Site(rules, ASSETS), range(10)).feed(tick(60))).priority == "critical"


def test_safety_rules_whose_loss_nobody_would_notice_are_named_when_the_files_are_read() -> None:
    def warnings(rules: str) -> list[str]:
        loaded = load_rules({"rules/a.yaml": f"version: 1\nrules:{rules}"}, ("assets.yaml", ASSETS), site=True)
        return [f"{p.line}: {p.message}" for p in loaded.problems if "stop coming" in p.message]

    assert warnings(RULES) == []
    gated = RULES.replace("title: Guard silent,", "when: guard == true,")
    assert warnings(gated) == ["3: nothing tells when the signals of `guard` stop coming on `p1` and 1 more"]


# -- the gateway's own word -----------------------------------------------------------------------------------------


def word(second: float, up: bool, name: str = "gw", *, kept: bool = False) -> GatewayLink:
    return GatewayLink(T0 + round(second * SECOND), name, up, kept)


def test_its_own_word_tells_at_once_and_the_silence_that_follows_is_told_by_it() -> None:
    site = speaking(Site(RULES, ASSETS), range(10)).feed(word(9.5, up=False))
    assert to_tell(site) == [("gw", "system.comms-lost", False)]
    assert loss(site).at == T0 + round(9.5 * SECOND)
    assert all(covered for _, _, covered in to_tell(site.feed(tick(60)))[1:])


@pytest.mark.parametrize("back", [word(12, up=True), seen(12, asset="p1", guard=True)])
def test_it_is_back_by_its_own_word_or_by_any_reading(back: object) -> None:
    site = speaking(Site(RULES, ASSETS), range(10)).feed(word(9.5, up=False), word(10, up=False), back)  # type: ignore[arg-type]
    assert site.story("gw") == [(9.5, "raised", "AB"), (12, "cleared", "BD")]


def test_what_the_broker_kept_from_before_brings_back_only_what_said_that_it_is_gone() -> None:
    silent = speaking(Site(RULES, ASSETS), range(10)).feed(tick(60))
    assert [event for _, event, _ in silent.story("gw")] == ["raised"]
    silent.feed(word(61, up=True, kept=True))
    assert [event for _, event, _ in silent.story("gw")] == ["raised"]
    silent.feed(word(62, up=False, kept=True), word(63, up=True, kept=True))
    assert silent.story("gw")[1:] == [(63, "cleared", "BD")]


def test_machines_whose_clocks_are_slow_bring_it_back_too() -> None:
    site = Site(RULES, ASSETS).feed(seen(-51, asset="p1", late=60, guard=True), word(9.5, up=False))
    site.feed(seen(-48, asset="p1", late=60, guard=True))
    assert site.story("gw") == [(9.5, "raised", "AB"), (12, "cleared", "BD")]


def test_a_word_of_a_gateway_without_machines_or_that_says_what_is_known_changes_nothing() -> None:
    site = speaking(Site(RULES, ASSETS), range(10)).feed(word(9.5, up=True), word(9.6, up=False, name="other"))
    assert site.story("gw") == []


def test_a_lost_gateway_is_still_lost_after_a_restart() -> None:
    site = speaking(Site(RULES, ASSETS), range(10)).feed(word(9.5, up=False))
    saved, rules = json.loads(json.dumps(site.stages.snapshot())), site.stages.rules
    again = Stages(rules)
    again.restore(rules, saved, 0)
    assert again.handle(word(10, up=False)).shown == []
    assert [t.event for t in again.handle(word(11, up=True)).shown] == ["cleared"]
