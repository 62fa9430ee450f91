"""`composectl proxy`: balance over backends that are static, or over the replicas of a service."""

from __future__ import annotations

from typing import Any

import click

from composectl.compose.options import Invocation
from composectl.config.options import options_of
from composectl.config.settings import settings_of


@click.command()
@options_of("proxy")
@click.pass_obj
def proxy(invocation: Invocation, /, **typed: Any) -> int:
    """Balance over static backends, or over a service that something else scales.

    Without --backend, the replicas of a service are the backends, as Compose scales it: the proxy runs in a container
    beside them, and the project is that of the container, or the one that -p names. With --swarm-service, the tasks of
    a service of a swarm are: at ports of their nodes, or on a network that the proxy shares with them.

    \b
    composectl proxy --listen 8080 --backend 127.0.0.1:9001 --backend 127.0.0.1:9002
    composectl proxy --listen 127.0.0.1:8080 --backend app.internal:80 --policy p2c
    composectl proxy --listen [::1]:8080 --backend [::1]:9001 --name edge -d
    composectl -p edge status
    composectl -p edge down
    composectl -p shop proxy --service echo --listen 9090
    composectl proxy --swarm-service shop_echo --listen 9090
    """
    from composectl.config.proxy import make_proxy_config
    from composectl.daemon.proxy import proxy as run_proxy

    flags = settings_of("proxy", typed)
    return run_proxy(invocation, make_proxy_config(flags, invocation.options.project_name, invocation.environ))
