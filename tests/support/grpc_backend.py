"""A gRPC server of grpcio, with all four kinds of calls, health and reflection, and a client of it by any port."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

SERVICE = "test.Echo"
SLOW, FAILING = b"slow", b"fail"
_GRACE, _PATIENCE = 5.0, 60.0


class GrpcBackend:
    """Answers `unary` with its name and the request; `entered`: a slow call is here, until it is `released`."""

    def __init__(
        self, name: str, port: int = 0, host: str = "127.0.0.1", credentials: grpc.ServerCredentials | None = None
    ) -> None:
        self.name = name
        self.entered = threading.Event()
        self.cancelled = threading.Event()
        self.released = threading.Event()
        self._server = grpc.server(futures.ThreadPoolExecutor(64))
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self._unary),
            "ServerStream": grpc.unary_stream_rpc_method_handler(self._server_stream),
            "ClientStream": grpc.stream_unary_rpc_method_handler(self._client_stream),
            "Both": grpc.stream_stream_rpc_method_handler(self._both),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.health = health.HealthServicer()
        for service in ("", SERVICE):
            self.health.set(service, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME), self._server)
        address = f"{host}:{port}"
        if credentials is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, credentials)
        self._server.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def close(self, grace: float = 0.0) -> None:
        self.released.set()
        self._server.stop(grace).wait(_GRACE)

    # Private

    def _unary(self, request: bytes, context: Any) -> bytes:
        context.set_trailing_metadata((("served-by", self.name),))
        if request == FAILING:
            context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
        if request == SLOW:
            if not context.add_callback(self.cancelled.set):
                self.cancelled.set()
            self.entered.set()
            self.released.wait(_PATIENCE)
        return self.name.encode() + b":" + request

    def _server_stream(self, request: bytes, context: Any) -> Iterator[bytes]:
        for number in range(int(request)):
            yield b"%d" % number

    def _client_stream(self, requests: Iterator[bytes], context: Any) -> bytes:
        return b",".join(requests)

    def _both(self, requests: Iterator[bytes], context: Any) -> Iterator[bytes]:
        for request in requests:
            yield b"<" + request + b">"


class GrpcClient:
    """One channel to a port of this machine, with the calls of such a server; close it in the end.

    `options`: further ones of the channel. `ca`: the certificate of the authority that it trusts to vouch for `name`,
    where it speaks TLS. `states`: those that it has been in.
    """

    def __init__(self, port: int, *options: tuple[str, int | str], ca: bytes = b"", name: str = "") -> None:
        target, options = f"127.0.0.1:{port}", (("grpc.use_local_subchannel_pool", 1), *options)
        if ca:
            credentials = grpc.ssl_channel_credentials(ca)
            options = (*options, ("grpc.ssl_target_name_override", name))
            self._channel = grpc.secure_channel(target, credentials, options=options)
        else:
            self._channel = grpc.insecure_channel(target, options=options)
        self.states: list[grpc.ChannelConnectivity] = []
        self._channel.subscribe(self.states.append)
        self.unary = self._channel.unary_unary(f"/{SERVICE}/Unary")
        self.server_stream = self._channel.unary_stream(f"/{SERVICE}/ServerStream")
        self.client_stream = self._channel.stream_unary(f"/{SERVICE}/ClientStream")
        self.both = self._channel.stream_stream(f"/{SERVICE}/Both")

    def health(self, service: str) -> int:
        """What the health service answers for one of this name."""
        stub = health_pb2_grpc.HealthStub(self._channel)
        return int(stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=_PATIENCE).status)

    def services(self) -> list[str]:
        """Those that reflection names."""
        return list(ProtoReflectionDescriptorDatabase(self._channel).get_services())

    def close(self) -> None:
        self._channel.close()
