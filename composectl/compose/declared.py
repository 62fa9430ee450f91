"""What a compose file says under `x-balance` of its services."""

from __future__ import annotations

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


# Private


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
