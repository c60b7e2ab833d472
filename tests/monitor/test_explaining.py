"""`andon explain` over what a monitor left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.alerting.policy import AssetFacts, Notifier
from monitor.cli import app
from monitor.database.ledger import Ledger, Step
from monitor.site import load_site
from monitor.stores.base import points_of
from monitor.stores.embedded import EmbeddedStore
from monitor.stores.opening import EMBEDDED_FILE
from rules.events import SECOND, Command, Event, Observation, Revision
from rules.fleet import Fleet
from tests.rules.plant import T0, seen, tick

SITE = """\
site: acme/north
broker: {url: "mqtt://127.0.0.1:1"}
gateways:
  - {name: line1, format: json, topic: "plant/{machine}", asset: "{machine}"}
notify: {teams: {crew: {channels: ["console://"]}}, routes: [{match: {}, to: crew}]}
web: {port: 0}
"""
RULES = """\
version: 1
rules:
  - id: too-hot
    kind: equipment
    title: Oven too hot
    response: Cool it.
    when: "running == true"
    detect: {type: limits, signal: temperature, high: 80, on_delay: 10s}
"""
AT = "2023-11-14T22:13:{:02d}Z"
"""T0 is the twentieth second of that minute."""


class Plant:
    """A site that has run: what was decided and stored, without the processes."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "rules").mkdir(parents=True)
        (directory / "andon.yaml").write_text(SITE)
        self.write(RULES)

    def write(self, rules: str) -> None:
        (self.directory / "rules" / "oven.yaml").write_text(rules)

    def run(self, *events: Event) -> list[str]:
        site = load_site(self.directory, {}).site
        assert site is not None
        site.settings.data_dir.mkdir(exist_ok=True)
        fleet, notifier = Fleet(site.ruleset), Notifier(site.settings.notify)
        made = [t for event in (Revision(T0, site.ruleset), *events) for t in fleet.handle(event)]
        decisions = [notifier.decide(t, site.ruleset.rule(t.rule), AssetFacts(t.asset, None)) for t in made]
        store = EmbeddedStore(site.settings.data_dir / EMBEDDED_FILE)
        for number, event in enumerate(events, 1):
            if isinstance(event, Observation):
                store.write(points_of(event, site.ruleset.max_ahead), number)
        store.close()
        ledger = Ledger(site.settings.data_dir / "alarms.db")
        notifications = [n for d in decisions for n in d.notifications]
        verdicts = {d.transition: d.why for d in decisions}
        revision = (0, site.revision, site.texts)
        ledger.commit(Step(1, 1, made, notifications, verdicts, revision=revision))
        ledger.close()
        return [t.id for t in made]

    def explain(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["explain", "--site", str(self.directory), *arguments], env={"COLUMNS": "200"})


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    return Plant(tmp_path / "plant")


HOT = (seen(0, asset="oven", temperature=90, running=True), tick(11))


def test_an_alarm_is_told_with_its_rule_its_reason_and_who_was_told(plant: Plant) -> None:
    (raised,) = plant.run(*HOT)
    told = plant.explain("oven:too-hot")
    assert told.exit_code == 0, told.output
    assert told.output.startswith(f"oven: Oven too hot (medium equipment), {raised}")
    for fact in ("when: running == true", "high 80", "raised (A to B) by andon", "limit: 80.0", "value: 90.0"):
        assert fact in told.output
    assert "told: a route matches" in told.output
    assert "crew over console#" in told.output
    assert "quality: all good" in told.output


def test_a_rule_that_was_changed_since_is_shown_as_it_was(plant: Plant) -> None:
    plant.run(*HOT)
    plant.write(RULES.replace("high: 80", "high: 95"))
    told = plant.explain("oven:too-hot").output
    assert "the rule was changed since, this is how it was then" in told
    assert "high 80" in told


def test_any_name_of_an_alarm_will_do_and_programs_get_json(plant: Plant) -> None:
    (raised,) = plant.run(*HOT)
    for name in (raised, "oven:too-hot"):
        told = json.loads(plant.explain(name, "--json").output)
        assert told["alarm"] == raised
        assert told["chapters"][0]["deliveries"][0]["team"] == "crew"


