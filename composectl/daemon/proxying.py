"""What every `composectl proxy` does, wherever its backends come from: accept, show, drain, end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from composectl import errors
from composectl.config.admin import AdminConfig
from composectl.control.api import Handlers
from composectl.control.commands import Progress, Rollout, Scaling, Verdict
from composectl.control.lock import Claim
from composectl.control.pacing import run
from composectl.daemon.admin import AdminListeners, bind_admin_listeners
from composectl.daemon.background import ReadyNotifier, run_in_background
from composectl.daemon.daemon import Running
from composectl.daemon.maintenance import drain, undrain
from composectl.daemon.readiness import wait_for_stragglers
from composectl.daemon.service import BalancedService
from composectl.daemon.serving import Background, print_changes, prints_lines, sayer, serving, shown, until_shutdown
from composectl.daemon.shutdown import Interrupted, Shutdown, cancel_on
from composectl.proxy.listener import PortTaken
from composectl.proxy.port_owner import occupant

_STRAGGLER_TIMEOUT = 1.0
Open = Callable[[], Coroutine[Any, Any, "Proxy"]]


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that holds its ports and its name, and serves nobody yet.

    `before`: what it stands before, for people; `refusal`: why nobody scales or rolls out by it; `background`: what
    goes on while it serves.
    """

    running: Running
    before: str
    refusal: errors.ComposectlError
    background: tuple[Callable[[], Background], ...] = ()

    @property
    def summary(self) -> str:
        """A line that tells who stands before what, and where."""
        listeners = ", ".join(self.running.about().listeners)
        return f"{self.running.claim.project}: {self.before} behind {listeners}\n"


def run_proxy(open_proxy: Open, background: Path | None) -> int:
    """Run until Ctrl-C, or until there is a background process that serves. Returns the exit code.

    `background`: the folder for the log of that process; None to stay in the foreground.
    """
    if background is not None:
        return run_in_background(lambda notify_ready: run(_proxy(open_proxy, notify_ready)), background)
    return run(_proxy(open_proxy, None))


def bind_and_claim(
    balanced: BalancedService, admin: AdminConfig, name: str, folder: Path
) -> tuple[Claim, AdminListeners]:
    """Its name, by default that of its port, and all its ports; nothing where one cannot be had.

    Raises ComposectlError.
    """
    with ExitStack() as undo:
        undo.callback(balanced.close)
        _bind(balanced, folder)
        bound = bind_admin_listeners(admin, folder)
        undo.callback(bound.close)
        claim = Claim(folder, name or f"proxy-{balanced.listeners[0].rpartition(':')[2]}")
        undo.pop_all()
    return claim, bound


# Private


async def _proxy(open_proxy: Open, notify_ready: ReadyNotifier | None) -> int:
    with Shutdown() as shutdown:
        try:
            proxy = await cancel_on(shutdown.requested, open_proxy())
        except Interrupted:
            return shutdown.exit_code
        try:
            background = [work() for work in proxy.background]
            handlers = _handlers(proxy, shutdown)
            async with serving(proxy.running, handlers, *background):
                await proxy.running.views.open(handlers, partial(_refuse, proxy))
                with suppress(Interrupted):
                    await _work(proxy, shutdown, notify_ready)
                return shutdown.exit_code
        finally:
            proxy.running.close()


async def _work(proxy: Proxy, shutdown: Shutdown, notify_ready: ReadyNotifier | None) -> None:
    running = proxy.running
    await cancel_on(shutdown.requested, _start(running))
    if prints_lines(running, notify_ready):
        sayer(running)(proxy.summary)
        print_changes(running)
    async with shown(running, notify_ready, proxy.summary):
        await until_shutdown(shutdown, notify_ready)
        await cancel_on(shutdown.forced, running.drain())


async def _start(running: Running) -> None:
    """Accept clients once the backends were looked at: until then the kernel's backlog holds them."""
    await wait_for_stragglers(running, _STRAGGLER_TIMEOUT)
    for balanced in running.balanced.values():
        await balanced.serve()


def _bind(balanced: BalancedService, folder: Path) -> None:
    try:
        for port in balanced.unbound:
            balanced.bind(port)
    except PortTaken as taken:
        raise errors.port_taken(taken.address, occupant(taken.port, folder)) from taken


def _handlers(proxy: Proxy, shutdown: Shutdown) -> Handlers:
    refuse = partial(_refuse, proxy)
    return Handlers(
        about=proxy.running.about,
        snapshot=proxy.running.snapshot,
        events=proxy.running.events,
        scraping=proxy.running.scraping,
        scale=refuse,
        rollout=refuse,
        judge=refuse,
        drain=partial(drain, proxy.running),
        undrain=partial(undrain, proxy.running),
        estate=None,
        stop=shutdown.request,
    )


async def _refuse(proxy: Proxy, _: Scaling | Rollout | Verdict | str, __: Progress) -> None:
    raise proxy.refusal
