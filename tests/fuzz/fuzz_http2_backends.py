"""A target for libFuzzer: whatever a backend of HTTP/2 sends. `make fuzz` runs it."""

import sys

import atheris

with atheris.instrument_imports(include=["composectl", "h2", "hpack"]):
    from tests.support.judge_http2 import judge_backend_blindly

atheris.Setup(sys.argv, judge_backend_blindly)
atheris.Fuzz()
