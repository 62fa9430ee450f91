"""Servers of others in containers, behind `up --balance`, and their own clients: each connection is one replica's."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
import redis
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.certificates import CertificateAuthority
from tests.support.compose_project import ComposeProject
from tests.support.grpc_backend import GrpcClient
from tests.support.http_client import burst
from tests.support.images import ECHO_IMAGE
from tests.support.paths import ROOT
from tests.support.ports import free_port
from tests.support.shares import are_even, connections_of
from tests.support.wait import wait_until

HOST = "127.0.0.1"
PEERS = ROOT / ".tools" / "peers"
SERVICE = """\
services:
  echo:
    image: {image}
    command: [sh, /peer/start]
    user: "{user}"
    stop_grace_period: 10s
    environment:
      PATH: /usr/sbin:/usr/bin:/bin
    ports:
      - "{port}:{inner}"
    volumes:
      - {peers}/usr:/usr:ro
      - {peers}/lib:/lib:ro
      - {peers}/lib64:/lib64:ro
      - {folder}:/peer:ro
      - {folder}/passwd:/etc/passwd:ro
"""
PASSWD = """\
root:x:0:0::/tmp:/bin/sh
sshd:x:100:100::/tmp:/bin/false
nobody:x:65534:65534::/tmp:/bin/false
peer:x:1000:1000::/tmp:/bin/sh
"""
REDIS = "exec redis-server --port 6379 --protected-mode no --save '' --dir /tmp"
POSTGRESQL = """\
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
initdb --pgdata=/tmp/data --username=peer --auth=trust --no-sync
echo 'host all all all trust' >>/tmp/data/pg_hba.conf
exec postgres -D /tmp/data -c listen_addresses='*' -c unix_socket_directories=/tmp
"""
MARIADB = """\
mkdir /tmp/data
exec mariadbd --no-defaults --datadir=/tmp/data --socket=/tmp/socket --skip-grant-tables --skip-name-resolve
"""
MOSQUITTO = """\
printf 'listener 1883\\nallow_anonymous true\\n' >/tmp/mosquitto.conf
exec mosquitto -c /tmp/mosquitto.conf
"""
SSHD = """\
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f /tmp/key
exec /usr/sbin/sshd -D -e -f /dev/null -h /tmp/key
"""
NGINX = "exec nginx -p /tmp -e stderr -c /peer/nginx.conf"
# Of nginx, but for its server
NGINX_CONF = """\
daemon off;
user root root;
pid /tmp/nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;
    server {{ {server} }}
}}
"""
WEB_SERVER = "listen 80; return 200 $hostname;"
HTTP_2_SERVER = "listen 80 http2; return 200 $hostname;"
TLS_SERVER = """\
listen 8443 ssl;
ssl_certificate /peer/tls/cert.pem;
ssl_certificate_key /peer/tls/key.pem;
return 200 "$hostname $ssl_server_name";
"""
# The example names public images; here the same servers run from the files of this machine.
OVERRIDE = """\
services:
  web:
    image: {image}
    command: [sh, -c, "{nginx}"]
    environment: &path
      PATH: /usr/sbin:/usr/bin:/bin
    volumes: &peers
      - {peers}/usr:/usr:ro
      - {peers}/lib:/lib:ro
      - {peers}/lib64:/lib64:ro
      - {folder}:/peer:ro
  cache:
    image: {image}
    command: [sh, -c, "{redis}"]
    environment: *path
    volumes: *peers
  calls:
    image: {image}
    working_dir: {root}
    command: [{python}, -m, tests.support.grpc_server, "50051"]
    stop_grace_period: 1s
    volumes: [{machine}]
