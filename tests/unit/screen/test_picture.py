"""The picture of the table stands by itself."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.support.paths import ROOT
from tests.support.snapshots import service, snapshot

SCRIPT = ROOT / "scripts" / "picture.py"


def test_the_picture_shows_the_rows_and_fetches_nothing(tmp_path: Path) -> None:
    path = tmp_path / "table.svg"
    status = json.dumps(snapshot(service(10)).as_json())
    subprocess.run([sys.executable, SCRIPT, path], input=status, text=True, check=True)
    svg = path.read_text()
    text = "".join(ElementTree.fromstring(svg).itertext()).replace("\xa0", " ")
    assert "echo-echo-10" in text
    assert "composectl up --balance echo=10" in text
    assert "url(" not in svg.replace("url(#", "")
    assert svg.count("http") == svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
