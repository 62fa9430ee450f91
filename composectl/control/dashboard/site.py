"""The files of the page, read once, and what a browser may do with them."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from composectl.control.refusing import Handler

_FOLDER = Path(__file__).with_name("page")
_INDEX = "index.html"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def add_site(app: web.Application) -> None:
    """Answer for each file by its name, and with the page where nothing is named."""
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _TYPES:
            app.router.add_get("/" if path.name == _INDEX else f"/{path.name}", _answering(path))


# Private


def _answering(path: Path) -> Handler:
    body, kind = path.read_bytes(), _TYPES[path.suffix]

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body, content_type=kind, charset="utf-8")

    return answer