def test_an_alarm_that_never_was_is_an_error_with_a_hint(plant: Plant) -> None:
    plant.run(*HOT)
    told = plant.explain("oven:too-cold")
    assert told.exit_code == 1
    assert "there is no alarm `oven:too-cold`" in told.output
    assert "--rule, --asset and --at" in told.output


@pytest.mark.parametrize(
    ("events", "at", "answer"),
    [
        ([seen(0, asset="oven", temperature=70, running=True)], 40, "condition high: "),
        ([seen(0, asset="oven", temperature=90, running=False)], 40, "when: running == true does not hold"),
        ([seen(0, asset="oven", temperature=90, running=True)], 25, "on_delay high: has held for 5s of 10s"),
        ([seen(0, asset="oven", running=True)], 40, "signal temperature: no reading of `temperature` came"),
        ([], 40, "no reading of the asset was stored in that time"),
    ],
)
def test_why_nothing_came_names_the_step_that_ended_it(plant: Plant, events: list[Event], at: int, answer: str) -> None:
    plant.run(*events)
    told = plant.explain("--rule", "too-hot", "--asset", "oven", "--at", AT.format(at))
    assert told.exit_code == 0, told.output
    assert told.output.splitlines()[0].split(": ", 1)[1].startswith(answer)


def test_a_rule_that_is_not_armed_is_not_said_to_have_looked(plant: Plant) -> None:
    plant.run(seen(0, asset="oven", temperature=90, running=False))
    told = plant.explain("--rule", "too-hot", "--asset", "oven", "--at", AT.format(40)).output
    assert "condition high: not looked at: the rule is not armed" in told


def test_of_several_alarms_nearby_the_last_one_before_is_named(plant: Plant) -> None:
    values = [(0, 90), (12, 20), (13, 90), (30, 90)]
    ids = plant.run(*[seen(second, asset="oven", temperature=t, running=True) for second, t in values], tick(31))
    told = plant.explain("--rule", "too-hot", "--asset", "oven", "--at", AT.format(55)).output
    assert f"it did come: {ids[-1]}" in told


def test_why_nothing_came_of_a_rule_over_several_machines(plant: Plant) -> None:
    plant.write(
        "version: 1\nrules:\n  - {id: apart, kind: quality, response: Look., assets: hall, detect: {type: condition, "
        'scope: plant, expression: \'asset("a").x - asset("b").x > 5\', on_delay: 10s}}\n'
    )
    plant.run(seen(0, asset="a", x=9), seen(0, asset="b", x=1))
    told = plant.explain("--rule", "apart", "--asset", "hall", "--at", AT.format(25)).output
    assert "on_delay on: has held for 5s of 10s" in told
    refused = plant.explain("--rule", "apart", "--asset", "a", "--at", AT.format(25))
    assert "its alarm is shown under hall" in " ".join(refused.output.split())


def test_why_there_is_no_instrument_fault(plant: Plant) -> None:
    plant.run(seen(0, asset="oven", temperature=90, running=True, bad=("temperature",)))
    told = plant.explain("--rule", "system.instrument-fault", "--asset", "oven", "--at", AT.format(50)).output
    assert "has held for 30s of 1m" in told


def test_a_shelf_explains_the_silence(plant: Plant) -> None:
    second = seen(20, asset="oven", temperature=90, running=True)
    shelve = Command(T0 + 30 * SECOND, "shelve", "oven", "oven:too-hot", "kim", "sensor drifts", T0 + 3600 * SECOND)
    plant.run(seen(0, asset="oven", temperature=20, running=True), second, tick(30), shelve, tick(35))
    told = plant.explain("--rule", "too-hot", "--asset", "oven", "--at", AT.format(55)).output
    assert "suppression: the alarm was shelved by kim: sensor drifts" in told
    assert "nearby: " in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rule", "too-hott", "--asset", "oven"), "unknown rule `too-hott`, did you mean `too-hot`?"),
        (("--rule", "too-hot"), "name an alarm, or --rule and --asset together"),
        ((), "name an alarm, or --rule and --asset together"),
    ],
)
def test_what_cannot_be_explained_is_said(plant: Plant, arguments: tuple[str, ...], said: str) -> None:
    plant.run(*HOT)
    told = plant.explain(*arguments)
    assert told.exit_code in (1, 2)
    assert said in " ".join(told.output.replace("│", " ").split())
