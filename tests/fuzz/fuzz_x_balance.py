"""A target for libFuzzer: whatever stands under `x-balance`. `make fuzz` runs it."""

import sys

import atheris

with atheris.instrument_imports(include=["composectl"]):
    from tests.support.judge_x_balance import judge_blindly

atheris.Setup(sys.argv, judge_blindly)
atheris.Fuzz()
