"""`andon init`: a commented site directory to start from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath

from monitor.errors import AndonError
from monitor.packs import pack_texts
from monitor.site import SITE_FILE

TEMPLATE = "templates/site"


class ScaffoldError(AndonError):
    """The site directory was not written; nothing that was there before has changed."""


def write_site(directory: Path, packs: Sequence[str] = ()) -> list[Path]:
    """Write andon.yaml, assets.yaml, rules/ and scenarios/: an example, or what the packs bring; returns the paths.

    Raises:
        ScaffoldError: the directory holds one of them already, or cannot be written.
        UnknownPackError: there is no such pack.
    """
    texts = {directory / name: text for name, text in _texts(packs).items()}
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


def _texts(packs: Sequence[str]) -> dict[str, str]:
    template = files("monitor").joinpath(TEMPLATE)
    texts = {str(name): source.read_text(encoding="utf-8") for name, source in _templates(template, PurePosixPath())}
    return {SITE_FILE: texts[SITE_FILE], **pack_texts(packs)} if packs else texts


def _templates(folder: Traversable, at: PurePosixPath) -> Iterator[tuple[PurePosixPath, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from _templates(entry, at / entry.name)
        else:
            yield at / entry.name, entry
