"""What is shipped to run Andon with: nothing named is missing, nothing runs with more rights than it needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from ruamel.yaml import YAML

from monitor import telemetry
from monitor.site import load_site
from monitor.stores import influx_alarms, influx_lines
from tests.prepared import DEPLOY, ROOT, prepare, prepared_site

COMPOSE: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DASHBOARDS = sorted((DEPLOY / "grafana" / "dashboards").glob("*.json"))
each_service = pytest.mark.parametrize("name", SERVICES)
each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def queries(path: Path, kind: str) -> list[str]:
    """Every query of a dashboard to one kind of source, those of its variables too."""
    board = json.loads(path.read_text(encoding="utf-8"))
    asked = [target for panel in board["panels"] for target in panel["targets"]] + board["templating"]["list"]
    return [one.get("query") or one["expr"] for one in asked if one["datasource"]["type"] == kind]


def secrets(tmp_path: Path) -> Path:
    return tmp_path / "deploy" / "secrets"


def test_the_site_of_the_containers_has_no_problem(tmp_path: Path) -> None:
    prepare(tmp_path)
    site = prepared_site(tmp_path)
    loaded = load_site(site, {})
    assert not loaded.problems
    assert loaded.site is not None
    assert (secrets(tmp_path) / "andon-broker").read_text().strip() not in repr(loaded)


def test_what_is_prepared_is_random_and_its_owners_alone(tmp_path: Path) -> None:
    prepare(tmp_path / "one", "broker.acme.example", "10.0.0.7", "fe80::1")
    prepare(tmp_path / "two")
    one, two = ({f.name: f.read_bytes() for f in secrets(tmp_path / name).iterdir()} for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] == two[name]] == []
    assert {f.stat().st_mode & 0o777 for f in secrets(tmp_path / "one").iterdir()} == {0o600}
    assert secrets(tmp_path / "one").stat().st_mode & 0o777 == 0o700
    shown = subprocess.run(
        ["openssl", "x509", "-in", secrets(tmp_path / "one") / "broker.crt", "-noout", "-ext", "subjectAltName"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "DNS:broker, DNS:localhost, IP Address:127.0.0.1, DNS:broker.acme.example, IP Address:10.0.0.7" in shown
    assert "0" not in {line.split("=")[1] for line in (tmp_path / "one" / ".env").read_text().splitlines()}


def test_what_is_prepared_is_not_overwritten(tmp_path: Path) -> None:
    prepare(tmp_path)
    before = {f: f.read_bytes() for f in secrets(tmp_path).iterdir()}
    again = prepare(tmp_path, check=False)
    assert (again.returncode, "is there already" in again.stderr) == (1, True)
    assert {f: f.read_bytes() for f in secrets(tmp_path).iterdir()} == before


@pytest.mark.parametrize(
    "arguments", [["--gateway", "a/b"], ["--gateway", "andon"], ["--gateway"], ["--what"], ["a;b"]]
)
def test_prepare_refuses_what_it_does_not_understand(tmp_path: Path, arguments: list[str]) -> None:
    done = prepare(tmp_path, *arguments, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("prepare: ")
    assert not secrets(tmp_path).exists()


@each_service
def test_every_service_runs_with_the_least_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["user"].startswith("${ANDON_UID:?")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck" if name != "andon" else "build"]
    assert re.search(r":v?[0-9]", service["image"]) or name == "andon"
    assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "devices"}


@each_service
def test_every_file_and_secret_that_a_service_names_is_there(name: str, tmp_path: Path) -> None:
    prepare(tmp_path)
    for volume in SERVICES[name]["volumes"]:
        source = volume.split(":")[0]
        root = tmp_path if source.startswith("./deploy/state/") else ROOT
        assert (root / source).is_dir(), source
        assert volume.endswith(":ro") or root == tmp_path
    for secret in SERVICES[name].get("secrets", ()):
        assert (tmp_path / COMPOSE["secrets"][secret]["file"]).is_file()


def test_every_path_that_a_configuration_names_is_mounted() -> None:
    named = {
        "broker": (DEPLOY / "mosquitto" / "mosquitto.conf").read_text(),
        "andon": (DEPLOY / "site" / "andon.yaml").read_text(),
        "grafana": (DEPLOY / "grafana" / "provisioning" / "datasources" / "andon.yaml").read_text(),
        "influxdb": json.dumps(SERVICES["influxdb"]["environment"]),
    }
    for service, text in named.items():
        mounted = {volume.split(":")[1] for volume in SERVICES[service]["volumes"]}
        for path in re.findall(r"/run/(?:secrets|tokens)/[\w.-]+", text):
            folder, _, file = path.rpartition("/")
            assert folder in mounted or file in SERVICES[service]["secrets"], path


def test_no_service_but_the_one_that_makes_them_sees_the_token_of_another() -> None:
    mounted = {
        name: [volume.split(":")[0] for volume in service["volumes"] if "/tokens" in volume]
        for name, service in SERVICES.items()
    }
    assert {name: places for name, places in mounted.items() if places} == {
        "influxdb": ["./deploy/state/tokens"],
        "andon": ["./deploy/state/tokens/andon"],
        "grafana": ["./deploy/state/tokens/grafana"],
    }


def test_only_tls_is_offered_to_the_network_and_the_rest_to_this_machine() -> None:
    ports = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert ports.pop("broker") == ["8883:8883"]
    assert all(port.startswith("127.0.0.1:") for some in ports.values() for port in some)


def test_no_shipped_file_holds_a_password() -> None:
    for path in (ROOT / "docker-compose.yml", *(p for p in DEPLOY.rglob("*") if p.is_file())):
        if {"secrets", "state"} & set(path.relative_to(ROOT).parts):
            continue
        text = path.read_text(encoding="utf-8")
        for value in re.findall(r"(?i)(?:password|token)(?:_file|__file)?[\"']?\s*[:=]\s*[\"']?([^\s\"',}]+)", text):
            assert value.startswith(("$", "/", "{file:", "*")), (path, value)


@each_dashboard
def test_every_metric_on_a_dashboard_is_one_of_ours(path: Path) -> None:
    assert telemetry.RECEIVED
    known = {sample for metric in REGISTRY.collect() for sample in (metric.name, f"{metric.name}_total")}
    asked = {name for query in queries(path, "prometheus") for name in re.findall(r"\bandon_\w+", query)}
    assert asked - known == set()
    assert asked or path.stem != "andon"


@each_dashboard
def test_every_measurement_field_and_tag_on_a_dashboard_is_one_that_is_written(path: Path) -> None:
    fields = {
        influx_lines.MEASUREMENT: {"value", "text", "quality"},
        influx_alarms.MEASUREMENT: {"state", "value", "text"},
    }
    tags = {
        influx_lines.MEASUREMENT: {"asset", "metric"},
        influx_alarms.MEASUREMENT: {"asset", "rule", "kind", "priority", "event", "part"},
    }
    for query in queries(path, "influxdb"):
        (measurement,) = re.findall(r'_measurement == "(\w+)"', query)
        assert set(re.findall(r'_field == "(\w+)"', query)) <= fields[measurement]
        named = set(re.findall(r"\br\.([a-z]+)\b", query))
        listed = {
            tag for columns in re.findall(r"columns: \[([^\]]*)\]", query) for tag in re.findall(r'"([a-z]+)"', columns)
        }
        assert named | listed <= tags[measurement]


def test_dashboards_name_the_provisioned_sources() -> None:
    provisioned = YAML(typ="safe").load((DEPLOY / "grafana/provisioning/datasources/andon.yaml").read_text())
    known = {source["uid"] for source in provisioned["datasources"]}
    boards = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert {
        target["datasource"]["uid"] for b in boards for panel in b["panels"] for target in panel["targets"]
    } == known
    assert len({board["uid"] for board in boards}) == len(boards) == 3


INFLUX = """#!/bin/sh
echo "$@" >> "$CALLS"
printf '{\\n\\t"id": "0a",\\n\\t"token": "made-for-%s==",\\n\\t"status": "active"\\n}\\n' "$6"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="the image of InfluxDB has bash, this machine has not")
def test_tokens_are_made_for_one_bucket_and_put_where_they_are_read(tmp_path: Path) -> None:
    (tmp_path / "influx").write_text(INFLUX)
    (tmp_path / "influx").chmod(0o755)
    for name in ("andon", "grafana"):
        (tmp_path / "tokens" / name).mkdir(parents=True)
    script = tmp_path / "tokens.sh"
    script.write_text((DEPLOY / "influxdb" / "10-tokens.sh").read_text().replace("/run/tokens", f"{tmp_path}/tokens"))
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "CALLS": str(tmp_path / "calls"),
        "DOCKER_INFLUXDB_INIT_ORG": "andon",
        "DOCKER_INFLUXDB_INIT_BUCKET_ID": "b1",
    }
    subprocess.run(["bash", script], env=environment, check=True)
    assert {f.parent.name: f.read_text() for f in (tmp_path / "tokens").rglob("*") if f.is_file()} == {
        "andon": "made-for-andon==\n",
        "grafana": "made-for-grafana==\n",
    }
    assert (tmp_path / "calls").read_text().splitlines() == [
        "auth create --org andon --description grafana --read-bucket b1 --json",
        "auth create --org andon --description andon --read-bucket b1 --write-bucket b1 --json",
    ]


