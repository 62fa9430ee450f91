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
from composectl.daemon.admin import Views, bind_views
from composectl.daemon.background import Announce, detach
from composectl.daemon.daemon import Running
from composectl.daemon.maintenance import drain, undrain
from composectl.daemon.readiness import settle
from composectl.daemon.service import Balanced
from composectl.daemon.serving import Background, print_changes, prints_lines, sayer, serving, shown, until_asked
from composectl.daemon.shutdown import Interrupted, Interrupts, unless
from composectl.proxy.listener import PortTaken
from composectl.proxy.port_owner import occupant

_SETTLE_SECONDS = 1.0
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
        return detach(lambda announce: run(_proxy(open_proxy, announce)), background)
    return run(_proxy(open_proxy, None))


def bind_and_claim(balanced: Balanced, admin: AdminConfig, name: str, folder: Path) -> tuple[Claim, Views]:
    """Its name, by default that of its port, and all its ports; nothing where one cannot be had.

    Raises ComposectlError.
    """
    with ExitStack() as undo:
        undo.callback(balanced.close)
        _bind(balanced, folder)
        bound = bind_views(admin, folder)
        undo.callback(bound.close)
        claim = Claim(folder, name or f"proxy-{balanced.listeners[0].rpartition(':')[2]}")
        undo.pop_all()
    return claim, bound


# Private


async def _proxy(open_proxy: Open, announce: Announce | None) -> int:
    with Interrupts() as interrupts:
        try:
            proxy = await unless(interrupts.asked, open_proxy())
        except Interrupted:
            return interrupts.exit_code
        try:
            background = [work() for work in proxy.background]
            handlers = _handlers(proxy, interrupts)
            async with serving(proxy.running, handlers, *background):
                await proxy.running.views.open(handlers, partial(_refuse, proxy))
                with suppress(Interrupted):
                    await _work(proxy, interrupts, announce)
                return interrupts.exit_code
        finally:
            proxy.running.close()


async def _work(proxy: Proxy, interrupts: Interrupts, announce: Announce | None) -> None:
    running = proxy.running
    await unless(interrupts.asked, _start(running))
    if prints_lines(running, announce):
        sayer(running)(proxy.summary)
        print_changes(running)
    async with shown(running, announce, proxy.summary):
        await until_asked(interrupts, announce)
        await unless(interrupts.forced, running.drain())


async def _start(running: Running) -> None:
    """Accept clients once the backends were looked at: until then the kernel's backlog holds them."""
    await settle(running, _SETTLE_SECONDS)
    for balanced in running.balanced.values():
        await balanced.serve()


def _bind(balanced: Balanced, folder: Path) -> None:
    try:
        for port in balanced.unbound:
            balanced.bind(port)
    except PortTaken as taken:
        raise errors.port_taken(taken.address, occupant(taken.port, folder)) from taken


def _handlers(proxy: Proxy, interrupts: Interrupts) -> Handlers:
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
        stop=interrupts.ask,
    )


async def _refuse(proxy: Proxy, _: Scaling | Rollout | Verdict | str, __: Progress) -> None:
    raise proxy.refusal
