"""The volumes of a service that all of its replicas would write to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Programs that take the files of their data directory for theirs alone, by the last part of the image's name
_DATABASES = (
    *("arangodb", "cassandra", "clickhouse", "clickhouse-server", "cockroach", "couchbase", "couchdb", "elasticsearch"),
    *("etcd", "influxdb", "kafka", "keydb", "mariadb", "mongo", "mongodb", "mysql", "neo4j", "opensearch", "percona"),
    *(
        "postgis",
        "postgres",
        "postgresql",
        "prometheus",
        "rabbitmq",
        "redis",
        "rethinkdb",
        "scylla",
        "solr",
        "sqlserver",
    ),
    *("surrealdb", "timescaledb", "typesense", "valkey", "victoria-metrics", "zookeeper"),
)
# Of the machine, and not data
_OF_THE_MACHINE = ("/dev", "/proc", "/run", "/sys", "/tmp/.X11-unix", "/var/run")
_MODES = ("ro", "readonly")


def shared_data(definition: Mapping[str, Any]) -> str:
    """A warning where several replicas write to one volume or folder of the machine; "" where they do not."""
    sources = list(dict.fromkeys(_writable(definition)))
    if not sources:
        return ""
    places = " and ".join(f"`{source}`" for source in sources)
    image = str(definition.get("image") or "")
    if _program(image) in _DATABASES:
        return f"several replicas of the database `{image}` write to {places}: its data will be destroyed"
    return f"several replicas write to {places}: data may be destroyed, unless the program expects it"


# Private


def _writable(definition: Mapping[str, Any]) -> Iterator[str]:
    """The sources of what is mounted to be written to: names of volumes, and paths of the machine."""
    for mount in definition.get("volumes") or ():
        source, is_read_only = _parse(mount)
        if source and not is_read_only and not _is_of_the_machine(source):
            yield source


def _parse(mount: object) -> tuple[str, bool]:
    """The source of a mount, and whether it is read-only; "" where each replica has its own."""
    if isinstance(mount, Mapping):
        is_shared = mount.get("type", "volume") in ("bind", "volume", "cluster", "nfs")
        return str(mount.get("source") or "") if is_shared else "", bool(mount.get("read_only"))
    source, separator, rest = str(mount).partition(":")
    modes = rest.partition(":")[2].split(",")
    return source if separator else "", any(mode in modes for mode in _MODES)


def _is_of_the_machine(source: str) -> bool:
    return source.endswith(".sock") or any(source == path or source.startswith(f"{path}/") for path in _OF_THE_MACHINE)


def _program(image: str) -> str:
    """`registry:5000/library/postgres:16@sha256:...` as `postgres`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()
