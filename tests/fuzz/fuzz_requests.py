"""A target for libFuzzer: whatever a client sends. `make fuzz` runs it."""

import sys

import atheris

with atheris.instrument_imports(include=["composectl", "h11"]):
    from tests.support.judge_requests import judge_blindly

atheris.Setup(sys.argv, judge_blindly)
atheris.Fuzz()
