"""What is wrong with parts of andon.yaml that are right by themselves: names that lead nowhere, missing files, gaps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from monitor.codecs.topics import NameTemplate, TopicTemplate, needed, overlap
from monitor.settings import Broker, Gateway, Notify
from rules.alarms import Kind, Priority
from rules.grouping.comms import matters
from rules.problems import InputError, Problem, closest, quoted, unknown
from rules.rule import MATCH_KEYS
from rules.ruleset import RuleSet
from rules.yamltext import Document, read_yaml
from rules.yamltext import Path as DataPath

PUBLIC_URL: Final[DataPath] = ("web", "public_url")
DEFAULT_TEAM: Final = "default"
"""The team that is told what no route takes."""
CHOICES: Final[dict[str, tuple[str, ...]]] = {"kind": (*Kind,), "priority": (*Priority,), "mode": ("live", "shadow")}
"""What the keys that routes match by can be, where that is known."""

Model = TypeVar("Model", bound=BaseModel)
Misplaced: TypeAlias = tuple[DataPath, InputError, Literal["error", "warning"]]
"""Where something is wrong in assets.yaml, what, and how much that matters."""


class Parts(NamedTuple):
    """What of andon.yaml is right by itself, so that it can be checked even where the rest is wrong.

    Gateways are by their position; a broker that is wrong is None; `notify` is None if it is wrong.
    """

    document: Document
    home: Path
    gateways: dict[int, Gateway]
    brokers: dict[str, Broker | None]
    notify: Notify | None
    hide: Callable[[Problem], Problem]
    """Takes out of a problem what must not be shown."""


def parts_of(data: Any, document: Document, home: Path, hide: Callable[[Problem], Problem]) -> Parts:
    """The parts of the file's data."""
    top = data if isinstance(data, dict) else {}
    gateways = _items(top.get("gateways"))
    brokers = {"main": top["broker"]} if "broker" in top else top.get("brokers")
    return Parts(
        document,
        home,
        {number: good for number, item in enumerate(gateways) if (good := _right(Gateway, item)) is not None},
        {name: _right(Broker, item) for name, item in brokers.items()} if isinstance(brokers, dict) else {},
        _right(Notify, top.get("notify")),
        hide,
    )


def _items(data: Any) -> list[Any]:
    return data if isinstance(data, list) else []


def _right(model: type[Model], data: Any) -> Model | None:
    try:
        return model.model_validate(data)
    except ValidationError:
        return None


def check_parts(parts: Parts, ruleset: RuleSet | None) -> Iterator[Problem]:
    """Every problem between the parts, and between them and the rules (None: those are wrong themselves)."""
    return map(parts.hide, _checked(parts, ruleset))


def check_places(parts: Parts, ruleset: RuleSet, file: str, text: str) -> Iterator[Problem]:
    """Gateways that machines are said to speak through and that andon.yaml does not have, and parents nobody knows.

    `file` with its `text` is where machines are named; it is read again only where there is something to tell.
    """
    found = [*_unknown_gateways(parts, ruleset), *_unknown_parents(ruleset)]
    document = read_yaml(file, text if found else "")[0]
    for path, mistake, severity in found:
        yield document.problem(path, mistake.message, mistake.hint, severity)


def _unknown_gateways(parts: Parts, ruleset: RuleSet) -> Iterator[Misplaced]:
    known = {str(item.get("name")) for item in _gateway_items(parts.document) if isinstance(item, dict)}
    for name, entry in ruleset.assets.assets.items():
        if entry.gateway and entry.gateway not in known:
            yield ("assets", name, "gateway"), unknown("gateway", entry.gateway, known), "error"


