"""Tables of fault codes that rule files name: CSV text, as spreadsheets write it, to rows."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import Any, Final

from rules.detectors.alarm_table import FaultCode
from rules.problems import Problem, quoted
from rules.validation import validated
from rules.yamltext import MAX_SIZE, Document, Path

ENDING: Final = ".csv"
COLUMNS: Final = ("code", "text", "priority", "response")


def fill_tables(document: Document, tables: Mapping[str, str], problems: list[Problem]) -> None:
    """Put the rows in the place of the name wherever a rule's `detect.table` names a file beside the rule file."""
    rules = document.data.get("rules") if isinstance(document.data, dict) else None
    for number, item in enumerate(rules if isinstance(rules, list) else ()):
        detect = item.get("detect") if isinstance(item, dict) else None
        if isinstance(detect, dict) and isinstance(name := detect.get("table"), str):
            folder = document.file[: document.file.rfind("/") + 1]
            text = tables.get(folder + name)
            if text is None:
                hint = f"put it beside the rule file; its name ends with {ENDING}"
                problems.append(
                    document.problem(("rules", number, "detect", "table"), f"there is no {quoted(name)}", hint)
                )
            detect["table"] = [] if text is None else _rows(folder + name, text, problems)


def _rows(file: str, text: str, problems: list[Problem]) -> list[dict[str, Any]]:
    if len(text) > MAX_SIZE:
        problems.append(Problem(file, 0, f"the file is longer than {MAX_SIZE} characters", "split it"))
        return []
    delimiter = ";" if ";" in text.partition("\n")[0] else ","
    reader = csv.reader(text.splitlines(keepends=True), delimiter=delimiter, skipinitialspace=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cells)]
    except csv.Error as error:
        problems.append(Problem(file, reader.line_num, f"this is not CSV: {error}", ""))
        return []
    return _checked(file, lines, problems)


def _checked(file: str, lines: list[tuple[int, list[str]]], problems: list[Problem]) -> list[dict[str, Any]]:
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    if not {"code", "text"} <= set(header) <= set(COLUMNS) or len(set(header)) < len(header):
        problems.append(Problem(file, 1, f"the first line must name the columns {', '.join(COLUMNS)}", "in any order"))
        return []
    for line, cells in lines[1:]:
        if any(cells[len(header) :]):
            problems.append(Problem(file, line, "the row has more cells than the first line", "put the text in quotes"))
    rows = [{k: cell.strip() for k, cell in zip(header, cells, strict=False) if cell.strip()} for _, cells in lines[1:]]
    place: dict[Path, int] = {(): 1} | {(number,): line for number, (line, _) in enumerate(lines[1:])}
    document = Document(file, "", rows, place)
    return [row for number, row in enumerate(rows) if validated(FaultCode, document, (number,), row, problems)]
