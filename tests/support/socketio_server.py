"""A server of Socket.IO for a container: `python -m tests.support.socketio_server PORT`.

It counts the messages of each session in its memory, and answers with the container's name and the count.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter

import socketio
from aiohttp import web


def main() -> None:
    server = socketio.AsyncServer(async_mode="aiohttp")
    counts = Counter[str]()

    @server.on("add")
    async def add(session: str, number: int) -> tuple[str, int]:
        counts[session] += number
        return socket.gethostname(), counts[session]

    app = web.Application()
    server.attach(app)
    web.run_app(app, port=int(sys.argv[1]), shutdown_timeout=0, print=None)


if __name__ == "__main__":
    main()
