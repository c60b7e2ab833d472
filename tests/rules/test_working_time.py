"""Silence that counts working time alone: by shifts and days of the week, exact also where clocks change."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.zones import zone_of
from rules.asset import AssetMonitor
from rules.calendar import Calendar, day_number, weekday
from rules.events import SECOND, Instant, Link, Observation, Reading, Revision, Tick
from rules.ruleset import RuleSet, load_rules
from rules.workingtime import WorkingTime
from rules.zone import Zone
from tests.rules.plant import refused

BERLIN = zone_of("Europe/Berlin")
CALENDAR = """
calendar:
  days: mon-fri
  shifts: {early: "06:00-14:00", late: "14:00-22:00", care: {hours: "08:00-12:00", days: sat}}
  holidays: ["2026-12-25"]
"""
HOUR = 3_600 * SECOND


def at(text: str) -> Instant:
    """An instant by the clock on the wall in Berlin, `2026-03-02 06:00`."""
    return BERLIN.instant(int(datetime.fromisoformat(f"{text}+00:00").timestamp()) * SECOND)


def wall(moment: Instant) -> str:
    return datetime.fromtimestamp(BERLIN.wall(moment) // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")


def ruleset(detect: str, assets: str = CALENDAR, zone: Zone = BERLIN) -> RuleSet:
    text = f"rules:\n  - {{id: r, kind: equipment, assets: m, detect: {detect}}}\n"
    loaded = load_rules({"a.yaml": text}, ("assets.yaml", assets), zone=zone)
    assert loaded.ruleset is not None, loaded.problems
    return loaded.ruleset


def silence(calendar: str, after: str = "1h", assets: str = CALENDAR) -> AssetMonitor:
    return AssetMonitor("m", ruleset(f"{{type: silence, after: {after}, calendar: {calendar}}}", assets))


def word(text: str) -> Observation:
    return Observation("m", at(text), at(text), (Reading("x", 1.0),))


def told(monitor: AssetMonitor, *events: object) -> list[tuple[str, str]]:
    return [(wall(t.at), t.event) for event in events for t in monitor.handle(event)]  # type: ignore[arg-type]


def test_a_weekend_is_no_silence_and_monday_begins_without_an_alarm() -> None:
    m = silence("mon-fri")
    assert told(m, word("2026-03-06 23:30"), Tick(at("2026-03-09 00:29"))) == []
    assert m.next_deadline() == at("2026-03-09 00:30")
    assert told(m, Tick(at("2026-03-09 00:30"))) == [("2026-03-09 00:30:00", "raised")]


def test_an_alarm_stays_over_the_weekend_and_ends_with_the_first_word() -> None:
    m = silence("mon-fri")
    assert told(m, word("2026-03-06 22:00"), Tick(at("2026-03-08 12:00"))) == [("2026-03-06 23:00:00", "raised")]
    assert told(m, word("2026-03-08 13:00")) == [("2026-03-08 13:00:00", "cleared")]


@pytest.mark.parametrize(
    ("calendar", "spoke", "silent"),
    [
        ("shifts", "2026-03-06 21:30", "2026-03-07 08:30"),
        ("shifts", "2026-03-07 11:30", "2026-03-09 06:30"),
        ("early", "2026-03-06 13:45", "2026-03-09 06:45"),
        ("[early, care]", "2026-03-06 13:45", "2026-03-07 08:45"),
        ("[sat, sun]", "2026-03-06 13:45", "2026-03-07 01:00"),
        ("mon-fri", "2026-12-24 23:15", "2026-12-28 00:15"),
        ("fri-mon", "2026-03-05 12:00", "2026-03-06 01:00"),
        ("shifts", "2026-03-06 13:30", "2026-03-06 14:30"),
    ],
)
def test_what_counts_is_days_shifts_or_both(calendar: str, spoke: str, silent: str) -> None:
    assert told(silence(calendar), word(spoke), Tick(at("2027-01-01 00:00"))) == [(f"{silent}:00", "raised")]


@pytest.mark.parametrize(
    ("after", "night"), [("2026-03-28 23:00", "2026-03-29 07:00"), ("2026-10-24 23:00", "2026-10-25 05:00")]
)
def test_the_instant_is_exact_in_nights_in_which_clocks_change(after: str, night: str) -> None:
    m = silence("[sat, sun]", "7h")
    assert told(m, word(after), Tick(at("2026-12-31 00:00"))) == [(f"{night}:00", "raised")]
    assert at(night) - at(after) == 7 * HOUR


def test_an_asset_that_never_spoke_has_until_work_begins() -> None:
    m = silence("shifts", "30m")
    assert told(m, Tick(at("2026-03-07 23:00")), Tick(at("2026-03-10 00:00"))) == [("2026-03-09 06:30:00", "raised")]


def test_patience_that_was_used_before_our_link_went_down_is_not_given_again() -> None:
    m = silence("shifts", "30m")
    m.heard_through("main")
    told(m, word("2026-03-07 11:40"))
    down, up = at("2026-03-07 11:55"), at("2026-03-09 05:00")
    assert told(m, Link(down, "main", False, down), Link(up, "main", True, down)) == []
    m = AssetMonitor.restore(m.rules, json.loads(json.dumps(m.snapshot())))
    assert told(m, Tick(at("2026-03-09 07:00"))) == [("2026-03-09 06:15:00", "raised")]


def test_a_learned_rhythm_does_not_learn_the_weekend() -> None:
    m = AssetMonitor("m", ruleset("{type: silence, after: learn, at_most: 10m, calendar: shifts}"))
    start = at("2026-03-06 20:00")
    for n in range(int(2 * HOUR / (20 * SECOND))):
        m.handle(Observation("m", start + n * 20 * SECOND, start + n * 20 * SECOND, (Reading("x", 1.0),)))
    m.handle(word("2026-03-09 06:00"))
    assert told(m, Tick(at("2026-03-09 06:01"))) == [("2026-03-09 06:01:00", "raised")]


def test_a_new_calendar_begins_only_those_rules_anew_that_go_by_it() -> None:
    plain, bound = "{type: silence, after: 1h}", "{type: silence, after: 1h, calendar: shifts}"
    other = CALENDAR.replace("06:00", "05:00")
    for detect, zone, expected in (
        (plain, BERLIN, []),
        (bound, BERLIN, ["cleared", "raised"]),
        (bound, zone_of("Europe/London"), ["cleared", "raised"]),
    ):
        m = AssetMonitor("m", ruleset(detect))
        told(m, word("2026-03-06 10:00"), Tick(at("2026-03-06 12:00")))
        changed = ruleset(detect, other if zone is BERLIN else CALENDAR, zone)
        story = told(m, Revision(at("2026-03-06 12:00"), changed))
        assert [event for _, event in story] == expected
    assert ruleset(plain).revision == ruleset(plain, zone=Zone()).revision
    assert ruleset(bound).revision != ruleset(bound, zone=Zone()).revision


@pytest.mark.parametrize(
    ("detect", "assets", "expected"),
    [
        ("{type: silence, after: 1h, calendar: nightly}", CALENDAR, "unknown shift `nightly`"),
        ("{type: silence, after: 1h, calendar: erly}", CALENDAR, "did you mean `early`"),
        ("{type: silence, after: 1h, calendar: shifts}", None, "the calendar has no shifts"),
        ("{type: silence, after: 1h, calendar: []}", CALENDAR, "must name days or shifts"),
        ("{type: silence, after: 40d, calendar: mon-fri}", CALENDAR, "nobody waits so long"),
        ("{type: silence, after: 1h}", "calendar: {shifts: {shifts: '06:00-14:00'}}", "no shift can be called `shifts`"),
        ("{type: silence, after: 1h}", "calendar: {shifts: {mon-fri: '06:00-14:00'}}", "no shift can be called"),
        ("{type: silence, after: 1h}", "calendar: {days: weekdays}", "is no day of the week"),
        ("{type: silence, after: 1h}", "calendar: {shifts: {a: {hours: '6-14'}}}", "is no shift"),
    ],
)  # fmt: skip
def test_mistakes_are_told_when_the_files_are_read(detect: str, assets: str | None, expected: str) -> None:
    assert expected in refused(detect, assets=assets)


AROUND_THE_CLOCK = """
calendar: {shifts: {early: "06:00-14:00", late: "14:00-22:00", night: "22:00-06:00"}}
"""


@pytest.mark.parametrize("calendar", ["mon-sun", "shifts", "[shifts, mon-sun]"])
def test_a_plant_that_never_rests_waits_as_long_as_without_a_calendar(calendar: str) -> None:
    m = silence(calendar, "30h", AROUND_THE_CLOCK)
    assert told(m, word("2026-03-28 06:00"), Tick(at("2026-03-31 00:00"))) == [("2026-03-29 13:00:00", "raised")]


@given(
    st.integers(-(10**9), 5 * 10**9),
    st.integers(0, 10**7),
    st.sampled_from(["shifts", "late", "sat-sun", "mon", "mon-sun"]),
)
def test_the_end_is_the_first_instant_at_which_so_much_has_passed(since: int, length: int, part: str) -> None:
    calendar = Calendar.model_validate(
        {"shifts": {"early": "06:00-14:00", "late": {"hours": "22:00-06:00", "days": "fri"}}}
    )
    working = WorkingTime(calendar, (part,), BERLIN)
    begin, wanted = since * SECOND, (length % (40 * 86_400) + 1) * SECOND
    end = working.end(begin, wanted)
    assert working.elapsed(begin, end) == wanted
    assert working.elapsed(begin, end - 1) == wanted - 1


@given(st.dates())
def test_days_are_counted_like_in_any_calendar(day: date) -> None:
    number = day_number(day.isoformat())
    assert number == day.toordinal() - date(1970, 1, 1).toordinal()
    assert weekday(number) == day.weekday()


@given(
    st.integers(0, 4 * 10**9),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Africa/Casablanca", "Asia/Kolkata", "UTC"]),
)
def test_the_table_of_a_zone_shows_what_the_zone_shows(second: int, name: str) -> None:
    zone, moment = zone_of(name), second * SECOND
    shown = datetime.fromtimestamp(second, ZoneInfo(name)).replace(tzinfo=UTC)
    assert zone.wall(moment) == int(shown.timestamp()) * SECOND
    assert zone.instant(zone.wall(moment)) in {moment, moment - HOUR}


def test_what_the_clock_leaps_over_is_the_moment_of_the_leap() -> None:
    assert at("2026-03-29 02:30") == at("2026-03-29 03:00")
    assert at("2026-10-25 02:30") == at("2026-10-25 01:00") + 90 * 60 * SECOND
