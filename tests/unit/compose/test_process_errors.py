"""What Compose complains of; the texts are those of docker-compose 1.29.2, Compose 2.26.1 and 2.40.3."""

import pytest

from composectl.compose.process import error_line, hint_for

UNSET_V1 = "The TAG variable is not set. Defaulting to a blank string.\n"
UNSET_V2 = 'time="2026-11-23T09:30:02Z" level=warning msg="The \\"TAG\\" variable is not set. Defaulting to a blank"\n'

X_KEY_V1 = """The Compose file './docker-compose.yml' is invalid because:
Unsupported config option for echo: 'x-balance'
"""

NOT_FOUND_V1 = """
        Can't find a suitable configuration file in this directory or any
        parent. Are you in the right directory?

        Supported filenames: docker-compose.yml, docker-compose.yaml, compose.yml, compose.yaml
        """

NAMED_V1 = """The Compose file './docker-compose.yml' is invalid because:
'name' does not match any of the regexes: '^x-'

You might be seeing this error because you're using the wrong Compose file version. Either specify a supported
"""

PARSER_V1 = """yaml.parser.ParserError: while parsing a flow sequence
  in "./docker-compose.yml", line 2, column 6
expected ',' or ']', but got ':'
  in "./docker-compose.yml", line 3, column 4
"""

TRACEBACK_V1 = """Traceback (most recent call last):
  File "/usr/bin/docker-compose", line 33, in <module>
    sys.exit(load_entry_point('docker-compose==1.29.2', 'console_scripts', 'docker-compose')())
TypeError: Object of type date is not JSON serializable
"""

PORT_TAKEN_V1 = """Recreating shop_echo_1 ... \nRecreating shop_echo_1            ... error

ERROR: for shop_echo_1  Cannot start service echo: bind: address already in use

ERROR: for echo  Cannot start service echo: bind: address already in use
Encountered errors while bringing up the project.
"""

PORT_TAKEN_V2 = """ Container shop-echo-2  Creating
 echo IPv4 forwarding is disabled. Networking will not work.
 Container shop-echo-2  Starting
Error response from daemon: bind: address already in use
"""

UNDEFINED_V2 = 'service "a" depends on undefined service "c": invalid compose project'


@pytest.mark.parametrize(
    ("stderr", "line"),
    [
        ("", ""),
        (UNSET_V1 + "Service 'a' depends on service 'c' which is undefined.\n", None),
        (UNSET_V2 + UNDEFINED_V2 + "\n", UNDEFINED_V2),
        (
            NOT_FOUND_V1,
            "Can't find a suitable configuration file in this directory or any parent. Are you in the right directory?",
        ),
        (
            NAMED_V1,
            "The Compose file './docker-compose.yml' is invalid because: 'name' does not match any of the regexes: "
            "'^x-'",
        ),
        (
            PARSER_V1,
            'yaml.parser.ParserError: while parsing a flow sequence in "./docker-compose.yml", line 2, column 6 '
            "expected ',' or ']', but got ':' in \"./docker-compose.yml\", line 3, column 4",
        ),
        (TRACEBACK_V1, "TypeError: Object of type date is not JSON serializable"),
        (PORT_TAKEN_V1, "for shop_echo_1 Cannot start service echo: bind: address already in use"),
        (PORT_TAKEN_V2, None),
        (".FileNotFoundError: [Errno 2] No such file or directory: './no.yml'\n", None),
    ],
)
def test_the_error_is_one_line_without_what_surrounds_it(stderr: str, line: str | None) -> None:
    assert error_line(stderr) == (stderr.splitlines()[-1].lstrip(".") if line is None else line)


@pytest.mark.parametrize(
    "words",
    [
        "validating /srv/docker-compose.yml: (root) Additional property echo is not allowed",
        "validating /srv/docker-compose.yml:  additional properties 'other', 'echo' not allowed",
        "validating /srv/docker-compose.yml: additional properties 'other', 'echo' not allowed",
    ],
)
def test_a_file_of_2016_is_known_by_what_v2_says_of_it(words: str) -> None:
    assert "`services:`" in hint_for(words)


@pytest.mark.parametrize(
    "words",
    [
        "validating /srv/docker-compose.yml: services.a additional properties 'imag' not allowed",
        "validating /srv/docker-compose.yml: services.a Additional property imag is not allowed",
        "",
    ],
)
def test_for_anything_else_compose_may_speak_for_itself(words: str) -> None:
    assert hint_for(words) == "`composectl config` shows all that Compose says of it"


@pytest.mark.parametrize("stderr", [NOT_FOUND_V1, "no configuration file provided: not found\n"])
def test_where_no_file_is_found_one_can_be_named(stderr: str) -> None:
    assert "`-f`" in hint_for(error_line(stderr))


def test_an_old_format_knows_no_x_keys() -> None:
    words = error_line(X_KEY_V1)
    assert words.endswith("Unsupported config option for echo: 'x-balance'")
    assert 'from `version: "3.7"` or "2.4" on' in hint_for(words)


def test_v1_knows_no_name_in_the_file() -> None:
    assert "`-p`" in hint_for(error_line(NAMED_V1))
