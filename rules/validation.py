"""From plain data to frozen models, every mistake as a problem with its line and a hint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from rules.problems import InputError, Problem, quoted, unknown
from rules.yamltext import Document, Path

Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """A part of a file: unknown keys are errors, values never change after reading, an empty part is all defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True, allow_inf_nan=False)

    ELSEWHERE: ClassVar[Mapping[str, str]] = {}
    """Keys that mean something in another place, with that place."""

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: Any) -> Any:
        return {} if data is None else data


HINTS: Final[dict[str, str]] = {
    "bool": "write true or false",
    "int": "write a whole number",
    "float": "write a number",
    "finite": "write a number",
    "string": "write a text",
    "path": "write a path",
    "tuple": "write a list: [one, two]",
    "list": "write a list: [one, two]",
    "dict": "write key: value pairs",
    "mapping": "write key: value pairs",
    "model": "write key: value pairs",
    "missing": "add it",
}
"""How to mend, by the first word of pydantic's error type."""

SHAPES: Final[dict[str, str]] = {
    **dict.fromkeys(("model_type", "dict_type", "mapping_type"), "must be key: value pairs"),
    **dict.fromkeys(("tuple_type", "list_type"), "must be a list"),
    "string_type": "must be a text",
}
"""What was expected, where pydantic names Python's types."""


def validated(model: type[Model], document: Document, path: Path, data: Any, problems: list[Problem]) -> Model | None:
    """The model of the data that stands at `path`; None, and more `problems`, if it is not right."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems.extend(_explained(model, document, path, error))
        return None


def _explained(model: type[BaseModel], document: Document, path: Path, error: ValidationError) -> Iterator[Problem]:
    seen: set[tuple[Path, str]] = set()
    for detail in sorted(error.errors(include_url=False), key=_unexplained):
        place = (*path, *detail["loc"])
        found = document.place(place)
        subject = str(detail["loc"][-1]) if detail["type"] == "missing" and detail["loc"] else ""
        if (found, subject) not in seen:
            seen.add((found, subject))
            message, hint = _words(model, detail, found[len(path) :])
            yield document.problem(place, message, hint)


def _unexplained(detail: ErrorDetails) -> bool:
    """Where a value may be one of several things, what we say of it is worth more than that it is not another one."""
    return not isinstance(detail.get("ctx", {}).get("error"), InputError)


def _words(model: type[BaseModel], detail: ErrorDetails, found: Path) -> tuple[str, str]:
    kind, loc = detail["type"], detail["loc"]
    name = ".".join(str(step) for step in found)
    cause = detail.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return cause.message, cause.hint
    if kind == "extra_forbidden":
        return _refused_key(_model_at(model, loc), str(loc[-1]))
    if kind == "missing":
        return f"{quoted(loc[-1])} is missing", HINTS["missing"]
    if kind in {"enum", "literal_error"} and isinstance(detail["input"], (str, int)):
        mistake = unknown(str(loc[-1]), str(detail["input"]), _choices(detail))
        return mistake.message, mistake.hint
    text = SHAPES.get(kind) or detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return f"{quoted(name)}: {text}" if name else text, HINTS.get(kind.split("_")[0], "")


def _choices(detail: ErrorDetails) -> list[str]:
    return re.findall(r"'([^']*)'", str(detail.get("ctx", {}).get("expected", ""))) or [
        str(detail.get("ctx", {}).get("expected", ""))
    ]


def _refused_key(model: type[BaseModel], key: str) -> tuple[str, str]:
    if place := getattr(model, "ELSEWHERE", {}).get(key):
        return f"{quoted(key)} does not belong here", f"write it in {place}"
    mistake = unknown("key", key, (field.alias or name for name, field in model.model_fields.items()))
    return mistake.message, mistake.hint


def _model_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel]:
    """The model that the last step of a location was looked for in."""
    for step in loc[:-1]:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        field = fields.get(str(step))
        if field is not None:
            model = next(_models(field.annotation), model)
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
