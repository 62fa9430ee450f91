"""A target for libFuzzer: whatever clients of the control API send. `make fuzz` runs it."""

import sys

import atheris

with atheris.instrument_imports(include=["composectl"]):
    from tests.support.judge_commands import judge_blindly

atheris.Setup(sys.argv, judge_blindly)
atheris.Fuzz()
