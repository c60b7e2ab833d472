"""A site directory is loaded whole, or every problem of it is told, and no secret with it."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.errors import ConfigurationError
from monitor.site import LoadedSite, Site, gateways_from_texts, load_site, ruleset_from_texts
from monitor.zones import zone_of
from rules.events import SECOND
from rules.problems import errors
from rules.ruleset import EMPTY

GOOD = """\
site: acme/north
timezone: Europe/Berlin
broker:
  url: "mqtts://broker:8883"
  username: andon
  password: "${MQTT_PASSWORD}"
gateways:
  - name: line1
    topic: "plant/{line}/{machine}/{metric}"
    asset: "{line}/{machine}"
  - {name: line2, topic: "hall/{machine}/{metric}", asset: x}
notify:
  teams:
    maintenance: {channels: ["json://hook/${file:token}"]}
  routes: [{match: {}, to: maintenance}]
max_ahead: 3s
"""
RULE = "rules: [{id: silent, kind: system, detect: {type: silence, after: 5m}, response: look, labels: {shift: early}}]"
ENVIRON = {"MQTT_PASSWORD": "hunter2-secret"}


def write(directory: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return directory


def load(directory: Path, andon: str = GOOD, environ: Mapping[str, str] = ENVIRON, **files: str) -> LoadedSite:
    return load_site(
        write(directory, {"andon.yaml": andon, "rules/a.yaml": RULE, "token": "t0ken-secret\n", **files}), environ
    )


def good(directory: Path) -> Site:
    loaded = load(directory)
    assert loaded.problems == []
    assert loaded.site is not None
    return loaded.site


def told(directory: Path, andon: str, environ: Mapping[str, str] = ENVIRON) -> list[str]:
    return [str(problem) for problem in load(directory, andon, environ).problems]


def test_a_site_is_loaded(tmp_path: Path) -> None:
    site = good(tmp_path)
    assert site.settings.site == "acme/north"
    assert site.settings.data_dir == tmp_path / "data"
    assert site.ruleset.max_ahead == 3 * SECOND
    assert site.ruleset.rule("silent") is not None
    assert site.filters("main") == ["plant/+/+/+", "hall/+/+"]
    assert site.filters("other") == []


def test_secrets_come_from_environment_and_files_and_stay_hidden(tmp_path: Path) -> None:
    site = good(tmp_path)
    password = site.settings.brokers["main"].password
    (channel,) = site.settings.notify.teams["maintenance"].channels
    assert password is not None
    assert password.get_secret_value() == "hunter2-secret"
    assert channel.get_secret_value() == "json://hook/t0ken-secret"
    shown = f"{site!r} {site.texts}"
    assert "hunter2" not in shown
    assert "t0ken" not in shown


def test_a_revision_can_be_recovered_from_its_texts(tmp_path: Path) -> None:
    write(tmp_path, {"assets.yaml": "assets: {line1/a: {name: A}}"})
    site = good(tmp_path)
    assert ruleset_from_texts(site.texts).revision == site.ruleset.revision
    assert ruleset_from_texts(site.texts).assets.display_name("line1/a") == "A"
    assert ruleset_from_texts(site.texts).max_ahead == 3 * SECOND
    assert gateways_from_texts(site.texts) == site.settings.gateways
    assert ruleset_from_texts({}) is EMPTY
    assert gateways_from_texts({}) == ()


def test_a_revision_is_new_when_rules_gateways_or_max_ahead_change_and_not_otherwise(tmp_path: Path) -> None:
    site = good(tmp_path)
    assert site.revision_if_new(site.revision) is None
    assert site.revision_if_new(None) == (site.revision, dict(site.texts))
    revisions = [
        load(tmp_path, andon).site
        for andon in (
            GOOD.replace("Berlin", "Paris"),
            GOOD.replace("{machine}/{metric}", "{machine}"),
            GOOD.replace("3s", "4s"),
        )
    ]
    assert [found is not None and found.revision == site.revision for found in revisions] == [True, False, False]


def test_the_time_zone_belongs_to_a_revision_whose_rules_go_by_the_calendar(tmp_path: Path) -> None:
    calendar = "rules: [{id: a, kind: equipment, detect: {type: silence, after: 1h, calendar: mon-fri}}]"
    write(tmp_path, {"rules/calendar.yaml": calendar})
    berlin, paris, lisbon = (
        load(tmp_path, GOOD.replace("Berlin", city)).site for city in ("Berlin", "Paris", "Lisbon")
    )
    assert berlin is not None
    assert paris is not None
    assert lisbon is not None
    assert berlin.revision != lisbon.revision
    again = ruleset_from_texts(berlin.texts)
    assert again.revision == berlin.ruleset.revision
    assert again.zone == zone_of("Europe/Berlin")


def test_what_a_later_program_refuses_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError):
        ruleset_from_texts({"rules/a.yaml": "rules: 5"})


MISTAKES = """\
site: x
timezone: Europe/Berln
data_dri: x
directory: /
when_full: wait
journal: {keep: 1d, max_size: 5, reserve: 3XB}
brokers:
  main: {url: "mqtts://x", tls: {ca: missing.pem}, keepalive: 1}
  hall2: {url: "mqtts://x", tls: {ca: missing.pem}}