def _unknown_parents(ruleset: RuleSet) -> Iterator[Misplaced]:
    assets = ruleset.assets
    above = {name[:at] for name in assets.assets for at, sign in enumerate(name) if sign == "/"}
    known = {*assets.assets, *ruleset.declared(), *assets.areas(), *above}
    hint = "a parent is a machine, an area, or the beginning of machines' names: add it to assets.yaml"
    for name, entry in assets.assets.items():
        if entry.parent and entry.parent not in known:
            mistake = InputError(unknown("parent", entry.parent, known).message, hint)
            yield ("assets", name, "parent"), mistake, "warning"


def _checked(parts: Parts, ruleset: RuleSet | None) -> Iterator[Problem]:
    yield from _brokers(parts)
    yield from _gateways(parts)
    yield from _shared_topics(parts)
    yield from _unused_status(parts, ruleset)
    yield from _unread(parts)
    if parts.notify is not None:
        yield from _routes(parts, parts.notify, ruleset)
        yield from _unheard(parts, parts.notify, ruleset)


def _said(parts: Parts, path: DataPath, mistake: InputError) -> Problem:
    return parts.document.problem(path, mistake.message, mistake.hint)


def _brokers(parts: Parts) -> Iterator[Problem]:
    data = parts.document.data
    keys: Mapping[str, Any] = data if isinstance(data, dict) else {}
    if ("broker" in keys) is ("brokers" in keys):
        hint = 'for example broker: {url: "mqtt://host:1883"}'
        yield parts.document.problem(("brokers",), "name either one `broker` or several `brokers`", hint)
    elif not parts.brokers and keys.get("brokers") in (None, {}):
        yield parts.document.problem(("brokers",), "`brokers` names none", 'write {main: {url: "mqtt://host:1883"}}')
    for name, broker in parts.brokers.items():
        place: DataPath = ("broker", "tls") if "broker" in keys else ("brokers", name, "tls")
        for key, file in broker.tls if broker else ():
            if file is not None and not (parts.home / file).is_file():
                hint = "paths begin at the site directory"
                yield parts.document.problem((*place, key), f"the file {quoted(file)} is not there", hint)


def _gateways(parts: Parts) -> Iterator[Problem]:
    if not _gateway_items(parts.document):
        message = "there are no gateways: nothing is listened to"
        yield parts.document.problem(("gateways",), message, "name the topics of a gateway", "warning")
    names: set[str] = set()
    for number, gateway in parts.gateways.items():
        path: DataPath = ("gateways", number)
        if gateway.name in names:
            message = f"the gateway {quoted(gateway.name)} is there twice"
            yield parts.document.problem((*path, "name"), message, "rename one")
        names.add(gateway.name)
        if gateway.broker not in parts.brokers:
            yield _said(parts, (*path, "broker"), unknown("broker", gateway.broker, parts.brokers))
        yield from _templates(parts, path, gateway)


def _gateway_items(document: Document) -> list[Any]:
    return _items(document.data.get("gateways") if isinstance(document.data, dict) else None)


def _templates(parts: Parts, path: DataPath, gateway: Gateway) -> Iterator[Problem]:
    try:
        levels = TopicTemplate(gateway.topic).names
    except InputError as error:
        yield _said(parts, (*path, "topic"), error)
        return
    if gateway.status is not None:
        yield from _status(parts, (*path, "status", "topic"), gateway.status.topic)
    try:
        NameTemplate(gateway.asset, levels)
    except InputError as error:
        yield _said(parts, (*path, "asset"), error)


def _status(parts: Parts, path: DataPath, topic: str) -> Iterator[Problem]:
    try:
        named = TopicTemplate(topic).names
    except InputError as error:
        yield _said(parts, path, error)
        return
    if named:
        message = f"the status topic {quoted(topic)} has named levels: a gateway has one"
        yield parts.document.problem(path, message, "write the topic as the gateway publishes it")


