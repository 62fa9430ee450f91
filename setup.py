"""Compiles the hot path into a wheel where a C compiler is found; without one, the same modules run as they are."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import BaseError, CCompilerError

HOT_PATH = [
    "composectl/balance/backend.py",
    "composectl/balance/following_pool.py",
    "composectl/balance/lease.py",
    "composectl/balance/phase.py",
    "composectl/balance/policy/capped.py",
    "composectl/balance/policy/least_request.py",
    "composectl/balance/policy/policy.py",
    "composectl/balance/pool.py",
    "composectl/balance/retry.py",
    "composectl/balance/sessions.py",
    "composectl/balance/shared_pool.py",
    "composectl/balance/stats.py",
    "composectl/proxy/access_log.py",
    "composectl/proxy/access_log_format.py",
    "composectl/proxy/acceptor.py",
    "composectl/proxy/attempts.py",
    "composectl/proxy/backend_stream.py",
    "composectl/proxy/body_splice.py",
    "composectl/proxy/client_address.py",
    "composectl/proxy/client_stream.py",
    "composectl/proxy/connection_pool.py",
    "composectl/proxy/detection.py",
    "composectl/proxy/error_pages.py",
    "composectl/proxy/exchange.py",
    "composectl/proxy/failures.py",
    "composectl/proxy/field_edits.py",
    "composectl/proxy/first_bytes.py",
    "composectl/proxy/forwarding.py",
    "composectl/proxy/guarded_exchange.py",
    "composectl/proxy/guards.py",
    "composectl/proxy/handled_fields.py",
    "composectl/proxy/head.py",
    "composectl/proxy/http1/backend_connection.py",
    "composectl/proxy/http1/chunks.py",
    "composectl/proxy/http1/client_connection.py",
    "composectl/proxy/http1/dispatcher.py",
    "composectl/proxy/http1/encoding.py",
    "composectl/proxy/http1/head_end.py",
    "composectl/proxy/http1/head_cache.py",
    "composectl/proxy/http1/lingering.py",
    "composectl/proxy/http1/request_line.py",
    "composectl/proxy/http1/request_parser.py",
    "composectl/proxy/http1/response_reader.py",
    "composectl/proxy/http2/backend_connection.py",
    "composectl/proxy/http2/backend_stream.py",
    "composectl/proxy/http2/client_connection.py",
    "composectl/proxy/http2/client_stream.py",
    "composectl/proxy/http2/compression.py",
    "composectl/proxy/http2/connection.py",
    "composectl/proxy/http2/connection_pool.py",
    "composectl/proxy/http2/field_table.py",
    "composectl/proxy/http2/flow.py",
    "composectl/proxy/http2/frames.py",
    "composectl/proxy/http2/grpc_health.py",
    "composectl/proxy/http2/grpc_streams.py",
    "composectl/proxy/http2/header_block.py",
    "composectl/proxy/http2/huffman.py",
    "composectl/proxy/http2/request.py",
    "composectl/proxy/http2/request_reader.py",
    "composectl/proxy/http2/response.py",
    "composectl/proxy/http2/stalls.py",
    "composectl/proxy/http2/websocket.py",
    "composectl/proxy/limits.py",
    "composectl/proxy/listener_context.py",
    "composectl/proxy/peer.py",
    "composectl/proxy/poller.py",
    "composectl/proxy/queue.py",
    "composectl/proxy/refusal.py",
    "composectl/proxy/replay.py",
    "composectl/proxy/request_id.py",
    "composectl/proxy/router.py",
    "composectl/proxy/routes.py",
    "composectl/proxy/seats.py",
    "composectl/proxy/session_fields.py",
    "composectl/proxy/shared_cap.py",
    "composectl/proxy/shared_connection_limit.py",
    "composectl/proxy/socket_transport.py",
    "composectl/proxy/sockets.py",
    "composectl/proxy/tcp.py",
    "composectl/proxy/tls_acceptor.py",
    "composectl/proxy/tls_hello.py",
    "composectl/proxy/tls_transport.py",
    "composectl/proxy/splice.py",
    "composectl/proxy/token_buckets.py",
    "composectl/proxy/trailers.py",
    "composectl/proxy/tunnel.py",
    "composectl/proxy/upstreams.py",
]

# Each part calls the others through Python or in the one library: none needs a symbol, or a page of its own.
SMALLER_COMPILED = ["-fvisibility=hidden", "-fno-asynchronous-unwind-tables"]
SMALLER_LINKED = ["-Wl,-z,noseparate-code"]


class AllOrNothing(build_ext):
    """The parts of the hot path need each other: where one cannot be compiled, none is."""

    def build_extensions(self) -> None:
        try:
            super().build_extensions()
        except (BaseError, CCompilerError) as error:
            self.warn(f"the hot path is not compiled: {error}")
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions = []


def hot_path() -> list[Extension]:
    """The extensions of a wheel; none of a pure one, and of an editable installation, whose sources change."""
    missing = [path for path in HOT_PATH if not Path(path).is_file()]
    if missing:
        sys.exit(f"error: HOT_PATH of setup.py names files that do not exist: {', '.join(missing)}")
    if "bdist_wheel" not in sys.argv or os.environ.get("COMPOSECTL_PURE") == "1":
        return []
    from mypyc.build import mypycify

    extensions: list[Extension] = mypycify(HOT_PATH)
    if sys.platform == "linux":
        for extension in extensions:
            extension.extra_compile_args += SMALLER_COMPILED
            extension.extra_link_args += SMALLER_LINKED
    return extensions


setup(ext_modules=hot_path(), cmdclass={"build_ext": AllOrNothing})
