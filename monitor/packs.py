"""Ready-made packs of rules, machines and scenarios, as they ship with the core, put together for a new site."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

from monitor.errors import AndonError
from rules.problems import unknown

HOME: Final = "packs"
RULES: Final = "rules.yaml"
ASSETS: Final = "assets.yaml"
SCENARIOS: Final = "scenarios.yaml"
ASSETS_HEAD: Final = """\
# What is known of the machines. Rename the examples to those of your plant; `bind` a signal to the name under which the
# gateway delivers it. Machines that are not named here are watched as well.
"""


class UnknownPackError(AndonError):
    """There is no such pack; the message lists those that there are."""


class Pack(NamedTuple):
    """A folder of the core with `rules.yaml`, `assets.yaml` (a type and an example) and `scenarios.yaml`."""

    name: str
    kind: str
    folder: Traversable

    def text(self, file: str) -> str:
        """The text of one of its files."""
        return self.folder.joinpath(file).read_text(encoding="utf-8")

    @property
    def about(self) -> str:
        """What it watches: the first line of its rules."""
        return self.text(RULES).partition("\n")[0].removeprefix("# ")


def all_packs() -> dict[str, Pack]:
    """Every pack by name, in the order of kinds and names."""
    kinds = _folders(files("rules").joinpath(HOME))
    found = (Pack(folder.name, kind.name, folder) for kind in kinds for folder in _folders(kind))
    return {pack.name: pack for pack in found}


def _folders(home: Traversable) -> list[Traversable]:
    return sorted((entry for entry in home.iterdir() if entry.is_dir()), key=lambda entry: entry.name)


def pack_texts(names: Iterable[str]) -> dict[str, str]:
    """The files of a site that packs make, by their paths in it.

    Raises:
        UnknownPackError: one of them does not exist.
    """
    known = all_packs()
    chosen = [_known(name, known) for name in dict.fromkeys(names)]
    texts = {"assets.yaml": _assets(chosen)} if chosen else {}
    for pack in chosen:
        texts[f"rules/{pack.name}.yaml"] = pack.text(RULES)
        texts[f"scenarios/{pack.name}.yaml"] = pack.text(SCENARIOS)
    return texts


def _known(name: str, known: dict[str, Pack]) -> Pack:
    if name not in known:
        mistake = unknown("pack", name, known)
        raise UnknownPackError(f"{mistake.message} There are: {', '.join(known)}")
    return known[name]


def _assets(chosen: list[Pack]) -> str:
    """The types and examples of all of them in one file, each with its comments."""
    parts = [pack.text(ASSETS).partition("\ntypes:\n")[2].partition("\nassets:\n") for pack in chosen]
    types, examples = ("\n".join(part[which].rstrip("\n") for part in parts) for which in (0, 2))
    return f"{ASSETS_HEAD}\ntypes:\n{types}\n\nassets:\n{examples}\n"
