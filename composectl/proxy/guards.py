"""The guards of a service: which clients it answers, and how many of their requests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import monotonic_ns
from typing import Final

from composectl import errors
from composectl.proxy.basic_auth import BasicAuth
from composectl.proxy.client_address import client_key
from composectl.proxy.errors import ErrorReason
from composectl.proxy.head import Fields
from composectl.proxy.limits import GuardConfig, is_within
from composectl.proxy.password_file import BadPasswordFile, read_password_file
from composectl.proxy.refusal import Refusal, refusal_for
from composectl.proxy.token_buckets import TokenBuckets

_REMEMBERED: Final = 16_384  # addresses
_AUTHORIZATION: Final = b"authorization"

_DENIED: Final = Refusal(403, ErrorReason.IP_NOT_ALLOWED, [])
_TOO_MANY_IN_FLIGHT: Final = Refusal(429, ErrorReason.TOO_MANY_IN_FLIGHT, [(b"Retry-After", b"1")])


class Guards:
    """Those of one service, whichever listener a client comes by; `basic_auth`: None where there are no users."""

    __slots__ = ("_allowed", "_are_admitted", "_buckets", "_denied", "_in_flight", "_max_in_flight", "basic_auth")

    def __init__(self, config: GuardConfig, basic_auth: BasicAuth | None = None) -> None:
        self.basic_auth = basic_auth
        self._allowed = config.allow_ip
        self._denied = config.deny_ip
        self._are_admitted: dict[str, bool] = {}
        self._buckets = None if config.rate_limit is None else TokenBuckets(config.rate_limit)
        self._max_in_flight = config.max_in_flight_per_client or 0
        self._in_flight: dict[str, int] = {}

    def admits_address(self, address: str) -> bool:
        """Whether clients at this address are answered at all."""
        if not (self._allowed or self._denied):
            return True
        is_admitted = self._are_admitted.get(address)
        if is_admitted is None:
            if len(self._are_admitted) >= _REMEMBERED:
                self._are_admitted.clear()
            is_admitted = not self._allowed or is_within(address, self._allowed)
            is_admitted = self._are_admitted[address] = is_admitted and not is_within(address, self._denied)
        return is_admitted

    def authorization_in(self, fields: Fields) -> bytes:
        """The field `Authorization`, where it is looked at; empty where there is none, or more than one."""
        if self.basic_auth is None:
            return b""
        found = [value for name, value in fields if is_authorization(name)]
        return found[0] if len(found) == 1 else b""

    def admit(self, address: str) -> Refusal | None:
        """Count a request of a client at this address, which `release` is to be called for; or why it is refused."""
        if not self.admits_address(address):
            return _DENIED
        client = client_key(address)
        if self._buckets is not None:
            wait = self._buckets.take(client, monotonic_ns())
            if wait:
                return refusal_for(ErrorReason.RATE_LIMITED, wait)
        if self._max_in_flight:
            in_flight = self._in_flight.get(client, 0)
            if in_flight >= self._max_in_flight:
                return _TOO_MANY_IN_FLIGHT
            self._in_flight[client] = in_flight + 1
        return None

    def sweep(self) -> None:
        """To be called once a second."""
        if self.basic_auth is not None:
            self.basic_auth.sweep()

    def release(self, address: str) -> None:
        """A request that was admitted has ended."""
        if not self._max_in_flight:
            return
        client = client_key(address)
        left = self._in_flight[client] - 1
        if left:
            self._in_flight[client] = left
        else:
            del self._in_flight[client]


def make_guards(
    config: GuardConfig,
    service: str = "",
    on_trouble: Callable[[str], None] = lambda sentence: None,
    processes: int = 1,
) -> Guards | None:
    """None where nothing is guarded; for `on_trouble` see `BasicAuth`. Raises ComposectlError for a bad file.

    `processes`: so many serve the same clients, each with its part of the rates.
    """
    if config == GuardConfig():
        return None
    if config.rate_limit is not None:
        config = replace(config, rate_limit=config.rate_limit.split(processes))
    if not config.basic_auth:
        return Guards(config)
    try:
        file = read_password_file(config.basic_auth)
    except BadPasswordFile as bad:
        raise errors.UsageError(f"the password file {config.basic_auth} {bad.fault}", bad.hint) from None
    return Guards(config, BasicAuth(file, service, on_trouble, processes))


def is_authorization(name: bytes) -> bool:
    return len(name) == len(_AUTHORIZATION) and name.lower() == _AUTHORIZATION
