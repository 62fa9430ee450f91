"""A gRPC server for a container: `python -m tests.support.grpc_server PORT`; it answers with the container's name."""

from __future__ import annotations

import signal
import socket
import sys

from tests.support.grpc_backend import GrpcBackend

_GRACE = 10.0


def main() -> None:
    server = GrpcBackend(socket.gethostname(), int(sys.argv[1]), host="0.0.0.0")
    signal.sigwait({signal.SIGTERM})
    server.close(_GRACE)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    main()
