"""`andon init`: a commented site directory to start from."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from monitor.errors import AndonError

TEMPLATE = "templates/site"


class ScaffoldError(AndonError):
    """The site directory was not written; nothing that was there before has changed."""


def write_site(directory: Path, pack: str | None = None) -> list[Path]:
    """Write andon.yaml, assets.yaml and rules/example.yaml; returns their paths.

    Raises:
        ScaffoldError: the directory holds one of them already, cannot be written, or a pack is asked for.
    """
    if pack is not None:
        raise ScaffoldError(f"the pack {pack!r} cannot be used: packs are not built yet; run andon init without --pack")
    template = files("monitor").joinpath(TEMPLATE)
    texts = {
        directory / name: source.read_text(encoding="utf-8") for name, source in _templates(template, PurePosixPath())
    }
    try:
        for path in texts:
            if path.is_symlink() or path.exists():
                raise ScaffoldError(f"{path} is there already: name another directory, or edit what is there")
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScaffoldError(f"{directory} cannot be written: {reason}") from None
    return list(texts)


def _templates(folder: Traversable, at: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, at / entry.name)
        else:
            yield at / entry.name, entry
