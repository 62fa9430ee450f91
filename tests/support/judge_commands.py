"""Whatever is sent to the control API as a command: taken if the shipped document says so, else refused in one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import Any

from aiohttp import web
from jsonschema import Draft202012Validator

from composectl.control.api import read_command
from composectl.control.commands import parse_backend_ref, parse_canary_decision, parse_rollout, parse_scale

_SPEC: dict[str, Any] = json.loads(files("composectl.control").joinpath("openapi.json").read_text())
_PARSERS: dict[str, Callable[[Any], object]] = {
    "/v1/scale": parse_scale,
    "/v1/rollout": parse_rollout,
    "/v1/rollout/promote": partial(parse_canary_decision, promote=True),
    "/v1/drain": parse_backend_ref,
}


def judge(path: str, body: bytes) -> bool:
    """Whether it is taken. Raises AssertionError where that, or the refusal, is not what it should be."""
    try:
        command = read_command(body, _PARSERS[path])
    except web.HTTPBadRequest as refused:
        _check_refusal(refused)
        return False
    hash(repr(command))
    assert _VALIDATORS[path].is_valid(json.loads(body)), body
    return True


def judge_blindly(data: bytes) -> None:
    """As `judge`; the first byte chooses the path."""
    paths = list(_PARSERS)
    judge(paths[data[0] % len(paths) if data else 0], data[1:])


# Private


def _schema_of(path: str) -> Draft202012Validator:
    content = _SPEC["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    return Draft202012Validator({**content["schema"], "components": _SPEC["components"]})


_VALIDATORS = {path: _schema_of(path) for path in _PARSERS}


def _check_refusal(refused: web.HTTPBadRequest) -> None:
    assert refused.status == HTTPStatus.BAD_REQUEST
    body = json.loads(refused.text or "")
    assert body.keys() == {"error", "hint"}
    assert body["error"].isprintable()
    assert len(body["error"]) < 100
