"""What a signal does over a scenario: one thing all the time, parts one after the other, or readings at given times.

Every course has a `length` (at most a hundred years; 0 for what lasts all the time), a `count` of its readings without
making them, and makes them in order by `sent`, the first at `start`. `every` is the time between readings where a piece
does not say it, `end` that of the scenario.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, PlainValidator, RootModel, Tag, model_validator

from rules.durations import LONGEST, parse_duration
from rules.events import Duration
from rules.problems import InputError
from rules.scenarios.notation import HINT, Piece, Sample, parse_piece, parse_sample
from rules.validation import Section


class Sent(NamedTuple):
    """A reading: nanoseconds from the beginning of the scenario, and what it says."""

    at: Duration
    sample: Sample


OffsetField: TypeAlias = Annotated[Duration, PlainValidator(lambda text: parse_duration(str(text)))]
"""Time since the beginning of the scenario."""
SampleField: TypeAlias = Annotated[Sample, PlainValidator(parse_sample)]


@dataclass(frozen=True)
class Stretch:
    """A piece. Its end belongs to what comes next."""

    piece: Piece

    def length(self, every: Duration) -> Duration:
        """As written."""
        del every
        return self.piece.length or 0

    def count(self, every: Duration, end: Duration) -> int:
        """One at its start, and every so often."""
        piece = self.piece
        return 0 if piece.sample is None else -(-(piece.length or end) // (piece.every or every))

    def sent(self, every: Duration, start: Duration, end: Duration) -> Iterator[Sent]:
        """Equal readings, or on a straight line."""
        piece = self.piece
        end = end if piece.length is None else start + piece.length
        if piece.sample is None:
            return
        value, quality = piece.sample
        for at in range(start, end, piece.every or every):
            if piece.last is None or not isinstance(value, float):
                yield Sent(at, piece.sample)
            else:
                yield Sent(at, Sample(value + (piece.last - value) * ((at - start) / (end - start)), quality))


class Row(RootModel[tuple["Part", ...]]):
    """Parts one after the other; one without a length is a single reading."""

    model_config = ConfigDict(frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _some(cls, data: Any) -> Any:
        if data == []:
            raise InputError("the course is empty", HINT)
        return data

    def length(self, every: Duration) -> Duration:
        """All together."""
        return min(sum(_length(part, every) for part in self.root), LONGEST)

    def count(self, every: Duration, end: Duration) -> int:
        """All together."""
        del end
        return sum(part.count(every, _length(part, every)) for part in self.root)

    def sent(self, every: Duration, start: Duration, end: Duration) -> Iterator[Sent]:
        """Each begins where the one before ends."""
        del end
        for part in self.root:
            following = start + _length(part, every)
            yield from part.sent(every, start, following)
            start = following


class Repeat(Section):
    """Parts that come again and again."""

    repeat: Annotated[int, Field(ge=1, le=1_000_000)]
    of: Row

    def length(self, every: Duration) -> Duration:
        """All together."""
        return min(self.repeat * self.of.length(every), LONGEST)

    def count(self, every: Duration, end: Duration) -> int:
        """All together."""
        return self.repeat * self.of.count(every, end)

    def sent(self, every: Duration, start: Duration, end: Duration) -> Iterator[Sent]:
        """Once more, and once more."""
        for number in range(self.repeat):
            yield from self.of.sent(every, start + number * self.of.length(every), end)


class Table(RootModel[dict[OffsetField, SampleField]]):
    """Single readings by their times."""

    model_config = ConfigDict(frozen=True)

    def length(self, every: Duration) -> Duration:
        """Up to the last of them."""
        del every
        return max(self.root, default=0)

    def count(self, every: Duration, end: Duration) -> int:
        """As many as are written."""
        del every, end
        return len(self.root)

    def sent(self, every: Duration, start: Duration, end: Duration) -> Iterator[Sent]:
        """In the order of their times."""
        del every, end
        yield from (Sent(start + at, self.root[at]) for at in sorted(self.root))


def _length(part: Part, every: Duration) -> Duration:
    return part.length(every) or (part.piece.every if isinstance(part, Stretch) else None) or every


# The tags stand in angle brackets so that no key of a file is taken for one where a mistake's place is looked up.


def _part(data: Any) -> str:
    return "<repeat>" if isinstance(data, dict) else "<piece>"


def _course(data: Any) -> str:
    if isinstance(data, dict):
        return "<repeat>" if "repeat" in data else "<table>"
    return "<row>" if isinstance(data, list) else "<piece>"


StretchField: TypeAlias = Annotated[Stretch, PlainValidator(lambda data: Stretch(parse_piece(data))), Tag("<piece>")]
Part: TypeAlias = Annotated[StretchField | Annotated[Repeat, Tag("<repeat>")], Discriminator(_part)]
CourseField: TypeAlias = Annotated[
    StretchField | Annotated[Repeat, Tag("<repeat>")] | Annotated[Row, Tag("<row>")] | Annotated[Table, Tag("<table>")],
    Discriminator(_course),
]
"""A pydantic field: a course in any of its ways of writing."""

Row.model_rebuild()
Repeat.model_rebuild()
