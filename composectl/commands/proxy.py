"""`composectl proxy --backend`: the same proxy over fixed backends, without Docker, Compose or a project."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from composectl import errors
from composectl.commands.access_logging import open_log
from composectl.commands.balanced import Balanced
from composectl.commands.fixed import FixedWish
from composectl.commands.invocation import Invocation
from composectl.commands.proxying import Proxy, bind_and_claim, run_proxy
from composectl.commands.running import Running
from composectl.control.folder import runtime_folder
from composectl.control.state import state_folder
from composectl.journal import Journal
from composectl.proxy.gate import make_gate

_SERVICE = "proxy"


def proxy(invocation: Invocation, wish: FixedWish) -> int:
    """Run until Ctrl-C, or with `-d` until there is a background process that serves. Returns the exit code."""
    background = state_folder(invocation.environ) if wish.detach else None
    return run_proxy(partial(_opened, wish, runtime_folder(invocation.environ)), background)


# Private


async def _opened(wish: FixedWish, folder: Path) -> Proxy:
    """Raises ComposectlError."""
    journal, gate = Journal(), make_gate(wish.balancing.connections)
    log = open_log(wish.log)
    balanced = Balanced(_SERVICE, len(wish.backends), wish.ports, wish.balancing, gate, journal, log=log)
    claim, views = bind_and_claim(balanced, wish.views, wish.name, folder)
    balanced.pool.observe(wish.replicas)
    running = Running(claim, "", journal, {_SERVICE: balanced}, log)
    running.views = views
    return Proxy(running, _counted(len(wish.backends)), errors.fixed_backends(claim.project))


def _counted(backends: int) -> str:
    return "1 backend" if backends == 1 else f"{backends} backends"
