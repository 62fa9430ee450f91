"""Compiles the hot path into a wheel where a C compiler is found; without one, the same modules run as they are."""

from __future__ import annotations

import sys

from setuptools import Extension, setup

HOT_PATH = [
    "composectl/balance/backend.py",
    "composectl/balance/lease.py",
    "composectl/balance/phase.py",
    "composectl/balance/policy/least_request.py",
    "composectl/balance/policy/policy.py",
    "composectl/balance/pool.py",
    "composectl/balance/retry.py",
    "composectl/balance/stats.py",
    "composectl/proxy/access_log.py",
    "composectl/proxy/access_log_format.py",
    "composectl/proxy/connection_pool.py",
    "composectl/proxy/error_pages.py",
    "composectl/proxy/exchange.py",
    "composectl/proxy/head.py",
    "composectl/proxy/http1/backend_connection.py",
    "composectl/proxy/http1/client_connection.py",
    "composectl/proxy/http1/lingering.py",
    "composectl/proxy/http1/request_parser.py",
    "composectl/proxy/limits.py",
    "composectl/proxy/queue.py",
    "composectl/proxy/sockets.py",
    "composectl/proxy/tunnel.py",
    "composectl/proxy/upstream.py",
]


def compiled() -> list[Extension]:
    """The extensions of a wheel; none of an editable installation, whose sources change."""
    if "bdist_wheel" not in sys.argv:
        return []
    from mypyc.build import mypycify

    extensions = mypycify(HOT_PATH)
    for extension in extensions:
        extension.optional = True
    return extensions


setup(ext_modules=compiled())
