"""The processes of a running monitor: where processors are short, alarms go before storing and storing before pages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.services.mosquitto import Mosquitto
from tests.services.running import RunningSite, until
from tests.services.test_crash import PLAIN_GATEWAY, PLAIN_RULES


def niceness(site: RunningSite, name: str) -> int:
    pid = site.child(name)
    return -99 if pid is None else os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0)


def test_store_and_web_give_way_to_the_line(tmp_path: Path, start_mosquitto: Callable[..., Mosquitto]) -> None:
    with RunningSite(tmp_path / "site", f'{{url: "{start_mosquitto().url}"}}', PLAIN_RULES, PLAIN_GATEWAY) as site:
        site.start()
        until(lambda: niceness(site, "store") > 0 and niceness(site, "web") > niceness(site, "store"), 60, "the others")
        assert niceness(site, "line") == 0
