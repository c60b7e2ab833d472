"""A contract for import-linter: modules that may import only each other and what is named.

`forbidden` contracts pass over whatever their list forgot; this one refuses it. As `modules` may import each other and
nothing else of ours, what holds for each of them holds for all that they reach.
"""

from __future__ import annotations

from typing import Any, ClassVar

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils
from importlinter.application.contract_utils import AlertLevel
from importlinter.domain.helpers import module_expressions_to_modules


class AllowedContract(Contract):
    """`modules`, with all below them, import only each other, `may_import` (and below), and `ignore_imports`."""

    type_name: ClassVar[str] = "allowed"

    modules = fields.SetField(subfield=fields.ModuleExpressionField())
    may_import = fields.SetField(subfield=fields.StringField())
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Kept when no module of ours imports anything else."""
        output.verbose_print(verbose, f"Looking at every import of {self.name}...")
        removal = contract_utils.remove_ignored_imports_and_report(
            graph=graph, ignore_imports=self._option("ignore_imports"), unmatched_alerting=AlertLevel.ERROR
        )
        ours = {m.name for m in module_expressions_to_modules(graph, self._option("modules"))}
        allowed = ours | self._option("may_import")
        strays = [
            f"{importer} imports {imported} (line {_line(graph, importer, imported)})"
            for importer in sorted(graph.modules)
            if _within(importer, ours)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not _within(imported, allowed)
        ]
        return ContractCheck(
            kept=not strays,
            warnings=list(removal.warnings),
            ignored_import_count=removal.ignored_import_count,
            metadata={"strays": strays},
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each stray import."""
        for stray in check.metadata["strays"]:
            output.print_error(stray)

    def _option(self, name: str) -> Any:
        return getattr(self, name) or set()


def _within(module: str, packages: set[str]) -> bool:
    parts = module.split(".")
    return any(".".join(parts[: count + 1]) in packages for count in range(len(parts)))


def _line(graph: ImportGraph, importer: str, imported: str) -> int:
    return graph.get_import_details(importer=importer, imported=imported)[0]["line_number"]
