"""The two lines above a service's backends: who it is and how it fares."""

from composectl.balance.snapshot import ServiceView
from composectl.screen import palette
from composectl.screen.clock import uptime
from composectl.screen.figures import count, figure, recent, sparkline
from composectl.screen.harmless import harmless
from composectl.screen.line import GAP, Line, Piece, length, sentence, spread

_MINUTE = 60
_SHORTEST_SPARKLINE = 6


def header(service: ServiceView, now: float, width: int) -> list[Line]:
    return [_who(service, now, width), _how(service, width)]


# Private


def _who(service: ServiceView, now: float, width: int) -> Line:
    listeners = [(harmless(listener), palette.PLACE) for listener in service.listeners]
    up = (f"up {uptime(service.since, now)}", palette.QUIET)
    policy = (harmless(service.policy), palette.QUIET)
    return spread([(harmless(service.service), palette.TITLE), *listeners, up, policy], _readiness(service), width)


def _readiness(service: ServiceView) -> Piece:
    ready = sum(backend.phase == "ready" for backend in service.backends)
    if ready >= service.wanted:
        return f"{ready}/{service.wanted} ready", palette.GOOD
    return f"{ready}/{service.wanted} ready", palette.UNEASY if ready else palette.BAD


def _how(service: ServiceView, width: int) -> Line:
    rate = (f"{figure(recent(service.last_minute))}/s", palette.PLAIN)
    requests = (f"{count(service.totals.requests)} requests", palette.PLAIN)
    pieces = [requests, rate, *_canary(service), *_troubles(service)]
    room = min(_MINUTE, width - length(pieces) - GAP)
    if not service.last_minute or room < _SHORTEST_SPARKLINE:
        return sentence(pieces, width)
    return spread(pieces, (sparkline(service.last_minute, room), palette.FAINT), width)


def _canary(service: ServiceView) -> list[Piece]:
    held = {backend.number: backend.canary for backend in service.backends if backend.canary}
    return [(f"canary {', '.join(map(str, held))} at {100 * max(held.values()):g}%", palette.UNEASY)] if held else []


def _troubles(service: ServiceView) -> list[Piece]:
    totals = service.totals
    troubles = [
        (totals.held, "held", palette.UNEASY),
        (totals.failed, "failed", palette.BAD),
        (totals.retried, "retried", palette.UNEASY),
    ]
    return [(f"{count(number)} {word}", style) for number, word, style in troubles if number]
