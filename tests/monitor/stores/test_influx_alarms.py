"""Alarm transitions in InfluxDB: a point each, and told again to a server that was away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from monitor.database.ledger import Ledger, Step
from monitor.stores.base import StoreError
from monitor.stores.influx_alarms import PROGRESS, AlarmHistory
from monitor.stores.influx_progress import Progress
from tests.monitor.alerting.making import transition
from tests.services.influx_answers import CUT_AFTER_KEEPING, KEPT, AnsweringServer, answering, refused


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


def decided(data_dir: Path, *seconds: int) -> None:
    """Transitions at these seconds are in the alarm database."""
    with closing(Ledger(data_dir / "alarms.db")) as ledger:
        made = [transition(id=f"t{second}", second=second) for second in seconds]
        ledger.commit(Step(next_offset=max(seconds), floor=0, transitions=made))


def told(server: AnsweringServer) -> list[int]:
    """The seconds of the transitions that the server has kept, as often as it was told."""
    return [int(line.rpartition(b" ")[2]) // 10**9 % 1000 for line in server.lines]


def work_off(history: AlarmHistory) -> None:
    while history.step():
        pass


def test_each_transition_is_told_once_while_the_server_is_well(server: AnsweringServer, tmp_path: Path) -> None:
    decided(tmp_path, 1, 2)
    history = AlarmHistory(server.settings(), tmp_path)
    work_off(history)
    decided(tmp_path, 3)
    work_off(history)
    assert told(server) == [1, 2, 3]


@pytest.mark.parametrize("answer", [None, CUT_AFTER_KEEPING])
def test_a_server_that_died_is_told_again(server: AnsweringServer, tmp_path: Path, answer: None) -> None:
    decided(tmp_path, 1, 2)
    history = AlarmHistory(server.settings(), tmp_path)
    work_off(history)
    decided(tmp_path, 3)
    server.script = lambda _: answer
    with pytest.raises(StoreError, match="does not answer"):
        history.step()
    server.script, server.lines = lambda _: KEPT, []
    server.start_anew()
    work_off(history)
    assert told(server) == [1, 2, 3]
    assert Progress(tmp_path, server.settings(), PROGRESS).load() == 3


def test_a_server_that_did_not_die_is_told_only_what_it_did_not_confirm(
    server: AnsweringServer, tmp_path: Path
) -> None:
    decided(tmp_path, 1, 2)
    history = AlarmHistory(server.settings(), tmp_path)
    work_off(history)
    decided(tmp_path, 3)
    server.script = lambda _: None
    with pytest.raises(StoreError, match="does not answer"):
        history.step()
    server.script = lambda _: KEPT
    work_off(history)
    assert told(server) == [1, 2, 3]


def test_a_server_that_is_only_busy_is_not_told_again(server: AnsweringServer, tmp_path: Path) -> None:
    decided(tmp_path, 1, 2)
    history = AlarmHistory(server.settings(), tmp_path)
    work_off(history)
    decided(tmp_path, 3)
    server.script = lambda _: refused("overloaded", 503)
    with pytest.raises(StoreError, match="overloaded"):
        history.step()
    server.script = lambda _: KEPT
    work_off(history)
    assert told(server) == [1, 2, 3]


def test_whoever_saw_the_server_away_may_have_the_alarms_told_again(server: AnsweringServer, tmp_path: Path) -> None:
    decided(tmp_path, 1, 2)
    history = AlarmHistory(server.settings(), tmp_path)
    work_off(history)
    history.tell_again()
    work_off(history)
    assert told(server) == [1, 2, 1, 2]


def test_they_are_told_again_also_if_it_is_not_known_at_first_from_where(
    server: AnsweringServer, tmp_path: Path
) -> None:
    decided(tmp_path, 1, 2)
    history = AlarmHistory(server.settings(), tmp_path)
    work_off(history)
    progress, aside = tmp_path / PROGRESS, tmp_path / "aside"
    progress.rename(aside)
    progress.mkdir()
    history.tell_again()
    with pytest.raises(StoreError):
        history.step()
    progress.rmdir()
    aside.rename(progress)
    work_off(history)
    assert told(server) == [1, 2, 1, 2]


def test_a_new_process_tells_again(server: AnsweringServer, tmp_path: Path) -> None:
    decided(tmp_path, 1, 2)
    for _ in range(2):
        work_off(AlarmHistory(server.settings(), tmp_path))
    assert told(server) == [1, 2, 1, 2]


def test_a_line_that_the_server_will_never_take_is_left_out(server: AnsweringServer, tmp_path: Path) -> None:
    decided(tmp_path, 1, 2, 3)
    server.script = lambda lines: refused("no") if any(line.endswith(b"02000000000") for line in lines) else KEPT
    work_off(AlarmHistory(server.settings(), tmp_path))
    assert told(server) == [1, 3]
