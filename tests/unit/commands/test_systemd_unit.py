"""The words of a unit are those of the command line, whatever systemd makes of signs in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from composectl.commands.systemd_unit import unit_text
from composectl.errors import ComposectlError


def unit(**changes: object) -> str:
    options = {
        "project": "shop",
        "directory": Path("/srv/shop"),
        "argv": ("/usr/bin/composectl", "up", "--balance", "echo=10"),
        "environment": {},
        "drain": 30,
        "grace": 10.0,
        "typed": ("composectl", "systemd-unit", "--balance", "echo=10"),
    }
    return unit_text(**options | changes)  # type: ignore[arg-type]


def lines(**changes: object) -> list[str]:
    return unit(**changes).splitlines()


def test_it_runs_in_the_foreground_and_is_given_time_to_drain() -> None:
    unit_lines = lines(drain=12, grace=65.5)
    assert "ExecStart=:/usr/bin/composectl up --balance echo=10" in unit_lines
    assert {"Type=exec", "WorkingDirectory=/srv/shop", "Restart=on-failure", "TimeoutStopSec=88"} <= set(unit_lines)


def test_its_first_lines_install_it() -> None:
    unit_lines = lines(typed=("composectl", "systemd-unit", "--health-check-path", "/a b"))
    assert unit_lines[:3] == [
        "# mkdir -p ~/.config/systemd/user",
        "# composectl systemd-unit --health-check-path '/a b' > ~/.config/systemd/user/composectl-shop.service",
        "# systemctl --user enable --now composectl-shop",
    ]


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ("100%", '"100%%"'),
        ("$HOME", '"$HOME"'),
        ('say "so"', r'"say \"so\""'),
        ("back\\slash", r'"back\\slash"'),
        ("it's", '"it\'s"'),
        ("a;b", '"a;b"'),
        ("café", '"café"'),
    ],
)
def test_signs_that_mean_something_to_systemd_are_escaped(word: str, written: str) -> None:
    assert f"ExecStart=:/usr/bin/composectl {written}" in lines(argv=("/usr/bin/composectl", word))


def test_a_folder_is_written_without_quotes() -> None:
    assert "WorkingDirectory=/srv/a b/100%% $HOME" in lines(directory=Path("/srv/a b/100% $HOME"))


def test_variables_are_written_one_a_line() -> None:
    unit_lines = lines(environment={"COMPOSE_FILE": "/srv/a b.yml", "DOCKER_HOST": "unix:///run/docker.sock"})
    assert 'Environment="COMPOSE_FILE=/srv/a b.yml"' in unit_lines
    assert "Environment=DOCKER_HOST=unix:///run/docker.sock" in unit_lines


@pytest.mark.parametrize(
    "changes",
    [
        {"directory": Path("/srv/a\nExecStartPre=/bin/evil")},
        {"argv": ("/usr/bin/composectl", "a\x1bb")},
        {"environment": {"COMPOSE_FILE": "a\nb"}},
        {"environment": {"COMPOSE_FILE\nExecStartPre": "a"}},
        {"project": "shop\nExecStartPre=/bin/evil"},
        {"project": "shop\u2028ExecStartPre=/bin/evil"},
        {"project": "%h\\"},
        {"project": "../../evil"},
        {"project": ""},
        {"typed": ("composectl", "systemd-unit", "a\nExecStartPre=/bin/evil")},
    ],
)
def test_what_would_begin_a_line_of_its_own_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ComposectlError, match="invalid text for a systemd unit"):
        unit(**changes)


@pytest.mark.parametrize(
    ("folder", "written"), [("/srv/a\\", "/srv/a\\/"), ("/srv/a ", "/srv/a /"), ("/srv/\\b", "/srv/\\b")]
)
def test_a_last_sign_of_a_folder_that_systemd_would_take_is_no_last_one(folder: str, written: str) -> None:
    assert f"WorkingDirectory={written}" in lines(directory=Path(folder))


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": {"DOCKER_HOST": "tcp://me:hunter2@far:2376"}},
        {"argv": ("/usr/bin/composectl", "--host", "tcp://me:hunter2@far:2376", "up")},
        {"typed": ("composectl", "--host", "tcp://me:hunter2@far:2376", "systemd-unit")},
    ],
)
def test_a_password_in_an_address_is_refused_and_not_shown(changes: dict[str, object]) -> None:
    with pytest.raises(ComposectlError, match="holds a password, and a systemd unit is no place for it") as refused:
        unit(**changes)
    assert "tcp://me:***@far:2376" in refused.value.message
    assert "hunter2" not in refused.value.message + refused.value.hint
