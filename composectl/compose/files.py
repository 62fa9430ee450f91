"""The compose files as they are written, looked at before Compose reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from composectl import errors
from composectl.compose.options import Options, known_files, project_directory_of
from composectl.compose.process import read_stdin
from composectl.compose.size import check_size, too_deep
from composectl.sanitize import shorten

_MAX_FILE = 5_000_000  # bytes of a compose file that is looked at before Compose reads it
_MAX_FILES = 1_000  # that name each other
_MAX_GROWN, _MAX_GROWTH = 200_000, 3  # characters once aliases are replaced, or so many times what is written


def check_input(options: Options, environ: Mapping[str, str], cwd: Path) -> None:
    """Raise ComposectlError where a file, or what comes on standard input, is nested too deeply, or grows by aliases.

    Compose itself takes minutes and gigabytes for such a file. What cannot be read is left to Compose.
    """
    folder = project_directory_of(options, environ, cwd)
    named: set[Path] = set()
    if "-" in options.files:
        text = read_stdin()[:_MAX_FILE].decode(errors="replace")
        named = set(_named_in(_check("the compose file on standard input", text), (cwd, folder)))
    check_files([*known_files(options, environ, cwd), *sorted(named)], folder)


def check_files(files: Iterable[Path], folder: Path | None = None) -> None:
    """As `check_input`, of these files and those that they name by `include` and `extends`, from `folder`, too."""
    coming = [file.absolute() for file in files]
    seen = set(coming)
    while coming:
        file = coming.pop()
        text = ""
        with suppress(OSError, ValueError):
            text = file.read_text() if file.is_file() and file.stat().st_size <= _MAX_FILE else ""
        document = _check(f"the compose file {file.name}", text)
        new = set(_named_in(document, (file.parent, folder or file.parent))) - seen
        seen |= new
        coming += new
        if len(seen) > _MAX_FILES:
            raise errors.ComposectlError(
                f"the compose files name more than {_MAX_FILES:,} others",
                f"look for `include` and `extends` in {shorten(file.name)}",
            )


# Private


def _check(what: str, text: str) -> object:
    """The document in `text`; None where it is no YAML."""
    try:
        document = yaml.load(text, getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except RecursionError:
        raise too_deep(what) from None
    except ValueError:
        return None
    except yaml.YAMLError as error:
        if "nesting depth" in str(error):  # libyaml's own limit
            raise too_deep(what) from None
        return None
    check_size(what, document, max(_MAX_GROWN, _MAX_GROWTH * len(text)))
    return document


def _named_in(document: object, folders: Iterable[Path]) -> Iterator[Path]:
    """The files that are there, of those that `document` names; a name is looked up in each of the folders.

    https://docs.docker.com/reference/compose-file/include/
    """
    if isinstance(document, dict):
        folders = dict.fromkeys(folders)
        for name in (*_included(document), *_extended(document)):
            for folder in folders:
                with suppress(OSError, ValueError):
                    if (folder / name).is_file():
                        yield Path(folder / name).resolve()


def _included(document: dict[str, Any]) -> Iterator[str]:
    entries = document.get("include")
    for entry in entries if isinstance(entries, list) else ():
        paths = entry.get("path") if isinstance(entry, dict) else entry
        yield from (path for path in (paths if isinstance(paths, list) else [paths]) if isinstance(path, str))


def _extended(document: dict[str, Any]) -> Iterator[str]:
    services = document.get("services")
    for service in services.values() if isinstance(services, dict) else ():
        extends = service.get("extends") if isinstance(service, dict) else None
        file = extends.get("file") if isinstance(extends, dict) else None
        if isinstance(file, str):
            yield file
