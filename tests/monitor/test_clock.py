"""The stamps of receipt, whatever the host's clock does."""

from __future__ import annotations

import pytest

from monitor import clock
from rules.events import SECOND


class Host:
    """A host whose clocks a test sets."""

    wall = 1_000 * SECOND
    steady = 0


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Host:
    host = Host()
    monkeypatch.setattr(clock, "now", lambda: host.wall)
    monkeypatch.setattr(clock, "elapsed", lambda: host.steady)
    return host


def test_stamps_follow_the_host_and_never_repeat(host: Host) -> None:
    stamp = clock.Stamper()
    assert [stamp(), stamp(), stamp()] == [1_000 * SECOND, 1_000 * SECOND + 1, 1_000 * SECOND + 2]


def test_after_a_step_back_time_goes_on_at_a_steady_pace(host: Host) -> None:
    stamp = clock.Stamper()
    stamp()
    host.wall -= 3600 * SECOND
    host.steady += 5 * SECOND
    assert stamp.now() == stamp() == 1_005 * SECOND
    host.steady += SECOND
    assert stamp() == 1_006 * SECOND
    host.wall += 3610 * SECOND
    assert stamp() == 1_010 * SECOND


def test_a_restart_begins_behind_the_last_stamp(host: Host) -> None:
    assert clock.Stamper(2_000 * SECOND)() > 2_000 * SECOND
