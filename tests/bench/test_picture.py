"""The picture stands by itself."""

from __future__ import annotations

from xml.etree import ElementTree

from bench.picture import Bar, picture
from bench.summary import drawn
from tests.support.bench_results import results

_SVG = "{http://www.w3.org/2000/svg}"


def test_bars_are_as_long_as_their_values_and_one_is_ours() -> None:
    svg = picture("a & b", "c", [Bar("one", 1, "1.0", ours=True), Bar("four", 4, "4.0")])
    bars = ElementTree.fromstring(svg).findall(f"{_SVG}rect")
    assert [bar.get("class") for bar in bars] == ["ours", "bar"]
    assert 4 * float(bars[0].attrib["width"]) == float(bars[1].attrib["width"])


def test_every_proxy_has_its_bar_the_cheapest_first() -> None:
    texts = [text.text for text in ElementTree.fromstring(drawn(results())).findall(f"{_SVG}text")]
    assert texts[2::2] == ["nginx", "HAProxy", "composectl", "Go, tuned and pooled", "Go, tuned", "Caddy", "Go"]
    assert texts[3::2] == ["21.0", "23.1", "23.1", "63.0", "105.0", "126.0", "168.0"]


def test_it_fetches_nothing_and_follows_the_ground() -> None:
    svg = drawn(results())
    assert "url(" not in svg
    assert svg.count("http") == svg.count('xmlns="http://www.w3.org/2000/svg"') == 1
    assert "prefers-color-scheme: dark" in svg
