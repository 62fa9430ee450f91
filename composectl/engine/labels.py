"""The labels that Compose puts on the containers it makes; v1, v2 and v5 write the same keys."""

from collections.abc import Mapping

PROJECT = "com.docker.compose.project"
SERVICE = "com.docker.compose.service"
NUMBER = "com.docker.compose.container-number"
ONE_OFF = "com.docker.compose.oneoff"
CONFIG_HASH = "com.docker.compose.config-hash"
HOOK = "com.docker.compose.hook"

_DIGITS = 9

Labels = Mapping[str, str]


def service_of(labels: Labels) -> str:
    """The service that the container is a replica of; "" for one-offs, hooks and whatever is not Compose's."""
    if labels.get(ONE_OFF) == "True" or HOOK in labels:
        return ""
    return labels.get(SERVICE, "")


def number_of(labels: Labels) -> int:
    """The container's number within its service, from 1; 0 where there is none, or one that no Compose would give."""
    number = labels.get(NUMBER, "")
    return int(number) if number.isdecimal() and len(number) <= _DIGITS else 0


def replicas_of(project: str) -> dict[str, list[str]]:
    """The filter that lists the project's containers without its one-offs (GET /containers/json)."""
    return {"label": [f"{PROJECT}={project}", f"{ONE_OFF}=False"]}
