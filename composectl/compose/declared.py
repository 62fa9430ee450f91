"""What a compose file says under `x-balance` of its services."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

KEY = "x-balance"


def parse_declared(printed: str) -> dict[str, object]:
    """What stands under `x-balance`, by service, in the YAML that `config` printed; its scalars are texts.

    So a number, and a text of digits that came of a variable, are the same.
    """
    if KEY not in printed:
        return {}
    services = yaml.load(printed, yaml.BaseLoader).get("services") or {}  # no types, hence harmless
    return {name: _plain(service[KEY]) for name, service in services.items() if KEY in service}


def declaring_services(files: Iterable[Path]) -> set[str]:
    """The services under which `x-balance` stands in any of these files; what cannot be read says nothing."""
    return {service for file in files for service in _declaring(file)}


# Private


def _declaring(file: Path) -> list[str]:
    try:
        services = yaml.load(file.read_bytes(), yaml.BaseLoader)["services"]
        return [name for name, service in services.items() if KEY in service]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
        return []


def _plain(told: object) -> object:
    """`config` doubles each `$`."""
    match told:
        case str():
            return told.replace("$$", "$")
        case list():
            return [_plain(one) for one in told]
        case dict():
            return {str(_plain(key)): _plain(value) for key, value in told.items()}
    return told
