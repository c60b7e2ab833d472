"""The demonstration without its clock: plant, gateways, codec, rules and core in one stroke, minutes in a second."""

import pytest

from monitor.codecs.decoder import Decoder
from monitor.demo.faults import Fault
from monitor.demo.payloads import GARBAGE
from monitor.demo.plant import demo_plant
from monitor.demo.publisher import GATEWAYS
from monitor.demo.stage import SITE
from rules.events import SECOND
from rules.replay import replay
from rules.ruleset import load_rules
from tests.monitor.demo.claims import claims

START = 1_750_000_000 * SECOND
BEAT = SECOND // 4


def demo_rules():
    texts = {item.name: item.read_text() for item in (SITE / "rules").iterdir()}
    return load_rules(texts, ("assets.yaml", (SITE / "assets.yaml").read_text())).ruleset


def messages(plant, seconds):
    """Everything the gateways publish, with the time they do."""
    garbage_before = False
    for beat in range(int(seconds * SECOND) // BEAT):
        at = START + beat * BEAT
        for gateway in GATEWAYS:
            if beat * BEAT % gateway.period == 0 and not (gateway.silent_under and plant.holds(gateway.silent_under)):
                for message in gateway.wording(gateway.asset, plant.signals(gateway.asset), at):
                    yield at, message
        garbage = plant.holds(Fault.GARBAGE)
        for message in GARBAGE if garbage and not garbage_before else ():
            yield at, message
        garbage_before = garbage
        plant.step(BEAT / SECOND)


def observations(decoder, stream):
    for at, (topic, payload) in stream:
        yield from decoder.decode("main", topic.encode(), payload, at).observations


def transitions(seed, seconds):
    rules = demo_rules()
    decoder = Decoder(claims(), lambda _: dict.fromkeys(("fill_weight", "nozzle_pressure", "vibration"), "number"))
    return list(replay(rules, observations(decoder, messages(demo_plant(seed), seconds))))


def seconds_of(found, event, **wanted):
    return [
        (one.at - START) / SECOND
        for one in found
        if one.event == event and all(getattr(one, name) == value for name, value in wanted.items())
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", ["equipment", "quality", "safety", "system"])
def test_each_kind_is_raised_and_cleared_within_fifty_two_seconds(seed, kind):
    found = transitions(seed, 52)

    assert seconds_of(found, "raised", kind=kind)
    assert len(seconds_of(found, "raised", kind=kind)) == len(seconds_of(found, "cleared", kind=kind))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_first_alarm_comes_within_five_seconds_and_every_fault_of_the_first_round_is_noticed(seed):
    found = transitions(seed, 52)
    raised = [one.rule for one in found if one.event == "raised"]

    assert seconds_of(found, "raised")[0] < 5
    assert {
        "mill-guard-open",
        "pump-vibration-high",
        "fill-weight",
        "mill-coolant-flow-low",
        "mill-spindle-overheat",
        "machine-silent",
        "mill-emergency-stop",
    } == set(raised)
    assert len(raised) == len(set(raised)), "an alarm chatters"


def test_what_gets_worse_is_one_alarm_of_rising_priority():
    found = transitions(1, 52)

    assert seconds_of(found, "raised_priority", rule="pump-vibration-high")
    assert seconds_of(found, "raised_priority", rule="mill-spindle-overheat")


def test_every_transition_says_why():
    assert all(one.reason["text"] for one in transitions(1, 52))


@pytest.mark.parametrize("seed", [1, 2])
def test_later_rounds_go_on_without_chatter(seed):
    found = transitions(seed, 300)
    later = seconds_of(found, "raised")

    assert {int(at // 60) for at in later} == {0, 1, 2, 3, 4}
    assert len(later) < 5 * 12
