"""`composectl proxy`: the same proxy over fixed backends, without Docker, Compose or a project."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

from composectl import errors
from composectl.commands.balanced import Balanced
from composectl.commands.dashboard import bind_dashboard
from composectl.commands.detach import Announce, detach
from composectl.commands.fixed import FixedWish
from composectl.commands.interrupts import Interrupted, Interrupts, unless
from composectl.commands.invocation import Invocation
from composectl.commands.loop import run
from composectl.commands.metrics import bind_metrics
from composectl.commands.occupant import occupant
from composectl.commands.readiness import settle
from composectl.commands.resting import drain, undrain
from composectl.commands.running import Running
from composectl.commands.serving import print_changes, prints_lines, say, serving, shown
from composectl.control.api import Handlers
from composectl.control.claim import Claim
from composectl.control.folder import runtime_folder
from composectl.control.obeying import Progress
from composectl.control.orders import Rollout, Scaling, Verdict
from composectl.journal import Journal
from composectl.proxy.gate import make_gate
from composectl.proxy.listen import PortTaken

_SERVICE = "proxy"
_SETTLE_SECONDS = 1.0


def proxy(invocation: Invocation, wish: FixedWish) -> int:
    """Run until Ctrl-C, or with `-d` until there is a background process that serves. Returns the exit code."""
    folder = runtime_folder(invocation.environ)
    if wish.detach:
        return detach(lambda announce: run(_proxy(wish, folder, announce)))
    return run(_proxy(wish, folder, None))


# Private


async def _proxy(wish: FixedWish, folder: Path, announce: Announce | None) -> int:
    with Interrupts() as interrupts:
        running = _opened(wish, folder)
        handlers = _handlers(running, interrupts)
        try:
            async with serving(running, handlers):
                await running.show(handlers, partial(_refuse, running))
                with suppress(Interrupted):
                    await _work(running, interrupts, announce)
                return interrupts.exit_code
        finally:
            running.close()


async def _work(running: Running, interrupts: Interrupts, announce: Announce | None) -> None:
    await unless(interrupts.asked, _start(running))
    if prints_lines(announce):
        say(_summary(running))
        print_changes(running)
    async with shown(running, announce, _summary(running)):
        await interrupts.asked.wait()
        await unless(interrupts.forced, running.drain())


async def _start(running: Running) -> None:
    """Accept clients once the backends were looked at: until then the kernel's backlog holds them."""
    await running.be_scraped()
    await settle(running, _SETTLE_SECONDS)
    for balanced in running.balanced.values():
        await balanced.serve()


def _opened(wish: FixedWish, folder: Path) -> Running:
    """A composectl that holds its ports and its name, and serves nobody yet. Raises ComposectlError."""
    journal, gate = Journal(), make_gate(wish.balancing.connections)
    balanced = Balanced(_SERVICE, len(wish.backends), wish.ports, wish.balancing, gate, journal)
    with ExitStack() as undo:
        undo.callback(balanced.close)
        _bind(balanced, folder)
        metrics = bind_metrics(wish.metrics, folder)
        if metrics:
            undo.callback(metrics.close)
        dashboard = bind_dashboard(wish.dashboard, folder)
        if dashboard:
            undo.callback(dashboard.close)
        claim = Claim(folder, wish.name or _name_after(balanced))
        undo.pop_all()
    balanced.pool.observe(wish.replicas)
    running = Running(claim, "", journal, {_SERVICE: balanced})
    running.metrics, running.dashboard = metrics, dashboard
    return running


def _bind(balanced: Balanced, folder: Path) -> None:
    try:
        for port in balanced.unbound:
            balanced.bind(port)
    except PortTaken as taken:
        raise errors.port_taken(taken.address, occupant(taken.port, folder)) from taken


def _name_after(balanced: Balanced) -> str:
    return f"{_SERVICE}-{balanced.listeners[0].rpartition(':')[2]}"


def _handlers(running: Running, interrupts: Interrupts) -> Handlers:
    refuse = partial(_refuse, running)

    return Handlers(
        about=running.about,
        snapshot=running.snapshot,
        events=running.events,
        scraping=running.scraping,
        scale=refuse,
        rollout=refuse,
        judge=refuse,
        drain=partial(drain, running),
        undrain=partial(undrain, running),
        estate=None,
        stop=interrupts.ask,
    )


async def _refuse(running: Running, _: Scaling | Rollout | Verdict | str, __: Progress) -> None:
    raise errors.fixed_backends(running.claim.project)


def _summary(running: Running) -> str:
    balanced = running.service(_SERVICE)
    backends = "1 backend" if balanced.wanted == 1 else f"{balanced.wanted} backends"
    return f"{running.claim.project}: {backends} behind {', '.join(balanced.listeners)}\n"
