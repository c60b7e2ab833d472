"""A site directory to a Site: andon.yaml, assets.yaml and rules/, every problem of all of them at once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from monitor.codecs.topics import filters_of, needed
from monitor.errors import ConfigurationError
from monitor.settings import Gateway, Settings, SiteFile, settled
from monitor.sitechecks import Parts, check_parts, check_places, parts_of
from monitor.substitution import REFERENCE, Substitution, read_limited
from monitor.zones import zone_of
from rules.digest import digest
from rules.events import Duration
from rules.problems import Problem, errors
from rules.ruleset import EMPTY, Loaded, RuleSet, load_rules
from rules.tables import ENDING as TABLE
from rules.validation import validated
from rules.yamltext import MAX_SIZE, Document, read_yaml
from rules.yamltext import Path as DataPath
from rules.zone import UTC, Zone

SITE_FILE: Final = "andon.yaml"
ASSETS_FILE: Final = "assets.yaml"
RULES: Final = "rules"
ENDINGS: Final = frozenset({".yaml", ".yml", ".json", ".csv"})
"""Rule files, and the tables that they name."""
SCENARIOS: Final = "scenarios"
SCENARIO_ENDINGS: Final = frozenset({".yaml", ".yml", ".json"})
MAX_FILES: Final = 10_000
UNREADABLE: Final = "cannot be read"
SECRET_KEYS: Final = frozenset({"password", "token"})
READING: Final = "reading.json"
"""The text of a revision that says how messages become readings: gateways and `max_ahead`, without any secret; and what
the clock on the wall showed, where rules go by it."""

_CREDENTIALS: Final = re.compile(r"://[^/@\s:]*:[^/@\s]+@")


@dataclass(frozen=True)
class Site:
    """What a site directory says. `texts` is all that deciding depends on, `revision` a hash of what they say."""

    settings: Settings
    ruleset: RuleSet = field(repr=False)
    texts: Mapping[str, str] = field(repr=False)
    revision: str

    def on(self, data_dir: Path) -> Site:
        """The same on another data directory."""
        return self.with_settings(data_dir=data_dir)

    def with_settings(self, **others: Any) -> Site:
        """The same with other values of some settings."""
        return replace(self, settings=self.settings.model_copy(update=others))

    def with_gateways(self, gateways: tuple[Gateway, ...]) -> Site:
        """The same with other gateways, which is another revision."""
        text = _text_of(msgspec.structs.replace(_read(self.texts), gateways=_dumped(gateways)))
        changed = self.with_settings(gateways=gateways)
        return replace(changed, texts={**self.texts, READING: text}, revision=digest([self.ruleset.revision, text]))

    def filters(self, broker: str) -> list[str]:
        """The MQTT subscriptions on a broker that deliver every topic of its gateways once."""
        own = [gateway for gateway in self.settings.gateways if gateway.broker == broker]
        return needed(filters_of(topic for gateway in own for topic in gateway.topics))

    def largest_payload(self, broker: str) -> int:
        """The most bytes that any gateway of a broker allows; 0 without one."""
        return max((each.max_payload for each in self.settings.gateways if each.broker == broker), default=0)

    def revision_if_new(self, last: str | None) -> tuple[str, dict[str, str]] | None:
        """Hash and texts, unless `last` is the hash: then nothing changed."""
        return None if last == self.revision else (self.revision, dict(self.texts))


class LoadedSite(NamedTuple):
    """What came of reading: no site if there is any error; warnings alone do not prevent one."""

    site: Site | None
    problems: list[Problem]


class Reading(msgspec.Struct, frozen=True, omit_defaults=True):
    """The content of `READING`."""

    gateways: list[dict[str, Any]]
    max_ahead: Duration
    zone: Zone = UTC


def load_site(directory: Path, environ: Mapping[str, str]) -> LoadedSite:
    """The site of a directory, or every problem of it. Nothing that the files hold makes it raise."""
    home = directory.absolute()
    problems: list[Problem] = []
    file, parts = _site_file(home, environ, problems)
    files = _rule_files(home, problems)
    if _is_there(home / ASSETS_FILE) and (assets := _text(home, ASSETS_FILE, problems)) is not None:
        files[ASSETS_FILE] = assets
    max_ahead, zone = (EMPTY.max_ahead, UTC) if file is None else (file.max_ahead, zone_of(file.timezone))
    ruleset, found = _rules(files, max_ahead, zone, site=True)
    problems.extend(found)
    if parts is not None:
        problems.extend(check_parts(parts, ruleset))
    if parts is not None and ruleset is not None and ASSETS_FILE in files:
        problems.extend(check_places(parts, ruleset, ASSETS_FILE, files[ASSETS_FILE]))
    problems.sort(key=lambda problem: (problem.file, problem.line))
    if file is None or ruleset is None or errors(problems):
        return LoadedSite(None, problems)
    settings = settled(file, home)
    texts = files | {READING: _reading(settings, zone if ruleset.by_calendar else UTC)}
    return LoadedSite(Site(settings, ruleset, texts, digest([ruleset.revision, texts[READING]])), problems)


def rules_unreadable(problems: Sequence[Problem]) -> Problem | None:
    """What was said of a directory of rules that is not there or cannot be read; an empty one is somebody's choice."""
    return next((p for p in problems if p.file == RULES and p.message.startswith(UNREADABLE)), None)