def _shared_topics(parts: Parts) -> Iterator[Problem]:
    """Gateways that never get anything, and topics of which the broker would deliver every message twice."""
    templates = dict(_right_templates(parts))
    for number, (broker, template) in templates.items():
        path: DataPath = ("gateways", number, "topic")
        own = {other: found for other, (its, found) in templates.items() if its == broker}
        earlier = [other for other in own if other < number]
        subscribed = needed(found.filter for found in own.values())
        if (taken := next((other for other in earlier if own[other].claims(template)), None)) is not None:
            first = parts.gateways[taken].name
            message = f"nothing reaches the gateway: {quoted(first)} before it claims all of {quoted(template.text)}"
            yield parts.document.problem(path, message, "put the narrower topic first, or drop this gateway", "warning")
        elif template.filter in subscribed:
            for other in earlier:
                if own[other].filter in subscribed and overlap(own[other].filter, template.filter):
                    yield _said(parts, path, _delivered_twice(template.text, own[other].text))


def _right_templates(parts: Parts) -> Iterator[tuple[int, tuple[str, TopicTemplate]]]:
    for number, gateway in parts.gateways.items():
        with suppress(InputError):
            yield number, (gateway.broker, TopicTemplate(gateway.topic))


def _delivered_twice(topic: str, other: str) -> InputError:
    message = f"{quoted(topic)} shares some topics with {quoted(other)}: what comes on them would count twice"
    return InputError(message, "name levels so that no topic fits both, or let one of them take all of the other's")


def _unused_status(parts: Parts, ruleset: RuleSet | None) -> Iterator[Problem]:
    """Gateways whose loss would be no alarm of its own though they tell of it."""
    if ruleset is None:
        return
    for number, gateway in parts.gateways.items():
        if gateway.status is not None and not matters(ruleset, ruleset.assets.gateways.get(gateway.name, ())):
            message = f"nothing follows from the status of {quoted(gateway.name)}: it takes two assets that name it"
            hint = f"write gateway: {gateway.name} for its assets in assets.yaml; one with a safety rule is enough"
            yield parts.document.problem(("gateways", number, "status"), message, hint, "warning")


def _unread(parts: Parts) -> Iterator[Problem]:
    """What is accepted, for it belongs to the contract, and means nothing yet."""
    if PUBLIC_URL in parts.document.lines:
        message = "`public_url` is not built yet: no message holds a link"
        yield parts.document.problem(PUBLIC_URL, message, "remove it", "warning")


def _routes(parts: Parts, notify: Notify, ruleset: RuleSet | None) -> Iterator[Problem]:
    keys = MATCH_KEYS | {label for rule in ruleset.rules for label in rule.labels} if ruleset else MATCH_KEYS
    for number, route in enumerate(notify.routes):
        path: DataPath = ("notify", "routes", number)
        if route.to not in notify.teams:
            yield _said(parts, (*path, "to"), unknown("team", route.to, notify.teams))
        for key, value in route.match.items():
            if key in CHOICES and "*" not in value and value not in CHOICES[key]:
                yield _said(parts, (*path, "match", key), unknown(key, value, CHOICES[key]))
            elif key not in keys and (ruleset is not None or closest(key, keys)):
                yield _said(parts, (*path, "match", key), unknown("key to match by", key, keys))


def _unheard(parts: Parts, notify: Notify, ruleset: RuleSet | None) -> Iterator[Problem]:
    """Teams that nobody belongs to, and kinds that no route takes while there is no default team."""
    for name, team in notify.teams.items():
        if not team.channels:
            message = f"the team {quoted(name)} has no channels"
            yield parts.document.problem(("notify", "teams", name), message, "add one", "warning")
    if DEFAULT_TEAM in notify.teams or ruleset is None:
        return
    kinds = {rule.kind for rule in ruleset.rules if rule.mode == "live"} | {Kind.SYSTEM}
    taken = {route.match.get("kind", "*") for route in notify.routes}
    for kind in Kind:
        if kind in kinds and not taken & {kind.value, "*"}:
            message = f"alarms of kind {kind} have no route: only the console is told"
            yield parts.document.problem(
                ("notify", "routes"), message, f"add a route, or a team {DEFAULT_TEAM}", "warning"
            )
