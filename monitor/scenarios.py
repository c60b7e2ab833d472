"""The scenario files of a site: found, read and judged; and a stretch out of the store written as a new one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Final

from monitor.codecs.timestamps import format_iso
from monitor.errors import AndonError
from monitor.site import SCENARIO_ENDINGS, SCENARIOS
from monitor.stores.base import Point, Store, reading_of
from monitor.substitution import read_limited
from rules.events import Duration, Instant
from rules.problems import Problem, errors
from rules.ruleset import RuleSet
from rules.scenarios.loading import SourcedScenario, load_scenarios
from rules.scenarios.notation import Sample
from rules.scenarios.playing import play
from rules.scenarios.writing import write_scenario
from rules.yamltext import MAX_SIZE

MOST_FILES: Final = 10_000
MOST_READINGS: Final = 20_000
"""In a recorded scenario: more is not for reading and editing."""


class ScenarioError(AndonError):
    """There is nothing to try, or a stretch cannot be written as a scenario; the message says why."""


def scenario_files(site: Path) -> list[Path]:
    """The site's scenario files by name.

    Raises:
        ScenarioError: there are none, or too many.
    """
    folder = site / SCENARIOS
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix in SCENARIO_ENDINGS and path.name[0] != ".")
    except OSError as error:
        raise ScenarioError(f"{folder}: cannot be read ({error.strerror}); put scenarios there") from None
    if not 0 < len(found) <= MOST_FILES:
        what = "there are no scenarios" if not found else f"there are more than {MOST_FILES:,} files"
        raise ScenarioError(f"{folder}: {what}; andon record writes one out of the store")
    return found


def read_scenarios(files: Iterable[Path], rules: RuleSet) -> tuple[list[SourcedScenario], list[Problem]]:
    """All scenarios of files, over the site's rules, and everything that is wrong with the files."""
    scenarios: list[SourcedScenario] = []
    problems: list[Problem] = []
    for path in files:
        text = _text(path, problems)
        if text is None:
            continue
        loaded = load_scenarios(str(path), text, rules)
        scenarios += loaded.scenarios
        problems += loaded.problems
    return scenarios, problems


def _text(path: Path, problems: list[Problem]) -> str | None:
    try:
        return read_limited(path, 4 * MAX_SIZE).decode("utf-8-sig")
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        reason = "is not UTF-8 text"
    except ValueError as error:
        reason = str(error)
    problems.append(Problem(str(path), 0, reason, "andon init DIR shows what a scenario file is"))
    return None


def record(store: Store, rules: RuleSet, asset: str, start: Instant, end: Instant, name: str) -> str:
    """The stretch with start <= time < end as a scenario file that passes under these rules.

    Raises:
        ScenarioError: it holds no readings, or too many, or such as no scenario can say.
        StoreError: the store fails.
    """
    points: list[Point] = []
    for point in store.read(asset, None, start, end):
        points.append(point)
        if len(points) > MOST_READINGS:
            hint = "choose an earlier --end, or replay an export of it"
            raise ScenarioError(f"the stretch holds more than {MOST_READINGS:,} readings; {hint}")
    if not points:
        raise ScenarioError(f"nothing is stored of {asset} between {format_iso(start)} and {format_iso(end)}")
    series = {metric: list(rows) for metric, rows in _series(points, start)}
    write = partial(write_scenario, name, asset, format_iso(start), series, end - start, start)
    loaded = load_scenarios("recorded", write(()), rules)
    if errors(loaded.problems):
        raise ScenarioError("\n".join(str(problem) for problem in loaded.problems))
    return write(play(rules, loaded.scenarios[0].scenario).transitions)


def _series(points: list[Point], start: Instant) -> Iterator[tuple[str, Iterator[tuple[Duration, Sample]]]]:
    ordered = sorted(points, key=lambda point: (point.metric, point.at))
    for metric, found in groupby(ordered, key=lambda point: point.metric):
        yield metric, ((point.at - start, _sample(point)) for point in found)


def _sample(point: Point) -> Sample:
    reading = reading_of(point)
    return Sample(reading.value, reading.quality)
