"""Compiles the hot path into a wheel where a C compiler is found; without one, the same modules run as they are."""

from __future__ import annotations

import sys

from setuptools import Extension, setup

HOT_PATH = [
    "composectl/balance/backend.py",
    "composectl/balance/change.py",
    "composectl/balance/latency.py",
    "composectl/balance/phase.py",
    "composectl/balance/policy/least_request.py",
    "composectl/balance/policy/policy.py",
    "composectl/balance/pool.py",
    "composectl/balance/rate.py",
    "composectl/balance/replica.py",
    "composectl/balance/retry.py",
    "composectl/proxy/access_line.py",
    "composectl/proxy/access_log.py",
    "composectl/proxy/admission.py",
    "composectl/proxy/clock.py",
    "composectl/proxy/connections.py",
    "composectl/proxy/date.py",
    "composectl/proxy/entry.py",
    "composectl/proxy/exchange.py",
    "composectl/proxy/fault.py",
    "composectl/proxy/head.py",
    "composectl/proxy/inbound.py",
    "composectl/proxy/lingering.py",
    "composectl/proxy/outbound.py",
    "composectl/proxy/pages.py",
    "composectl/proxy/protocol.py",
    "composectl/proxy/quiet.py",
    "composectl/proxy/reader.py",
    "composectl/proxy/request_id.py",
    "composectl/proxy/route.py",
    "composectl/proxy/tunnel.py",
    "composectl/proxy/waiting_room.py",
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
