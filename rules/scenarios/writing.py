"""A scenario as YAML text: a recorded stretch with the transitions that came of it, to be kept and edited."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rules.alarms import Transition
from rules.durations import format_duration
from rules.events import Duration, Instant
from rules.scenarios.notation import Sample, written
from rules.yamltext import scalar

HEAD = """\
# Recorded. The expected transitions are what the rules of that time made of these readings, beginning with nothing
# known. Edit them, the name and the readings as you like; `andon test` tells what comes of it.
version: 1
scenarios:
"""


def write_scenario(
    name: str,
    asset: str,
    stamp: str,
    series: Mapping[str, Iterable[tuple[Duration, Sample]]],
    length: Duration,
    start: Instant,
    transitions: Iterable[Transition],
) -> str:
    """The text of a file with one scenario that begins at `stamp`, which is `start`; times of series are from there."""
    lines = [f"  - name: {_text(name)}", f"    asset: {_text(asset)}", f"    start: {stamp}"]
    lines += [f"    until: {format_duration(length)}", "    series:"]
    for metric, samples in series.items():
        lines.append(f"      {_text(metric)}:")
        lines += [f"        {format_duration(at)}: {written(sample)}" for at, sample in samples]
    expected = list(_expected(transitions, start, asset))
    lines += ["    expect:", *expected] if expected else ["    expect: nothing"]
    return HEAD + "".join(f"{line}\n" for line in lines)


def _expected(transitions: Iterable[Transition], start: Instant, asset: str) -> Iterator[str]:
    for transition in transitions:
        fields = {
            "at": format_duration(transition.at - start),
            "rule": transition.rule,
            "asset": _text(transition.asset) if transition.asset != asset else None,
            "part": None if transition.part is None else _text(transition.part),
            "event": transition.event,
            "priority": transition.priority,
            "to": transition.to,
        }
        shown = ", ".join(f"{key}: {value}" for key, value in fields.items() if value is not None)
        yield f"      - {{{shown}}}"


def _text(text: str) -> str:
    """A text as YAML: plain where that is sure to be read as the same text, else in quotes."""
    simple = text.replace("/", "").replace("_", "").replace("-", "").replace(".", "")
    if simple.isalnum() and text[0].isalpha() and text.isascii() and scalar(text) == text:
        return text
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(sign: str) -> str:
    if sign in '"\\':
        return f"\\{sign}"
    return sign if sign.isprintable() else f"\\U{ord(sign):08x}"