def test_scripts_that_others_start_may_be_executed() -> None:
    assert os.access(DEPLOY / "prepare", os.X_OK)
    for script in (DEPLOY / "influxdb").glob("*.sh"):  # those that are not are passed over by the image of InfluxDB
        assert os.access(script, os.X_OK), script


UNIT = (DEPLOY / "systemd" / "andon.service").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "andon.service"
    unit.write_text(UNIT.replace("/opt/andon/.venv/bin/andon", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "line",
    [
        "Type=notify",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "User=andon",
        "ProtectSystem=strict",
        "NoNewPrivileges=true",
        "ReadWritePaths=/var/lib/andon",
    ],
)
def test_the_unit_says(line: str) -> None:
    assert line in UNIT.splitlines()


def test_nothing_but_the_monitor_itself_decides_whether_it_starts() -> None:
    assert [line for line in UNIT.splitlines() if line.startswith(("ExecStartPre", "ExecCondition"))] == []


def test_the_unit_lets_processes_give_way_to_each_other() -> None:
    filters = [line for line in UNIT.splitlines() if line.startswith("SystemCallFilter=")]
    assert filters.index("SystemCallFilter=setpriority") > filters.index("SystemCallFilter=~@privileged @resources")


def test_directories_that_a_command_of_the_guide_mounts_are_made_before() -> None:
    guide = (DEPLOY / "README.md").read_text(encoding="utf-8")
    made = {name for line in re.findall(r"^mkdir -p ([\w ]+?) +#", guide, re.MULTILINE) for name in line.split()}
    assert set(re.findall(r'-v "\$PWD/(\w+):', guide)) == made == {"backup", "again"}
