"""`deploy` of a service in a swarm: what is written there, and what Compose lets stand beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from composectl import errors
from composectl.compose.project import Document

_KEPT = (
    *("endpoint_mode", "labels", "mode", "placement", "replicas", "resources", "restart_policy", "rollback_config"),
    "update_config",
)
_LIMITS = {"cpus": "cpus", "mem_limit": "memory", "pids_limit": "pids"}
_RESERVATIONS = {"mem_reservation": "memory"}
_RESOURCES = {"limits": ("cpus", "memory", "pids"), "reservations": ("cpus", "memory", "generic_resources")}


def render_deploy(
    service: str,
    definition: Mapping[str, Any],
    *,
    runs_once: bool = False,
    replicas: int | None = None,
    labels: Mapping[str, str] | None = None,
    order: str = "",
) -> tuple[Document, list[str]]:
    """The section, and the keys that are left out.

    `runs_once`: its tasks end when they are done. `order`: in which tasks are replaced where that is not written.
    Raises ComposectlError.
    """
    found = definition.get("deploy") or {}
    deploy = {key: value for key, value in found.items() if key in _KEPT and value is not None}
    left_out = [f"deploy.{key}" for key in found if key not in _KEPT]
    count = definition.get("scale") if replicas is None else replicas
    if count is not None:
        deploy["replicas"] = int(count)
    if labels:
        deploy["labels"] = _labels(deploy.get("labels")) | dict(labels)
    if "restart_policy" not in deploy and (policy := _restart_policy(definition, runs_once)):
        deploy["restart_policy"] = policy
    if order:
        for key in ("update_config", "rollback_config"):
            deploy[key] = {"order": order} | (deploy.get(key) or {})
    resources = _resources(service, definition)
    return (deploy | {"resources": resources} if resources else deploy), left_out


# Private


def _labels(found: Any) -> dict[str, Any]:
    if isinstance(found, Mapping):
        return dict(found)
    return {name: value for name, _, value in (str(label).partition("=") for label in found or ())}


def _restart_policy(definition: Mapping[str, Any], runs_once: bool) -> Document:
    """`restart` as a swarm has it; nothing where that is its default, to start a task again whenever it ends."""
    restart, _, attempts = str(definition.get("restart") or "").partition(":")
    if restart == "on-failure":
        return {"condition": restart} | ({"max_attempts": int(attempts)} if attempts else {})
    if restart == "no":
        return {"condition": "none"}
    return {"condition": "on-failure"} if runs_once and not restart else {}


def _resources(service: str, definition: Mapping[str, Any]) -> Document:
    found = (definition.get("deploy") or {}).get("resources") or {}
    if (found.get("reservations") or {}).get("devices"):
        raise errors.ComposectlError(
            f"service `{service}` cannot run in a swarm: `deploy.resources.reservations.devices`",
            "use `deploy.resources.reservations.generic_resources`",
        )
    resources = {}
    for kind, beside in (("limits", _LIMITS), ("reservations", _RESERVATIONS)):
        written = {name: definition[key] for key, name in beside.items() if definition.get(key)}
        written |= {key: value for key, value in (found.get(kind) or {}).items() if key in _RESOURCES[kind]}
        if written:
            resources[kind] = {
                key: str(value) if key in ("cpus", "memory") else value for key, value in written.items()
            }
    return resources