def configuration_files(directory: Path) -> list[Path]:
    """The files a site consists of, as far as they are there."""
    folders = ((RULES, ENDINGS), (SCENARIOS, SCENARIO_ENDINGS))
    within = (path for name, endings in folders for path in _files_of(directory / name, endings))
    return [path for path in (directory / SITE_FILE, directory / ASSETS_FILE, *within) if path.is_file()]


def _files_of(folder: Path, endings: Collection[str]) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix in endings and path.name[0] != ".")


def data_dir_of(directory: Path, environ: Mapping[str, str]) -> Path:
    """Where a site's data lies, absolute; nothing else of its files has to be right, or its secrets known.

    Raises:
        ConfigurationError: andon.yaml cannot be read.
    """
    problems: list[Problem] = []
    document, found = read_yaml(SITE_FILE, _text(directory, SITE_FILE, problems) or "")
    if problems := [*problems, *found]:
        raise ConfigurationError(problems)
    data = Substitution(document, directory, environ).fill(document.data)
    given = data.get("data_dir", SiteFile.model_fields["data_dir"].default) if isinstance(data, dict) else "data"
    return directory / str(given)


def _rules(texts: Mapping[str, str], max_ahead: Duration, zone: Zone, *, site: bool = False) -> Loaded:
    files = {name: text for name, text in texts.items() if name not in {ASSETS_FILE, READING}}
    assets = (ASSETS_FILE, texts[ASSETS_FILE]) if ASSETS_FILE in texts else None
    return load_rules(files, assets, site, max_ahead, zone)


def ruleset_from_texts(texts: Mapping[str, str]) -> RuleSet:
    """The rule set of a revision.

    Raises:
        ConfigurationError: this program does not accept what once was accepted.
    """
    if not texts:
        return EMPTY
    reading = _read(texts)
    loaded = _rules(texts, reading.max_ahead, reading.zone)
    if loaded.ruleset is None:
        raise ConfigurationError(errors(loaded.problems))
    return loaded.ruleset


def gateways_from_texts(texts: Mapping[str, str]) -> tuple[Gateway, ...]:
    """The gateways of a revision."""
    return tuple(Gateway.model_validate(gateway) for gateway in _read(texts).gateways)


def _read(texts: Mapping[str, str]) -> Reading:
    text = texts.get(READING)
    return msgspec.json.decode(text, type=Reading) if text is not None else Reading([], EMPTY.max_ahead)


def _reading(settings: Settings, zone: Zone) -> str:
    return _text_of(Reading(_dumped(settings.gateways), settings.max_ahead, zone))


def _dumped(gateways: tuple[Gateway, ...]) -> list[dict[str, Any]]:
    return [gateway.model_dump(mode="json") for gateway in gateways]


def _text_of(reading: Reading) -> str:
    return msgspec.json.encode(reading, order="deterministic").decode()


