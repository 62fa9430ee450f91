"""The names in compose files as they stand there: quickly, without Compose, for whoever types them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

_LARGEST = 1_000_000
_Loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # no types, hence harmless


def services_in(files: Iterable[Path]) -> list[str]:
    """The services that these files have, each once; of a file that cannot be read none."""
    return list(dict.fromkeys(name for file in files for name in _services(file)))


def profiles_in(files: Iterable[Path]) -> list[str]:
    """The profiles that their services name, each once."""
    every = [one.get("profiles") for file in files for one in _services(file).values() if isinstance(one, Mapping)]
    return list(dict.fromkeys(name for names in every if isinstance(names, list) for name in names))


# Private


def _services(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.load(file.read_text(), _Loader) if file.stat().st_size <= _LARGEST else None
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    services = document.get("services") if isinstance(document, Mapping) else None
    return services if isinstance(services, Mapping) else {}
