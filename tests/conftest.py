"""What all tests share: their marks by folder, the names of all of them, and the fixtures of more than one folder."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from hypothesis import settings

from tests.support.command_line import TESTED_WORKERS
from tests.support.examples import examples
from tests.support.proxy_process import Workspace

pytest_plugins = ("tests.support.engine_fixtures",)

HERE = Path(__file__).parent
MARKS_OF_FOLDERS = {
    "e2e": [pytest.mark.e2e],
    "e2e/resilience": [pytest.mark.resilience],
    "e2e/swarm": [pytest.mark.swarm, pytest.mark.serial],
    "compatibility": [pytest.mark.compatibility],
    "external": [pytest.mark.external],
}
MARKS_OF_FIXTURES = {
    "engine": [pytest.mark.e2e],
    "proxy_image": [pytest.mark.compiled],
    "prepared": [pytest.mark.external, pytest.mark.serial],
    "page": [pytest.mark.external],
}
STARTING_FIXTURES = {"place", "new_project"}
"""What starts composectl as a process."""
FOLDERS_OF_ROWS = {"unit", "integration", "e2e"}
"""Where the tests are of which docs/http.md and docs/docker.md tell."""
OLD_COMPOSE = "1.29.2"

NAMES = pytest.StashKey[list[str]]()


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sample", type=int, default=100, help="Run this percentage of the tests, always the same ones.")


def pytest_configure() -> None:
    settings.register_profile("usual", examples(100))
    settings.load_profile("usual")


def pytest_sessionstart() -> None:
    from composectl.proxy import exchange

    if "compiled" in os.environ.get("PYTHONPATH", "") and exchange.__file__.endswith(".py"):
        raise pytest.UsageError("these tests are for the compiled form, and another one was imported")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        for mark in _marks(item):
            item.add_marker(mark)
    config.stash[NAMES] = [item.name for item in items]
    if os.environ.get(TESTED_WORKERS):
        _deselect(config, items, [item for item in items if not _may_have_workers(item)])
    percentage = config.getoption("sample")
    _deselect(config, items, [item for item in items if crc32(item.nodeid.encode()) % 100 >= percentage])
    collected = {item.path.relative_to(HERE).parts[0] for item in items}
    if not collected >= FOLDERS_OF_ROWS:
        _deselect(config, items, [item for item in items if "names_of_tests" in getattr(item, "fixturenames", ())])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.support.worker_groups import GroupScheduling

    return GroupScheduling(config, log)


@pytest.fixture(scope="session")
def names_of_tests(pytestconfig: pytest.Config) -> list[str]:
    """The names of all tests that were collected, their parameters included."""
    return pytestconfig.stash[NAMES]


@pytest.fixture
def place() -> Iterator[Workspace]:
    """A folder; each process that was started there must have ended, and left nothing."""
    place = Workspace()
    yield place
    assert place.close() == []


# Private


def _deselect(config: pytest.Config, items: list[pytest.Item], those: list[pytest.Item]) -> None:
    deselected = set(those)
    items[:] = [item for item in items if item not in deselected]
    config.hook.pytest_deselected(items=those)


def _may_have_workers(item: pytest.Item) -> bool:
    """Whether it starts composectl, and holds as well where several processes serve."""
    starts = STARTING_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    return bool(starts) and item.get_closest_marker("one_process") is None


def _marks(item: pytest.Item) -> Iterator[pytest.MarkDecorator]:
    folders = {f"{parent}" for parent in item.path.relative_to(HERE).parents}
    yield from (mark for folder, marks in MARKS_OF_FOLDERS.items() if folder in folders for mark in marks)
    names = getattr(item, "fixturenames", ())
    yield from (mark for name, marks in MARKS_OF_FIXTURES.items() if name in names for mark in marks)
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if parameters.get("compose") == OLD_COMPOSE:
        yield pytest.mark.both_composes
    if hasattr(item, "callspec") and "asyncio" in item.callspec.id.split("-"):
        yield pytest.mark.plain_asyncio
