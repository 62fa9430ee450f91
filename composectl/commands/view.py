"""A server for whoever looks at one running composectl, at a port of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from composectl import errors
from composectl.balance.snapshot import join_address
from composectl.commands.addresses import Address
from composectl.commands.occupant import occupant
from composectl.control.reception import Reception
from composectl.proxy.listen import PortTaken, bind

Listening = Mapping[str, Sequence[socket.socket]]
Refuse = Callable[[errors.ComposectlError], errors.ComposectlError]


class View:
    """Holds the port that `option` asked for until `close`: one of the `inherited`, or else one that is free.

    Raises what `refuse` makes of the reason, where it cannot be had.
    """

    def __init__(self, option: str, at: Address, folder: Path, inherited: Listening, refuse: Refuse) -> None:
        self._name = f"{option} {join_address(at.host, at.port)}"
        self.sockets = list(inherited.get(self._name, ())) or _bound(at, folder, refuse)
        self.reception: Reception | None = None

    @property
    def listening(self) -> Listening:
        """The listening sockets, by a name that no service has."""
        return {self._name: self.sockets}

    async def shut(self) -> None:
        """Answer no more."""
        reception, self.reception = self.reception, None
        if reception is not None:
            await reception.cleanup()

    def close(self) -> None:
        """Free the port."""
        for one in self.sockets:
            one.close()


# Private


def _bound(at: Address, folder: Path, refuse: Refuse) -> list[socket.socket]:
    try:
        return bind(at.host, (at.port,))
    except PortTaken as taken:
        raise refuse(errors.port_taken(taken.address, occupant(taken.port, folder))) from taken
    except errors.ComposectlError as error:
        raise refuse(error) from error
