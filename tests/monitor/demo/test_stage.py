"""What the demonstration stands on: a site that is sound, and a port that is free."""

import os
import socket

import pytest

from monitor.collectors.embedded import BrokerAddress
from monitor.demo.plant import demo_plant
from monitor.demo.stage import demo_assets, free_web_port, write_site
from monitor.site import load_site
from rules.ruleset import load_rules


@pytest.fixture(params=["mosquitto", "amqtt"])
def site(request, tmp_path):
    write_site(tmp_path, BrokerAddress("127.0.0.1", 1883, request.param), 8080)
    return tmp_path


def rules_of(site):
    texts = {path.name: path.read_text() for path in sorted((site / "rules").iterdir())}
    return load_rules(texts, ("assets.yaml", (site / "assets.yaml").read_text()))


def test_the_site_holds_its_settings_and_no_open_words(site):
    text = (site / "andon.yaml").read_text()

    assert "@" not in text.partition("\n\n")[2]
    assert "mqtt://127.0.0.1:1883" in text


def test_the_site_is_accepted_without_an_error(site):
    loaded = load_site(site, os.environ)

    assert loaded.site is not None, loaded.problems


def test_every_rule_is_sound_and_says_cause_consequence_and_response(site):
    loaded = rules_of(site)

    assert loaded.problems == []
    assert len(loaded.ruleset.rules) >= 12
    assert {rule.kind for rule in loaded.ruleset.rules} == {"equipment", "quality", "safety", "system"}
    assert all(rule.cause and rule.consequence and rule.response for rule in loaded.ruleset.rules)


def test_the_assets_name_every_signal_of_the_plant_and_no_other():
    plant, assets = demo_plant(1), demo_assets()

    for asset in plant.machines:
        assert assets.known_signals(asset) - {"state"} == set(plant.signals(asset))


def test_a_free_port_is_kept_and_a_taken_one_replaced():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        assert free_web_port(taken) not in (0, taken)
    assert free_web_port(taken) == taken
