"""The InfluxDB store against a server that misbehaves on demand: nothing is lost, and one bad point stands alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from email.utils import formatdate
from pathlib import Path

import pytest

from monitor import clock
from monitor.stores import influx, influx_progress, influx_restarts
from monitor.stores.base import Point, StoreError, StoreRestarted
from monitor.stores.influx import InfluxStore
from monitor.stores.influx_progress import MOST_AGAIN, REACH, Progress
from monitor.stores.influx_rejects import Rejects
from monitor.stores.influx_server import InfluxServer
from monitor.telemetry import STORE_REJECTED, STORE_REJECTS_DROPPED
from rules.events import SECOND
from tests.services.influx_answers import KEPT, Answer, AnsweringServer, answering, refused
from tests.services.ports import free_port

NOW = 1_772_344_800_000_000_000


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering() as server:
        yield server


@pytest.fixture
def store(server: AnsweringServer, tmp_path: Path) -> Iterator[InfluxStore]:
    opened = InfluxStore(server.settings(), tmp_path)
    yield opened
    opened.close()


def readings(count: int, *bad: int) -> list[Point]:
    return [Point("press", "bad" if n in bad else "force", NOW + n, float(n), None, 0) for n in range(count)]


def minds_bad(lines: list[bytes]) -> Answer:
    """Refuses a request with a bad line as a whole, as a parser may."""
    return refused("partial write: unable to parse") if any(b"=bad" in line for line in lines) else KEPT


def test_a_write_is_compressed_lines_with_the_token(server: AnsweringServer, store: InfluxStore) -> None:
    assert store.write(readings(2), 7) == 0
    assert server.lines[0] == b"telemetry,asset=press,metric=force quality=0i,value=0 %d" % NOW
    (headers,) = server.headers
    assert headers["content-encoding"] == "gzip"
    assert headers["authorization"] == "Token token-secret99"
    assert headers["path"] == "/api/v2/write?org=acme&bucket=plant&precision=ns"
    assert store.offset() == 7


def test_requests_are_bounded_by_lines_and_by_size(
    server: AnsweringServer, store: InfluxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx, "MOST_LINES", 4)
    store.write(readings(10), 1)
    assert (server.writes, len(server.lines)) == (3, 10)
    monkeypatch.setattr(influx, "MOST_CHARACTERS", 150)
    store.write([*readings(3), Point("press", "text", NOW, None, "x" * 500, 0)], 2)
    assert (server.writes, len(server.lines)) == (6, 14)


@pytest.mark.parametrize("bad", [{0}, {99}, {37, 38, 64}, set(range(100))])
def test_bad_points_never_take_their_neighbours_along(
    server: AnsweringServer, store: InfluxStore, tmp_path: Path, bad: set[int]
) -> None:
    server.script = minds_bad
    before = STORE_REJECTED._value.get()
    store.write(readings(100, *bad), 100)
    kept = {line.rpartition(b" ")[2] for line in server.lines}
    assert kept == {b"%d" % (NOW + n) for n in range(100) if n not in bad}
    aside = list(Rejects(tmp_path).all())
    assert {(reject.metric, reject.at - NOW) for reject in aside} == {("bad", n) for n in bad}
    assert {reject.reason for reject in aside} == {"partial write: unable to parse"}
    assert aside[0].line == f"telemetry,asset=press,metric=bad quality=0i,value={min(bad)} {NOW + min(bad)}"
    assert (STORE_REJECTED._value.get() - before, store.offset()) == (len(bad), 100)
    assert (store.refusals.points, store.refusals.dropped) == (len(bad), 0)


def test_a_point_that_came_twice_is_refused_twice_and_what_finds_no_room_aside_is_counted(
    server: AnsweringServer, store: InfluxStore, tmp_path: Path
) -> None:
    server.script = minds_bad
    store._rejects = Rejects(tmp_path, most=1)
    before = STORE_REJECTS_DROPPED._value.get()
    bad = readings(2, 0, 1)
    assert store.write([*bad, bad[0]], 1) == 1
    assert (store.refusals.points, store.refusals.dropped) == (3, 1)
    assert STORE_REJECTS_DROPPED._value.get() - before == 1


def test_points_the_server_counts_as_all_refused_are_set_aside_at_once(
    server: AnsweringServer, store: InfluxStore, tmp_path: Path
) -> None:
    server.script = lambda lines: refused(f"partial write: points beyond retention policy dropped={len(lines)}", 422)
    store.write(readings(1_000), 1)
    assert (server.writes, len(list(Rejects(tmp_path).all()))) == (1, 1_000)


def test_a_request_too_large_for_the_server_is_halved(
    server: AnsweringServer, store: InfluxStore, tmp_path: Path
) -> None:
    server.script = lambda lines: (413, {}, b"<html>") if len(lines) > 3 or b"huge" in lines[-1] else KEPT
    store.write([*readings(20), Point("press", "huge", NOW, None, "x" * 5_000, 0)], 1)
    assert len(server.lines) == 20
    assert [(reject.metric, reject.reason) for reject in Rejects(tmp_path).all()] == [
        ("huge", "too large for the server")
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refused("unauthorized access", 401), "set store: {token"),
        (refused("no write right", 403), "give the token the right"),
        (refused('bucket "plant" not found', 404), "create the bucket"),
        (refused("overloaded", 503), "overloaded"),
        ((500, {}, b""), "no reason given"),
        ((400, {}, b"<html>a proxy of another kind</html>"), "answered 400"),
        ((302, {"Location": "http://127.0.0.1:1/elsewhere"}, b""), "answered 302"),
        (refused("your token token-secret99 is wrong", 401), "your token *** is wrong"),
        (None, "does not answer"),
    ],
)
def test_any_other_answer_means_again_later(
    server: AnsweringServer, store: InfluxStore, tmp_path: Path, answer: Answer, said: str
) -> None:
    server.script = lambda _: answer
    with pytest.raises(StoreError) as failure:
        store.write(readings(5), 9)
    assert said in str(failure.value)
    assert server.url in str(failure.value)
    assert "secret99" not in str(failure.value)
    assert (store.offset(), list(Rejects(tmp_path).all())) == (0, [])
    server.script = lambda _: KEPT
    store.write(readings(5), 9)
    assert (store.offset(), len(set(server.lines))) == (9, 5)


def silent_once(server: AnsweringServer, store: InfluxStore) -> None:
    """A write that gets no answer."""
    server.script = lambda _: None
    with pytest.raises(StoreError, match="does not answer"):
        store.write(readings(5), 1)
    server.script = lambda _: KEPT


def test_a_server_that_died_is_told_again_what_it_confirmed_last(
    server: AnsweringServer, store: InfluxStore, tmp_path: Path
) -> None:
    for n in range(1, 4):
        store.write(readings(5), 100 * n)
    silent_once(server, store)
    assert store.offset() == 300, "it may be just the way to it"
    server.start_anew()
    with pytest.raises(StoreRestarted):
        store.write(readings(5), 400)
    assert store.offset() == 0
    store.write(readings(5), 100)
    assert (store.offset(), Progress(tmp_path, server.settings()).load()) == (100, 300)
    store.write(readings(5), 400)
    assert store.offset() == 400


def test_where_only_the_way_to_the_server_fails_the_same_batch_is_written_again(
    server: AnsweringServer, store: InfluxStore
) -> None:
    for n in range(1, 6):
        store.write(readings(5), 100 * n)
        silent_once(server, store)
    store.write(readings(5), 600)
    assert (store.offset(), server.writes) == (600, 11)


@pytest.mark.parametrize(
    ("ping", "page"),
    [
        (204, (404, {}, b"")),
        (204, (200, {}, b"<html>")),
        (204, (200, {}, b'{"up": "5s"}')),
        (204, (503, {}, b"")),
        (204, None),
        (404, None),
        (501, None),
    ],
)
def test_a_server_that_does_not_say_whether_it_died_is_told_again_now_and_then(
    server: AnsweringServer, store: InfluxStore, monkeypatch: pytest.MonkeyPatch, ping: int, page: Answer
) -> None:
    server.ping_status, server.started = ping, page
    monkeypatch.setattr(influx_restarts, "elapsed", lambda: now)
    for now, told in ((0, True), (REACH - 1, False), (REACH, True)):  # noqa: B007 - the clock reads it
        store.write(readings(5), 100)
        silent_once(server, store)
        with pytest.raises(StoreRestarted) if told else nullcontext():
            store.write(readings(5), 200)


def test_a_server_that_dies_while_it_is_told_again_is_told_all_of_it_once_more(
    server: AnsweringServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx_progress, "elapsed", lambda: now)
    now, progress = 0, Progress(tmp_path, server.settings())
    for now in range(0, 3 * REACH, 60 * SECOND):
        progress.save(now // SECOND)
    certain = progress.certain()
    now += 2 * REACH
    for _ in range(3):
        progress.tell_again()
        assert progress.load() == certain
        progress.save(certain + 50)
        now += REACH - SECOND
        assert Progress(tmp_path, server.settings()).certain() == certain


def test_what_is_told_again_is_bounded(server: AnsweringServer, tmp_path: Path) -> None:
    progress = Progress(tmp_path, server.settings())
    progress.save(7)
    assert progress.certain() == 0
    progress.save(MOST_AGAIN + 50)
    assert progress.certain() == 50
    assert Progress(tmp_path, server.settings()).certain() == 50


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("7", (7, 7)),
        ("0", (0, 0)),
        ("99999999", (600, 600)),
        ("in an hour", (600, 600)),
        (formatdate(0, usegmt=True), (0, 0)),
        ("soon", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_for_patience_gets_it(
    server: AnsweringServer, store: InfluxStore, status: int, header: str, expected: tuple[int, int] | None
) -> None:
    if header == "in an hour":
        header = formatdate(clock.now() / SECOND + 3_600, usegmt=True)
    server.script = lambda _: (status, {"Retry-After": header}, b"{}")
    with pytest.raises(StoreError) as failure:
        store.write(readings(1), 1)
    wait = failure.value.retry_after
    if expected is None:
        assert wait is None
    else:
        assert wait is not None
        assert expected[0] <= wait / SECOND <= expected[1]


def test_a_server_that_hangs_is_given_up(server: AnsweringServer) -> None:
    server.script = server.hang
    with pytest.raises(StoreError, match="does not answer"):
        InfluxServer(server.settings(), answer_seconds=0.1).write(b"telemetry value=1 1")


def test_a_server_that_is_not_there_is_named(server: AnsweringServer, tmp_path: Path) -> None:
    settings = server.settings().model_copy(update={"url": f"http://127.0.0.1:{free_port()}"})
    for act in (
        lambda s: s.write(readings(1), 1),
        lambda s: s.count(),
        lambda s: list(s.read()),
        lambda s: s.latest("p"),
    ):
        with pytest.raises(StoreError, match=r"InfluxDB at http://127\.0\.0\.1:\d+, bucket plant: does not answer"):
            act(InfluxStore(settings, tmp_path))


@pytest.mark.parametrize(
    "answer",
    [
        None,
        (200, {"Content-Length": "500"}, b'{"results":[{"series":[{"columns":["time"'),
        (200, {}, b'{"results":[{"series":[{"columns":["time"'),
        (200, {}, b"<html>"),
        (200, {}, b"\xff\xfe"),
        (200, {}, b'{"results":[{"error":"database not found: plant"}]}'),
        (401, {}, b'{"error":"authorization failed"}'),
    ],
)
def test_a_broken_answer_to_a_query_is_no_empty_answer(
    server: AnsweringServer, store: InfluxStore, answer: Answer
) -> None:
    server.query_answer = answer
    with pytest.raises(StoreError):
        list(store.read())


def test_the_offset_stays_when_a_later_request_fails(
    server: AnsweringServer, store: InfluxStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(influx, "MOST_LINES", 2)
    server.script = lambda _: KEPT if server.writes < 3 else refused("busy", 503)
    with pytest.raises(StoreError):
        store.write(readings(6), 6)
    assert store.offset() == 0


def test_another_bucket_begins_at_the_journals_beginning(server: AnsweringServer, tmp_path: Path) -> None:
    settings = server.settings()
    Progress(tmp_path, settings).save(41)
    assert Progress(tmp_path, settings).load() == 41
    assert Progress(tmp_path, settings.model_copy(update={"bucket": "other"})).load() == 0
    assert Progress(tmp_path, server.settings(token="renewed")).load() == 41


@pytest.mark.parametrize("content", [b"", b"{", b'{"offset": "x"}', b'{"offset": -5, "target": "t"}', b"\xff"])
def test_an_offset_that_cannot_be_read_means_all_again(server: AnsweringServer, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "influx.offset").write_bytes(content)
    assert Progress(tmp_path, server.settings()).load() == 0


def test_an_offset_that_cannot_be_written_is_said(store: InfluxStore, tmp_path: Path) -> None:
    (tmp_path / "influx.offset").mkdir()
    with pytest.raises(StoreError, match=r"influx\.offset: cannot be"):
        store.write(readings(1), 1)


def test_refused_readings_that_cannot_be_kept_hold_the_offset(
    server: AnsweringServer, store: InfluxStore, tmp_path: Path
) -> None:
    server.script = minds_bad
    (tmp_path / "store-rejects.db").mkdir()
    with pytest.raises(StoreError, match=r"store-rejects\.db"):
        store.write(readings(3, 1), 3)
    assert store.offset() == 0


def test_refused_readings_are_kept_once_and_within_bounds(tmp_path: Path) -> None:
    rejects = Rejects(tmp_path, most=10)
    for round_ in range(3):
        for n in range(8):
            rejects.keep([(("press", f"m{n + round_ * 4}", NOW), "line\ud800", "why")], round_ * 100 + n)
    kept = list(rejects.all())
    assert [reject.metric for reject in kept] == [f"m{n}" for n in range(6, 16)]
    assert kept[0].line == "line?"
