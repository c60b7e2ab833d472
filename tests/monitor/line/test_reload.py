"""What is followed and what waits for a restart; what a start has to know of configurations before it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest

from monitor.database.ledger import Ledger, Step
from monitor.journal.entries import RevisionEntry, TickEntry
from monitor.journal.reader import JournalReader
from monitor.journal.writer import JournalWriter
from monitor.line.reload import former_filters, held_back, in_force, newest_revision
from monitor.site import READING, Reading, Site, gateways_from_texts, load_site


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "alarms.db")
    yield ledger
    ledger.close()


def texts(*topics: str, broker: str = "main") -> dict[str, str]:
    gateways = [
        {"name": f"g{i}", "topic": topic, "asset": "{machine}", "broker": broker} for i, topic in enumerate(topics)
    ]
    return {READING: msgspec.json.encode(Reading(gateways, 5)).decode()}


def test_rules_that_are_journalled_but_not_decided_yet_are_the_newest(tmp_path: Path, ledger: Ledger) -> None:
    reader = partial(JournalReader, tmp_path / "journal")
    writer = JournalWriter(tmp_path / "journal")
    assert newest_revision(ledger, reader) is None
    writer.append([RevisionEntry(1, "first", {}), TickEntry(2)])
    ledger.commit(Step(2, 2, revision=(0, "first", {})))
    assert newest_revision(ledger, reader) == "first"
    writer.append([RevisionEntry(3, "second", {}), TickEntry(4)])
    assert newest_revision(ledger, reader) == "second"


def test_topics_of_all_earlier_configurations_of_a_broker_are_known(ledger: Ledger) -> None:
    ledger.commit(Step(1, 0, revision=(0, "a", texts("old/{machine}/{metric}"))))
    ledger.commit(Step(2, 0, revision=(1, "b", texts("elsewhere/{machine}", broker="other"))))
    ledger.commit(Step(3, 0, revision=(2, "c", texts("new/{machine}", "new/{machine}", "new/{machine...}"))))
    ledger.commit(Step(4, 0, revision=(3, "d", {READING: '{"gateways":[{"name":"?"}],"max_ahead":5}'})))
    assert former_filters(ledger, "main") == ["new/+", "new/#", "old/+/+"]


GATEWAY = '{{name: g, format: json, broker: {}, topic: "{}/{{machine}}", asset: "{{machine}}"}}'


def site_with(directory: Path, brokers: str, topic: str, rule: str = "a") -> Site:
    (directory / "rules").mkdir(exist_ok=True)
    (directory / "rules" / "a.yaml").write_text(
        f"rules: [{{id: {rule}, kind: quality, detect: {{type: limits, signal: x, high: 1}}}}]"
    )
    broker = brokers.partition(":")[0]
    urls = f"brokers: {{{brokers}}}" if broker != "main" else f"broker: {brokers.partition(':')[2]}"
    (directory / "andon.yaml").write_text(f"site: a\n{urls}\ngateways: [{GATEWAY.format(broker, topic)}]\n")
    site, problems = load_site(directory, {})
    assert site is not None, problems
    return site


@pytest.mark.parametrize("renamed", [True, False])
def test_while_a_broker_waits_for_a_restart_so_do_its_subscriptions(tmp_path: Path, renamed: bool) -> None:
    old = site_with(tmp_path, 'main: {url: "mqtt://a"}', "old")
    new = site_with(tmp_path, 'north: {url: "mqtt://a"}' if renamed else 'main: {url: "mqtt://b"}', "new", rule="b")
    fixed = held_back(["brokers", "gateways", "notify"])
    assert fixed == ["brokers", "gateways"]
    site = in_force(old, new, fixed)
    assert (site.filters("main"), site.filters("north")) == (["old/+"], [])
    assert gateways_from_texts(site.texts) == old.settings.gateways
    assert [rule.id for rule in site.ruleset.rules] == ["b"]
    assert len({old.revision, new.revision, site.revision}) == 3
    assert in_force(old, old, []).revision == old.with_gateways(old.settings.gateways).revision == old.revision


def test_gateways_that_change_alone_are_followed(tmp_path: Path) -> None:
    old = site_with(tmp_path, 'main: {url: "mqtt://a"}', "old")
    new = site_with(tmp_path, 'main: {url: "mqtt://a"}', "new")
    assert in_force(old, new, held_back(["gateways", "site"])).filters("main") == ["new/+"]
