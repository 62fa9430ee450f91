"""Volumes that several replicas would write to."""

from __future__ import annotations

from typing import Any

import pytest

from composectl.compose.volumes import shared_data

PLAIN = "several replicas write to {}: data may be destroyed, unless the program expects it"


@pytest.mark.parametrize(
    ("mount", "source"),
    [
        # docker-compose 1.29
        ("data:/data:rw", "`data`"),
        ("data:/data", "`data`"),
        ("/srv/data:/data:rw,z", "`/srv/data`"),
        # Compose v2
        ({"type": "volume", "source": "data", "target": "/data", "volume": {}}, "`data`"),
        ({"type": "bind", "source": "/srv/data", "target": "/data", "bind": {"create_host_path": True}}, "`/srv/data`"),
    ],
)
def test_a_volume_that_all_of_them_write_to_is_told(mount: Any, source: str) -> None:
    assert shared_data({"image": "registry:5000/shop/web:1", "volumes": [mount]}) == PLAIN.format(source)


@pytest.mark.parametrize(
    "mount",
    [
        "data:/data:ro",
        "/srv/data:/data:ro,z",
        "/data",
        "/var/run/docker.sock:/var/run/docker.sock:rw",
        "/dev/shm:/dev/shm",
        {"type": "volume", "source": "data", "target": "/data", "read_only": True},
        {"type": "volume", "target": "/data"},
        {"type": "tmpfs", "target": "/tmp"},
        {"type": "bind", "source": "/run/user/1000/bus", "target": "/bus"},
        {"type": "image", "source": "busybox", "target": "/image"},
    ],
)
def test_what_is_read_only_or_not_shared_or_no_data_is_not(mount: Any) -> None:
    assert shared_data({"image": "postgres", "volumes": [mount]}) == ""


def test_a_service_without_volumes_shares_none() -> None:
    assert shared_data({"image": "postgres"}) == shared_data({"volumes": None}) == ""


def test_each_volume_is_told_once_in_one_line() -> None:
    mounts = ["data:/data", "data:/other", "/srv/uploads:/uploads", "cache:/cache:ro"]
    assert shared_data({"volumes": mounts}) == PLAIN.format("`data` and `/srv/uploads`")


@pytest.mark.parametrize(
    "image",
    [
        *("postgres", "postgres:16-alpine", "docker.io/library/mysql:8", "registry:5000/bitnami/PostgreSQL@sha256:00"),
        *("mongo:7", "redis", "couchdb:3", "clickhouse/clickhouse-server"),
    ],
)
def test_of_a_database_it_is_certain(image: str) -> None:
    assert shared_data({"image": image, "volumes": ["db:/var/lib/data"]}) == (
        f"several replicas of the database `{image}` write to `db`: its data will be destroyed"
    )
