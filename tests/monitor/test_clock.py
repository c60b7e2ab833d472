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
    assert stamp.step() == -3605 * SECOND
    assert stamp.now() == stamp() == 1_005 * SECOND
    host.steady += SECOND
    assert stamp() == 1_006 * SECOND
    host.wall = 1_006 * SECOND + SECOND // 2
    assert stamp() == host.wall
    assert stamp.step() == 0


def test_a_step_forward_is_followed_only_when_told(host: Host) -> None:
    stamp = clock.Stamper()
    stamp()
    host.wall += 3600 * SECOND
    host.steady += 2 * SECOND
    assert stamp() == 1_002 * SECOND
    assert stamp.step() == 3598 * SECOND
    stamp.follow()
    assert stamp.step() == 0
    assert stamp() == 4_600 * SECOND


def test_small_corrections_are_no_step(host: Host) -> None:
    stamp = clock.Stamper()
    stamp()
    for correction in (SECOND // 2, -SECOND // 2):
        host.wall += SECOND + correction
        host.steady += SECOND
        assert stamp.step() == 0
        stamp()


def test_a_restart_begins_behind_the_last_stamp(host: Host) -> None:
    assert clock.Stamper(2_000 * SECOND)() > 2_000 * SECOND
