"""The dashboard as a PNG: `python scripts/dashboard_picture.py URL PNG [light|dark] [WIDTH]`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.chromium import Chromium

HEIGHT = 1090


def picture(url: str, scheme: str, width: int) -> bytes:
    """The page after it has been open for a few seconds."""
    browser = Chromium()
    try:
        page = browser.page(width=width, height=HEIGHT, dark=scheme == "dark")
        page.visit(url)
        assert page.comes_to("document.querySelectorAll('.area').length > 0")
        return page.picture(whole=width < 600)
    finally:
        browser.close()


if __name__ == "__main__":
    url, target, *rest = sys.argv[1:]
    scheme, width = (*rest, *("light", "1280")[len(rest) :])
    Path(target).write_bytes(picture(url, scheme, int(width)))
