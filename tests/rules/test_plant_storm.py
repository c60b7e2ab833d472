"""A plant whose network goes: as many alarms call people as gateways are lost, however many machines stand behind."""

from __future__ import annotations

from rules.events import SECOND, GatewayLink, Observation
from tests.rules.plant import T0, reading, tick
from tests.rules.test_group import Site

GATEWAYS, MACHINES = 20, 250
WITH_WILL = 10
RULES = """
  - {id: silent, kind: equipment, detect: {type: silence, after: 10s}}
  - {id: guard, kind: safety, assets: "*/m0", detect: {type: limits, signal: t, high: 99}}
  - {id: guard-silent, kind: safety, assets: "*/m0", detect: {type: silence, after: 10s}}
"""
NAMES = [[f"g{g}/m{m}" for m in range(MACHINES)] for g in range(GATEWAYS)]
ASSETS = "assets:\n" + "".join(f"  {name}: {{gateway: g{g}}}\n" for g, names in enumerate(NAMES) for name in names)


def speak(site: Site, second: float) -> None:
    """Every machine says something within half a second."""
    for number, name in enumerate(name for names in NAMES for name in names):
        at = T0 + round(second * SECOND) + number * SECOND // 10_000
        site.feed(Observation(name, at, at, (reading("t", 50),)))


def word(second: float, gateway: int, *, up: bool) -> GatewayLink:
    return GatewayLink(T0 + round(second * SECOND), f"g{gateway}", up=up)


def test_each_lost_gateway_calls_people_once_and_its_machines_do_not() -> None:
    site = Site(RULES, ASSETS)
    for second in range(0, 6, 2):
        speak(site, second)
    assert not site.out.shown
    site.feed(*(word(5 + g / WITH_WILL, g, up=False) for g in range(WITH_WILL)))
    assert site.calls() == [(f"g{g}", "system.comms-lost") for g in range(WITH_WILL)]
    site.feed(tick(30))
    told = [t for t in site.out.told if t.event == "raised" and t.to == "B" and "covered" not in t.reason]
    assert sorted(t.asset for t in told) == sorted(f"g{g}" for g in range(GATEWAYS))
    assert all(t.priority == "critical" and len(t.reason["blind"]) == 2 for t in told)
    assert len(site.shown("suppressed")) == GATEWAYS * MACHINES, "all stay in the list"
    in_sight = [t for t in site.shown("raised") if t.rule == "guard-silent"]
    assert len(in_sight) == GATEWAYS
    assert {str(t.to) for t in in_sight} == {"B"}, "safety is never hidden"

    calls = len(site.calls())
    site.feed(*(word(70, g, up=True) for g in range(WITH_WILL)))
    for second in range(70, 76, 2):
        speak(site, second)
    assert len(site.calls()) == calls, "nobody is called because all is well again"
    assert {t.asset for t in site.shown("cleared") if t.rule == "system.comms-lost"} == {
        f"g{g}" for g in range(GATEWAYS)
    }