"""
MACHINE = ("/usr", "/lib", "/lib64", sys.base_prefix, f"{ROOT}")
NAME = "shop.example"
CLIENTS, SECONDS = 6, 30
CONTAINER_ID = 12

pytestmark = [pytest.mark.external, pytest.mark.parametrize("compose", ["v2"], indirect=True)]

Serve = Callable[..., ComposeProject]


@pytest.fixture
def serve(project: ComposeProject, tmp_path: Path) -> Serve:
    """Starts two replicas of a server by its shell script; `more` are further files beside the script."""

    def start(
        script: str, inner: int, *words: str, user: int = 0, more: dict[str, str] | None = None
    ) -> ComposeProject:
        assert PEERS.exists(), f"{PEERS} is missing: scripts/peers makes it"
        tmp_path.chmod(0o755)
        for name, text in {"start": script, "passwd": PASSWD, **(more or {})}.items():
            (tmp_path / name).write_text(text)
        project.write(SERVICE, user=user, inner=inner, peers=PEERS, folder=tmp_path)
        project.run("up", "--balance", "echo=2", "-d", *words)
        assert project.has_ready(2)
        return project

    return start


def test_redis_with_pipelines_and_messages(serve: Serve) -> None:
    project = serve(REDIS, 6379)
    with ExitStack() as held:
        clients = [held.enter_context(closing(_redis(project.port))) for _ in range(CLIENTS)]
        replicas = [client.info("server")["run_id"] for client in clients]
        assert are_even(Counter(replicas).values(), CLIENTS)
        for client, replica in zip(clients, replicas, strict=True):
            pipeline = client.pipeline(transaction=True)
            for _ in range(1000):
                pipeline.incr(f"key {id(client)}")
            assert pipeline.execute() == list(range(1, 1001))
            assert client.info("server")["run_id"] == replica
        large = bytes(range(256)) * 20_000
        clients[0].set("large", large)
        assert clients[0].get("large") == large
        listener = held.enter_context(closing(clients[0].pubsub()))
        listener.subscribe("news")
        assert listener.get_message(timeout=SECONDS)["type"] == "subscribe"
        same = sum(client.publish("news", "hello") for client in clients[1:])
        assert same > 0
        assert [listener.get_message(timeout=SECONDS)["data"] for _ in range(same)] == [b"hello"] * same


def test_clients_of_redis_reconnect_when_their_replica_leaves(serve: Serve) -> None:
    project = serve(REDIS, 6379, "--drain-timeout", "1")
    with ExitStack() as held:
        clients = [held.enter_context(closing(_redis(project.port))) for _ in range(CLIENTS)]
        before = [client.info("server")["run_id"] for client in clients]
        assert are_even(Counter(before).values(), CLIENTS)
        project.run("scale", "echo=1")
        after = [client.info("server")["run_id"] for client in clients]
        (left,) = set(after)
        assert left in before
        assert wait_until(lambda: connections_of(project) == [CLIENTS])
        project.run("scale", "echo=2")
        assert [client.info("server")["run_id"] for client in clients] == after
        with closing(_redis(project.port)) as newcomer:
            assert newcomer.info("server")["run_id"] != left


def test_postgresql(serve: Serve) -> None:
    project = serve(POSTGRESQL, 5432, user=1000)
    with ExitStack() as held:
        connections = [held.enter_context(_postgresql(project.port)) for _ in range(CLIENTS)]
        replicas = [_only(connection.execute("SELECT inet_server_addr()")) for connection in connections]
        assert are_even(Counter(replicas).values(), CLIENTS)
        for connection in connections:
            rows = connection.execute("SELECT number FROM generate_series(1, 10000) AS number").fetchall()
            assert [number for (number,) in rows] == list(range(1, 10_001))
        connections[0].execute("CREATE TABLE numbers (number integer)")
        with connections[0].cursor().copy("COPY numbers FROM STDIN") as copy:
            for number in range(10_000):
                copy.write_row((number,))
        assert _only(connections[0].execute("SELECT sum(number) FROM numbers")) == sum(range(10_000))


def test_mariadb_which_speaks_first(serve: Serve) -> None:
    project = serve(MARIADB, 3306, user=1000)
    with ExitStack() as held:
        connections = [held.enter_context(_mariadb(project.port)) for _ in range(CLIENTS)]
        replicas = [_asked(connection, "SELECT @@hostname") for connection in connections]
        assert are_even(Counter(replicas).values(), CLIENTS)
        assert _asked(connections[0], "SELECT repeat('x', 1000000)") == "x" * 1_000_000


def test_mosquitto(serve: Serve) -> None:
    project = serve(MOSQUITTO, 1883)
    with ExitStack() as held:
        clients = [held.enter_context(_Subscriber(project.port)) for _ in range(CLIENTS)]
        assert wait_until(lambda: are_even(connections_of(project), CLIENTS))
        for client in clients:
            client.publish(b"hello")
        # Each hears what was published at its own replica.
        heard = sorted(number for number in connections_of(project) for _ in range(number))
        assert wait_until(lambda: sorted(len(client.heard) for client in clients) == heard)


def test_the_banner_of_ssh(serve: Serve) -> None:
    project = serve(SSHD, 22)
    with ExitStack() as held:
        clients = [held.enter_context(socket.create_connection((HOST, project.port), SECONDS)) for _ in range(CLIENTS)]
        for client in clients:
            assert held.enter_context(client.makefile("rb")).readline().startswith(b"SSH-2.0-OpenSSH")
        assert wait_until(lambda: are_even(connections_of(project), CLIENTS))


def test_http_2_of_nginx(serve: Serve) -> None:
    words = ("--policy", "round-robin")  # by requests in flight, the quicker one of the two gets more
    project = serve(NGINX, 80, *words, more={"nginx.conf": NGINX_CONF.format(server=HTTP_2_SERVER)})
    url = f"http://{HOST}:{project.port}/"
    said = _said_by("h2load", "-n", "2000", "-c", "4", "-m", "10", url)
    assert "2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout" in said
    assert [backend["requests"] for backend in project.status()["backends"]] == [pytest.approx(1000, abs=100)] * 2
    assert len(_said_by("nghttp", "--multiply=2", url).strip()) == 2 * CONTAINER_ID
    replica, version = _said_by("curl", "-s", "--http2-prior-knowledge", "--write-out", " %{http_version}", url).split()
    assert (len(replica), version) == (CONTAINER_ID, "2")
    assert "auto: http/2" in project.run("status")


def test_tls_of_nginx(serve: Serve, tmp_path: Path) -> None:
    vouched = CertificateAuthority().vouch(tmp_path / "tls", NAME)
    project = serve(NGINX, 8443, more={"nginx.conf": NGINX_CONF.format(server=TLS_SERVER)})
    context = ssl.create_default_context(cafile=vouched / "ca.pem")
    with ExitStack() as held:
        clients = [held.enter_context(_tls(project.port, context)) for _ in range(CLIENTS)]
        replicas = Counter(_asked_twice(client) for client in clients)
        assert are_even(replicas.values(), CLIENTS)
    words = ("-connect", f"{HOST}:{project.port}", "-servername", NAME, "-CAfile", f"{vouched / 'ca.pem'}", "-brief")
    said = subprocess.run(["openssl", "s_client", *words], input="", capture_output=True, text=True, timeout=SECONDS)
    assert "Verification: OK" in said.stdout + said.stderr
    assert "auto: tls" in project.run("status")


def test_each_service_of_the_example_is_balanced_its_own_way(project: ComposeProject, tmp_path: Path) -> None:
    ports = {"WEB_PORT": free_port(), "CALLS_PORT": free_port(), "CACHE_PORT": free_port()}
    project.file.write_bytes((ROOT / "examples/protocols/docker-compose.yml").read_bytes())
    (tmp_path / "nginx.conf").write_text(NGINX_CONF.format(server=WEB_SERVER))
    machine = ", ".join(f"{folder}:{folder}:ro" for folder in dict.fromkeys(MACHINE))
    places = {"peers": PEERS, "folder": tmp_path, "root": ROOT, "machine": machine, "python": sys.executable}
    override = OVERRIDE.format(image=ECHO_IMAGE, redis=REDIS, nginx=NGINX, **places)
    (project.folder / "docker-compose.override.yml").write_text(override)
    balanced = ("--balance", "web=2", "--balance", "calls=2", "--balance", "cache=2")
    project.run("up", *balanced, "-d", **{name: f"{port}" for name, port in ports.items()})
    for service in ("web", "calls", "cache"):
        assert wait_until(lambda service=service: _phases(project, service) == ["ready"] * 2)
    assert len({answer.text for answer in burst(ports["WEB_PORT"], 20, 4)}) == 2
    with closing(GrpcClient(ports["CALLS_PORT"])) as client:
        served = Counter(client.unary(b"", timeout=SECONDS) for _ in range(40))
    assert len(served) == 2
    assert min(served.values()) >= 10
    with ExitStack() as held:
        clients = [held.enter_context(closing(_redis(ports["CACHE_PORT"]))) for _ in range(CLIENTS)]
        replicas = [client.info("server")["run_id"] for client in clients]
        assert are_even(Counter(replicas).values(), CLIENTS)
    table = project.run("status")
    for service, protocol in {"web": "auto: http/1.1", "calls": "auto: http/2", "cache": "tcp"}.items():
        assert re.search(rf"\]:{ports[f'{service.upper()}_PORT']}  {protocol}  ", table), table


# Private


class _Subscriber:
    """A client of the broker that is subscribed to one topic; `heard` are the messages."""

    def __init__(self, port: int) -> None:
        self.heard: list[bytes] = []
        self._subscribed = False
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda client, data, message: self.heard.append(message.payload)
        self._client.on_subscribe = self._on_subscribe
        self._client.connect(HOST, port)
        self._client.loop_start()

    def __enter__(self) -> _Subscriber:
        self._client.subscribe("news", qos=1)
        assert wait_until(lambda: self._subscribed)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, payload: bytes) -> None:
        self._client.publish("news", payload, qos=1).wait_for_publish(SECONDS)

    def _on_subscribe(self, *arguments: object) -> None:
        self._subscribed = True


def _said_by(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True).stdout


def _redis(port: int) -> Any:
    return redis.Redis(HOST, port, single_connection_client=True, socket_timeout=SECONDS)


def _postgresql(port: int) -> psycopg.Connection[Any]:
    return psycopg.connect(host=HOST, port=port, user="peer", dbname="postgres", connect_timeout=SECONDS)


def _only(cursor: psycopg.Cursor[Any]) -> Any:
    ((value,),) = cursor.fetchall()
    return value


def _mariadb(port: int) -> pymysql.Connection[Any]:
    return pymysql.connect(host=HOST, port=port, user="peer", connect_timeout=SECONDS)


def _asked(connection: pymysql.Connection[Any], query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        ((value,),) = cursor.fetchall()
    return value


def _tls(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection((HOST, port), SECONDS)
    try:
        return context.wrap_socket(plain, server_hostname=NAME)
    except BaseException:
        plain.close()
        raise


def _asked_twice(client: ssl.SSLSocket) -> str:
    """The replica that has answered both requests of a connection."""
    answers = set()
    for _ in range(2):
        client.sendall(f"GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode())
        response = HTTPResponse(client)
        response.begin()
        answers.add(response.read().decode())
    (answer,) = answers
    replica, _, name = answer.partition(" ")
    assert name == NAME
    return replica


def _phases(project: ComposeProject, service: str) -> list[str]:
    return [backend["phase"] for backend in project.status(service)["backends"]]
