"""Compose on one machine: the engine that an invocation names, and the Compose that talks to it."""

from __future__ import annotations

from dataclasses import replace

from composectl.compose.binary import api_variables, find_compose
from composectl.compose.client import ComposeClient
from composectl.compose.options import Invocation
from composectl.engine.client import Engine
from composectl.engine.endpoint import Endpoint, child_environ, resolve_endpoint


def find_endpoint(invocation: Invocation) -> Endpoint:
    """Raises ComposectlError where the options and the environment name no engine."""
    return resolve_endpoint(invocation.host, invocation.context, invocation.environ)


def find_client(invocation: Invocation) -> ComposeClient:
    """Raises ComposectlError where there is no Compose, or no such engine."""
    environ = child_environ(invocation.environ, find_endpoint(invocation))
    return ComposeClient(find_compose(environ), invocation, environ)


async def with_known_api(client: ComposeClient) -> ComposeClient:
    """The client, restricted to a version of the engine's API that its Compose understands. Raises ComposectlError."""
    if not client.compose.is_v1:
        return client
    engine = await Engine.connect(find_endpoint(client.invocation))
    try:
        newest = (await engine.version()).newest
    finally:
        engine.close()
    return replace(client, environ={**api_variables(client.compose, newest), **client.environ})