gateways:
  - {name: line1, format: sparkplug, topic: t, asset: a}
  - {name: line2, broker: mian, topic: "plant/{a}", asset: "{b}"}
  - {name: line2, topic: "plant/#", asset: x}
store: {type: influxdb, bucket: plant}
notify:
  teams:
    maintenance: {}
  routes:
    - {match: {kind: equipmnt, aera: x, shift: early}, to: maintenace}
web: {port: 70000}
max_ahead: 5
"""


def test_all_mistakes_are_told_at_once_with_line_and_hint(tmp_path: Path) -> None:
    found = told(tmp_path, MISTAKES)
    for expected in (
        "andon.yaml:2: error: unknown time zone `Europe/Berln`, did you mean `Europe/Berlin`?",
        "andon.yaml:3: error: unknown key `data_dri`, did you mean `data_dir`?",
        "andon.yaml:4: error: unknown key `directory`",
        "andon.yaml:5: error: unknown when_full `wait` (hint: known: decide, hold)",
        "andon.yaml:6: error: `5` is not a size: it needs a unit (hint: use 64MB, 2GB or 512MiB)",
        "andon.yaml:6: error: `3XB` is not a size",
        "andon.yaml:8: error: `brokers.main.keepalive`: must be greater than or equal to 5",
        "andon.yaml:9: error: the file `missing.pem` is not there",
        "andon.yaml:11: error: unknown format `sparkplug`",
        "andon.yaml:12: error: unknown broker `mian`, did you mean `main`?",
        "andon.yaml:12: error: unknown topic level `b`",
        "andon.yaml:13: error: the gateway `line2` is there twice",
        "andon.yaml:13: error: `#` in the topic template `plant/#`",
        "andon.yaml:14: error: the store `influxdb` needs a `url` and a `bucket`",
        "andon.yaml:17: warning: the team `maintenance` has no channels",
        "andon.yaml:19: error: unknown kind `equipmnt`, did you mean `equipment`?",
        "andon.yaml:19: error: unknown key to match by `aera`, did you mean `area`?",
        "andon.yaml:19: error: unknown team `maintenace`, did you mean `maintenance`?",
        "andon.yaml:20: error: `web.port`: must be less than or equal to 65535",
        "andon.yaml:21: error: `5` is not a duration: it needs a unit",
    ):
        assert any(line.startswith(expected) for line in found), (expected, found)
    assert not any("shift" in line.split("(hint")[0] for line in found)


def test_a_reference_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    text = GOOD.replace("file:token", "file:../nowhere").replace("acme/north", "${bad name}")
    found = told(tmp_path, text, {})
    assert "andon.yaml:1: error: `${bad name}` is no reference" in found[0]
    assert "andon.yaml:6: error: the environment has no `MQTT_PASSWORD` (hint: set MQTT_PASSWORD" in found[1]
    assert "andon.yaml:14: error: `file:../nowhere` cannot be read: No such file or directory" in found[2]


def test_literal_passwords_are_warned_of_and_not_shown(tmp_path: Path) -> None:
    text = GOOD.replace("${MQTT_PASSWORD}", "hunter3").replace("json://hook/", "json://me:hunter3@hook/")
    loaded = load(tmp_path, text)
    assert loaded.site is not None
    assert [(problem.line, problem.severity) for problem in loaded.problems] == [(6, "warning"), (14, "warning")]
    assert "hunter3" not in str(loaded.problems)


@pytest.mark.parametrize("key", ["timezone", "site", "max_ahead", "data_dir"])
def test_an_error_does_not_show_what_was_filled_in(tmp_path: Path, key: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(key)]
    text = "\n".join(
        [*lines, f'{key}: "${{MQTT_PASSWORD}}"', 'store: "${MQTT_PASSWORD}"', "web: {port: '${MQTT_PASSWORD}'}"]
    )
    text = (
        text.replace('"mqtts://broker:8883"', '"http://${MQTT_PASSWORD}"')
        .replace("name: line1", "name: '${MQTT_PASSWORD} '")
        .replace("asset: x", "asset: '{${MQTT_PASSWORD}}'")
    )
    loaded = load(tmp_path, text)
    assert loaded.site is None
    assert "hunter2" not in str(loaded.problems)


def test_references_between_braces_get_the_fitting_hint(tmp_path: Path) -> None:
    assert (
        'between { and } put references in quotes: {password: "${NAME}"}'
        in told(tmp_path, "broker: {password: ${X}}")[0]
    )


def test_kinds_that_nobody_hears_of_are_warned_of(tmp_path: Path) -> None:
    text = GOOD.replace("{match: {}, to", "{match: {kind: safety}, to")
    assert "warning: alarms of kind system have no route: only the console is told" in told(tmp_path, text)[0]
    assert told(tmp_path, text.replace("maintenance", "default")) == []


def test_one_broker_or_several_but_some(tmp_path: Path) -> None:
    both = GOOD + "brokers: {b: {embedded: true}}\n"
    none = "site: x\n"
    for text in (both, none):
        assert any("name either one `broker` or several `brokers`" in line for line in told(tmp_path, text))
    assert any("`brokers` names none" in line for line in told(tmp_path, "site: x\nbrokers: {}"))


@pytest.mark.parametrize(
    "content", [b"", b"5", b"[]", b"{", b"\x89PNG\r\n\x00", b"\xff\xfe", b"a" * 5_000_000, b"site: *x"]
)
@pytest.mark.parametrize("name", ["andon.yaml", "assets.yaml", "rules/b.yaml"])
def test_any_content_gives_problems_at_most(tmp_path: Path, name: str, content: bytes) -> None:
    write(tmp_path, {"andon.yaml": GOOD, "rules/a.yaml": RULE, "token": "t", name: content})
    loaded = load_site(tmp_path, ENVIRON)
    assert (loaded.site is None) is bool(errors(loaded.problems))


def test_missing_and_strange_files_give_problems(tmp_path: Path) -> None:
    assert "andon init" in str(load_site(tmp_path, {}).problems[0])
    assert load_site(tmp_path / "nowhere", {}).site is None
    (tmp_path / "andon.yaml").mkdir()
    assert "is not a file" in str(load_site(tmp_path, {}).problems[0])
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "dangling.yaml").symlink_to("nowhere")
    (tmp_path / "rules" / b"caf\xe9.yaml".decode(errors="surrogateescape")).write_bytes(b"rules: 5")
    (tmp_path / "assets.yaml").symlink_to(tmp_path)
    found = [str(problem) for problem in load_site(tmp_path, {}).problems]
    assert [line.split(":")[0] for line in found] == [
        "andon.yaml",
        "assets.yaml",
        "rules/caf?.yaml",
        "rules/dangling.yaml",
    ]
    assert "\n".join(found).isascii()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.sampled_from(GOOD.split()), st.sampled_from(["", ":", "{}", "5", "null", "[a]", "'", "${X}", "{a}/{b...}"]))
def test_any_slip_of_the_pen_is_told_or_harmless(tmp_path: Path, word: str, slip: str) -> None:
    loaded = load(tmp_path, GOOD.replace(word, slip))
    assert (loaded.site is None) is bool(errors(loaded.problems))


TABLE_RULE = (
    "rules: [{id: faults, kind: equipment, response: look, "
    "detect: {type: alarm_table, signal: word, table: faults.csv}}]"
)


def test_a_table_of_fault_codes_stands_beside_the_rules_and_goes_into_the_revision(tmp_path: Path) -> None:
    files = {"rules/b.yaml": TABLE_RULE, "rules/faults.csv": "code,text\n17,Coolant low\n"}
    first = load(tmp_path, **files).site
    assert first is not None
    assert ruleset_from_texts(first.texts).revision == first.ruleset.revision
    second = load(tmp_path, **files | {"rules/faults.csv": "code,text\n17,Coolant gone\n"}).site
    assert second is not None
    assert second.revision != first.revision


def test_a_mistake_in_a_table_is_told_with_its_line(tmp_path: Path) -> None:
    loaded = load(tmp_path, **{"rules/b.yaml": TABLE_RULE, "rules/faults.csv": "code,text\n17,\n"})
    assert loaded.site is None
    assert any(str(problem).startswith("rules/faults.csv:2: error: `text` is missing") for problem in loaded.problems)


def test_an_address_for_links_is_told_to_mean_nothing_yet(tmp_path: Path) -> None:
    (found,) = load(tmp_path, GOOD + 'web: {port: 8080, public_url: "https://andon.acme.example"}\n').problems
    assert str(found).startswith("andon.yaml:17: warning: `public_url` is not built yet")


@pytest.mark.parametrize(
    ("asset", "says"),
    [
        ("{gateway: line1}", ""),
        (
            "{gateway: lin1}",
            "assets.yaml:3: error: unknown gateway `lin1`, did you mean `line1`? (hint: known: line1, line2)",
        ),
        ("{gateway: other}", "assets.yaml:3: error: unknown gateway `other` (hint"),
        *((f"{{parent: {parent}}}", "") for parent in ("hall", "hall/cell", "hall/cell/oven", "North", "plc7")),
        ("{parent: hall/cel}", "assets.yaml:3: warning: unknown parent `hall/cel`, did you mean `hall/cell`? (hint"),
    ],
)
def test_gateways_and_parents_of_machines_are_known(tmp_path: Path, asset: str, says: str) -> None:
    assets = f"assets:\n  hall/cell/oven: {{area: North}}\n  mill: {asset}\n"
    rule = "rules: [{id: r, kind: system, assets: [plc7, '*'], detect: {type: silence, after: 5m}, response: look, labels: {shift: early}}]"
    found = [str(problem) for problem in load(tmp_path, **{"assets.yaml": assets, "rules/a.yaml": rule}).problems]
    assert [problem.startswith(says) for problem in found] == [True] * bool(says), found


@pytest.mark.parametrize(
    ("topic", "assets", "says"),
    [
        ("line1/state", "assets: {a: {gateway: line1}, b: {gateway: line1}}\n", ""),
        ("line1/state", "assets: {a: {gateway: line1}}\n", "warning: nothing follows from the status of `line1`"),
        (
            "line1/{x}",
            "assets: {a: {gateway: line1}, b: {gateway: line1}}\n",
            "error: the status topic `line1/{x}` has",
        ),
        ("line1/#", "assets: {a: {gateway: line1}, b: {gateway: line1}}\n", "error: `#` in the topic template"),
    ],
)
def test_a_status_topic_is_one_topic_of_a_gateway_that_machines_name(
    tmp_path: Path, topic: str, assets: str, says: str
) -> None:
    andon = GOOD.replace(
        '    asset: "{line}/{machine}"\n', f'    asset: "{{line}}/{{machine}}"\n    status: {{topic: "{topic}"}}\n'
    )
    found = [str(problem) for problem in load(tmp_path, andon, **{"assets.yaml": assets}).problems]
    assert [problem.startswith("andon.yaml:11: ") and says in problem for problem in found] == [True] * bool(says)


def gateways(*topics: str) -> str:
    listed = [f'  - {{name: g{number}, topic: "{topic}", asset: x}}\n' for number, topic in enumerate(topics)]
    team = 'notify: {teams: {default: {channels: ["console://"]}}}\n'
    return f'site: s\nbroker: {{url: "mqtt://broker"}}\ngateways:\n{"".join(listed)}{team}'


@pytest.mark.parametrize(
    ("topics", "filters"),
    [
        (("plant/{line}/mill", "hall/{line}/mill"), ["plant/+/mill", "hall/+/mill"]),
        (("plant/{line}/{machine}/{metric}", "plant/{line}/{metric...}"), ["plant/+/#"]),
        (("plant/a/{x}", "plant/{line}/b", "plant/{rest...}"), ["plant/#"]),
    ],
)
def test_no_message_is_delivered_twice_where_topics_cover_each_other(
    tmp_path: Path, topics: tuple[str, ...], filters: list[str]
) -> None:
    loaded = load(tmp_path, gateways(*topics))
    assert (loaded.problems, loaded.site and loaded.site.filters("main")) == ([], filters)


def test_a_status_topic_comes_with_the_topic_that_covers_it(tmp_path: Path) -> None:
    text = gateways("line1/{metric}").replace("asset: x", "asset: x, status: {topic: line1/state}")
    site = load(tmp_path, text, **{"assets.yaml": "assets: {a: {gateway: g0}, b: {gateway: g0}}\n"}).site
    assert site is not None
    assert site.filters("main") == ["line1/+"]


@pytest.mark.parametrize(
    ("topics", "says"),
    [
        (
            ("plant/{line}/{metric...}", "plant/{line}/{machine}/{metric}"),
            "andon.yaml:5: warning: nothing reaches the gateway: `g0` before it claims all of",
        ),
        (
            ("plant/{line}/oven", "plant/line1/{metric}"),
            "andon.yaml:5: error: `plant/line1/{metric}` shares some topics with `plant/{line}/oven`",
        ),
    ],
)
def test_gateways_that_get_nothing_or_share_topics_are_told(tmp_path: Path, topics: tuple[str, ...], says: str) -> None:
    (problem,) = load(tmp_path, gateways(*topics)).problems
    assert str(problem).startswith(says)
