"""Asked to end, the monitor ends within five seconds: under load, while its store and a channel hang."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tests.monitor.alerting.hook import webhook
from tests.services.influx_answers import answering
from tests.services.loading import Load
from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until
from tests.services.test_crash import PLAIN_GATEWAY, PLAIN_RULES, RATE, plain

LIMIT = 5.0


def told(site: RunningSite, path: str) -> str:
    """What the web process answers, whatever the status; empty if it does not."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{site.web}{path}", timeout=5) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def total(metrics: str, name: str) -> float:
    lines = (line for line in metrics.splitlines() if line.startswith(name))
    return sum(float(line.split()[-1]) for line in lines)


def test_it_ends_in_time_and_says_meanwhile_what_is_ill(
    tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]
) -> None:
    broker = start_mosquitto(inflight=2000)
    with answering() as influx, webhook(then="hang") as hook:
        influx.script = influx.hang
        channel = f"json://127.0.0.1:{hook.port}/"
        store = f'{{type: influxdb, url: "{influx.url}", bucket: plant}}'
        url = f'{{url: "{broker.url}"}}'
        with RunningSite(tmp_path / "site", url, PLAIN_RULES, PLAIN_GATEWAY, hook=channel, store=store) as site:
            site.start()
            until(lambda: "mqtt_subscribed" in site.log, 60, "the connection")
            load = Load(broker.port, plain, RATE)
            try:
                until(lambda: hook.busy > 0 and influx.writes > 0, 60, "channel and store to hang")
                until(lambda: total(told(site, "/metrics"), "andon_received_total") > 1000, 60, "metrics of the line")
                until(lambda: '"collect:main":{"status":"ok"' in told(site, "/health"), 60, "health to be seen")
                health = json.loads(told(site, "/health"))
                metrics = told(site, "/metrics")
                began = time.monotonic()
                site.stop()
                took = time.monotonic() - began
            finally:
                load.stop()
            assert site.status == 0
    assert took < LIMIT
    assert "process_killed" not in site.log
    assert health["hops"]["store"]["figures"]["lag_entries"] > 0
    assert health["hops"]["alerting"]["figures"]["pending"] > 0
    for name in ("journalled", "decoded_readings", "evaluated", "transitions"):
        assert total(metrics, f"andon_{name}_total") > 0, name
    assert total(metrics, 'andon_reader_lag_entries{reader="store"}') > 0
    print(f"ended in {took:.2f} s with {health['hops']['store']['figures']['lag_entries']} entries unstored")
