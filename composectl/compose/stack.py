"""The project that `docker stack deploy` reads: what `config` prints, made fit for a swarm."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from composectl import errors
from composectl.compose.override import render
from composectl.compose.project import Document, Project
from composectl.compose.stack_resources import used_resources
from composectl.compose.stack_service import StackService

DEPLOYED_BY = "com.composectl.deployed-by"
"""The label of a balanced service, not of its tasks: the composectl that deployed it, which alone changes it."""

_REPLICATED = (None, "replicated")
# The newest version of the format that the older command reads, and what it does not know.
_OLD_FORMAT, _NEW_KEYS = "3.9", ("oom_score_adj",)


@dataclass(frozen=True, slots=True)
class Stack:
    """`document` is fit for a swarm; `dropped`: a sentence for each thing that a swarm has not, or does otherwise."""

    document: Document
    dropped: tuple[str, ...] = ()

    def render(self, *, is_old: bool = False) -> bytes:
        """The file for `docker stack deploy`; `is_old`: for a command that does not know `--detach`."""
        if not is_old:
            return render(self.document)
        services = {name: _older(service) for name, service in self.document["services"].items()}
        return render({"version": _OLD_FORMAT} | self.document | {"services": services})


@dataclass(frozen=True, slots=True)
class StackPlan:
    """How a project, which may have changed since, becomes a stack of these `services`, or of all.

    `targets`: the container's ports by which replicas of a balanced service are reached: each task publishes them at
    free ports of its node. `without_udp`: the balanced services whose UDP ports are left out. `others`: how many tasks
    of which services that are not balanced.
    """

    targets: Mapping[str, Collection[int]]
    deployed_by: str
    services: Collection[str] | None = None
    without_udp: Collection[str] = ()
    others: Mapping[str, int] = field(default_factory=dict)

    def make(self, project: Project, scales: Mapping[str, int]) -> Stack:
        """The stack in which each service in `scales` has so many replicas.

        Raises ComposectlError for what a swarm cannot do.
        """
        every = project.document.get("services") or {}
        once = _run_once(every)
        parts = {
            name: StackService(name, self._with_scale(name, every[name]), runs_once=name in once)
            for name in every
            if self.services is None or name in self.services
        }
        for name, part in parts.items():
            if name in scales:
                _check_replicated(name, part.definition)
                _check_reached(name, part.definition, project.document.get("networks") or {})
                labels, udp = {DEPLOYED_BY: self.deployed_by}, name not in self.without_udp
                part.balance(scales[name], sorted(self.targets.get(name, ())), labels, udp=udp)
        rendered = {name: part.render() for name, part in parts.items()}
        resources, dropped = used_resources(project, rendered)
        sentences = [sentence for part in parts.values() for sentence in part.sentences()]
        return Stack({"services": rendered} | resources, (*dropped, *sentences))

    # Private

    def _with_scale(self, name: str, definition: Document) -> Document:
        return definition | {"scale": self.others[name]} if name in self.others else definition


# Private


def _older(service: Mapping[str, Any]) -> Document:
    older = {key: value for key, value in service.items() if key not in _NEW_KEYS}
    if check := older.get("healthcheck"):
        older["healthcheck"] = {key: value for key, value in check.items() if key != "start_interval"}
    return older


def _run_once(services: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The services for whose end another one waits."""
    return {
        name
        for definition in services.values()
        for name, how in _conditions(definition)
        if how == "service_completed_successfully"
    }


def _conditions(definition: Mapping[str, Any]) -> list[tuple[str, str]]:
    dependencies = definition.get("depends_on")
    if not isinstance(dependencies, Mapping):
        return []
    return [(name, str((how or {}).get("condition"))) for name, how in dependencies.items()]


def _check_replicated(service: str, definition: Mapping[str, Any]) -> None:
    mode = (definition.get("deploy") or {}).get("mode")
    if mode not in _REPLICATED:
        raise errors.ComposectlError(
            f"service `{service}` cannot be balanced over a number of replicas: its `deploy.mode` is `{mode}`",
            "remove `deploy.mode`, or leave the service to the swarm",
        )


def _check_reached(service: str, definition: Mapping[str, Any], networks: Mapping[str, Any]) -> None:
    """Tasks publish no port where all of their networks are internal."""
    joined = [networks.get(name) or {} for name in definition.get("networks") or ("default",)]
    if all(network.get("internal") for network in joined) and "network_mode" not in definition:
        raise errors.ComposectlError(
            f"the tasks of service `{service}` cannot be reached: each of its networks is `internal`",
            "put it on another network, too, or remove `internal`",
        )