def _site_file(home: Path, environ: Mapping[str, str], problems: list[Problem]) -> tuple[SiteFile | None, Parts | None]:
    """andon.yaml if it is right by itself, and of a wrong one the parts that are."""
    text = _text(home, SITE_FILE, problems)
    document, found = read_yaml(SITE_FILE, text or "")
    problems.extend(_quoted_reference(problem, text or "") for problem in found)
    if text is None or found:
        return None, None
    substitution = Substitution(document, home, environ)
    data = substitution.fill(document.data)
    wrong: list[Problem] = []
    file = validated(SiteFile, document, (), data, wrong)
    missing = {problem.line for problem in substitution.problems}
    problems.extend(substitution.hide(problem) for problem in wrong if problem.line not in missing)
    problems.extend((*substitution.problems, *_literal_secrets(document)))
    return file, parts_of(data, document, home, substitution.hide)


def _quoted_reference(problem: Problem, text: str) -> Problem:
    """A syntax error, with the hint that fits if a reference stands unquoted between braces."""
    line = text.splitlines()[problem.line - 1 : problem.line]
    hint = 'between { and } put references in quotes: {password: "${NAME}"}'
    return msgspec.structs.replace(problem, hint=hint) if line and "${" in line[0] else problem


def _literal_secrets(document: Document) -> Iterator[Problem]:
    hint = "write ${NAME} to take it from the environment, or ${file:PATH}"
    for path in document.lines:
        value = document.at(path)
        if not isinstance(value, (str, int)):
            continue
        literal = REFERENCE.sub("", str(value))
        if path and path[-1] in SECRET_KEYS and literal:
            yield document.problem(path, f"the {path[-1]} stands in the file", hint, "warning")
        elif _CREDENTIALS.search(literal):
            yield document.problem(path, "an address with a password stands in the file", hint, "warning")


def _rule_files(home: Path, problems: list[Problem]) -> dict[str, str]:
    try:
        found = sorted(path for path in (home / RULES).iterdir() if path.suffix in ENDINGS and path.name[0] != ".")
    except OSError as error:
        problems.append(Problem(RULES, 0, f"{UNREADABLE}: {error.strerror}", "put rule files there", "warning"))
        return {}
    if len(found) > MAX_FILES:
        problems.append(Problem(RULES, 0, f"holds more than {MAX_FILES} rule files", "put more rules into a file"))
        return {}
    if not found:
        problems.append(Problem(RULES, 0, "holds no rule files", "write rules/my-line.yaml", "warning"))
    texts = ((_shown(path), _text(home, f"{RULES}/{path.name}", problems)) for path in found)
    return {name: text for name, text in texts if text is not None}


def _shown(path: Path) -> str:
    """A rule file's name for people and journals; what of it is no text becomes a question mark."""
    return f"{RULES}/{path.name.encode(errors='replace').decode()}"


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _text(home: Path, name: str, problems: list[Problem]) -> str | None:
    """The text of a file of the site, None and a problem if there is none."""
    hint = ""
    try:
        return read_limited(home / name, 4 * MAX_SIZE).decode("utf-8-sig")
    except FileNotFoundError:
        reason, hint = "is not there", "andon init DIR writes a site directory to start from"
    except UnicodeDecodeError as error:
        reason, hint = f"is not UTF-8 text (byte {error.start})", "save it as UTF-8"
    except OSError as error:
        reason, hint = f"cannot be read: {error.strerror}", "check its permissions"
    except ValueError as error:
        reason = str(error)
    problems.append(Problem(name.encode(errors="replace").decode(), 0, reason, hint))
    return None


def rule_places(texts: Mapping[str, str]) -> dict[str, tuple[Document, DataPath]]:
    """Where each rule stands in the files of a site, by its id."""
    found: dict[str, tuple[Document, DataPath]] = {}
    for name in texts:
        if name.startswith(f"{RULES}/") and not name.endswith(TABLE):
            document, _ = read_yaml(name, texts[name])
            items = document.data.get("rules") if isinstance(document.data, dict) else None
            for number, item in enumerate(items or ()):
                found[str(item.get("id"))] = document, ("rules", number)
    return found
