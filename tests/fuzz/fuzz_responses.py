"""A target for libFuzzer: whatever backends send. `make fuzz` runs it."""

import sys

import atheris

with atheris.instrument_imports(include=["composectl", "h11"]):
    from tests.support.judge_responses import judge_blindly

atheris.Setup(sys.argv, judge_blindly)
atheris.Fuzz()
