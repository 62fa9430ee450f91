"""What people do without composectl: a port of each host for a service, and nginx with all addresses written down."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.swarm_lab import HOSTS
from tests.support.swarm_project import SwarmProject
from tests.support.wait import wait_until

# At most one task fits on a host.
SERVICE = """\
version: "3.8"
services:
  echo:
    image: {backend}
{more}    environment:
      MARKER: echo
    stop_grace_period: 8s
    ports:
      - {{target: 9090, published: {published}, mode: host, protocol: tcp}}
    networks: [default]
    volumes:
      - {state}:/state
    deploy:
      replicas: 3
networks:
  default:
    external: true
    name: bridge
"""
# As its documentation has it for upstreams that are kept open, and for WebSockets.
NGINX = """\
daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  upstream echo {{ least_conn; {servers} keepalive 16; }}
  server {{
    listen {port};
    location / {{
      proxy_pass http://echo; proxy_http_version 1.1; proxy_buffering off; proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
_PUBLISHED = 9001


@contextmanager
def nginx_before_fixed_ports(project: SwarmProject, image: str, state: Path, more: str) -> Iterator[None]:
    """While entered, nginx on host 1 spreads what comes to the project's port over three tasks, one on each host."""
    project.write(SERVICE, backend=image, published=_PUBLISHED, state=state, more=more)
    project.docker("stack", "deploy", "--resolve-image", "never", "-c", f"{project.file}", project.name)
    try:
        assert wait_until(lambda: [task["Status"]["State"] for task in project.tasks()] == ["running"] * 3)
        with _nginx(project):
            yield
    finally:
        project.docker("stack", "rm", project.name)


def scale(project: SwarmProject, replicas: int) -> None:
    """As people do: `docker service scale`, which ends when the tasks are gone."""
    project.docker("service", "scale", f"{project.name}_echo={replicas}")


# Private


@contextmanager
def _nginx(project: SwarmProject) -> Iterator[None]:
    folder = project.folder.parent / "nginx"
    folder.mkdir()
    servers = " ".join(f"server 10.77.0.1{host}:{_PUBLISHED};" for host in HOSTS)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=project.port, servers=servers))
    words = (_program(), "-e", f"{folder}/error.log", "-c", f"{config}")
    nginx = subprocess.Popen([*project.rights, *words], env=project.environment())
    try:
        yield
    finally:
        nginx.terminate()
        nginx.wait(30)


def _program() -> str:
    unpacked = ROOT / ".tools" / "peers" / "usr" / "sbin" / "nginx"
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or f"{unpacked}"
