"""A load that rises and falls, for five minutes at most: `python scripts/dashboard_load.py URL`."""

import http.client
import math
import random
import sys
import threading
import time
from urllib.parse import urlsplit

CLIENTS = 12
SECONDS = 300


def client(host: str, port: int, until: float) -> None:
    """One client, which pauses between two requests; a few requests are slow, or for a page that does not exist."""
    connection = http.client.HTTPConnection(host, port, timeout=10)
    while time.monotonic() < until:
        sleep = min(2.0, random.lognormvariate(-4.2, 0.7))
        status = random.choices((200, 404, 500), (97, 2.6, 0.4))[0]
        connection.request("GET", f"/?sleep={sleep:.3f}&status={status}")
        connection.getresponse().read()
        time.sleep(random.expovariate(4 + 2.4 * math.sin(time.monotonic() / 13)))


if __name__ == "__main__":
    place = urlsplit(sys.argv[1])
    deadline = time.monotonic() + SECONDS
    for _ in range(CLIENTS):
        threading.Thread(target=client, args=(place.hostname, place.port, deadline), daemon=True).start()
    time.sleep(SECONDS)
