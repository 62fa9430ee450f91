"""What Compose is told to do."""

from pathlib import Path

import pytest

from composectl.compose.argv import (
    UpArguments,
    check_stack_arguments,
    config_argv,
    converge_words,
    parse_scale,
    parse_scales,
    rendered_argv,
    sort_up_arguments,
    split_up_arguments,
    starts_nothing,
    up_words,
)
from composectl.compose.binary import Compose
from composectl.compose.options import Options
from composectl.errors import ComposectlError

V1 = Compose(("docker-compose",), (1, 29, 2))
V2 = Compose(("docker", "compose"), (2, 40, 3))
OPTIONS = Options(("a.yml",), "typed", "typed", ("/a.env",), ("debug",), ("--ansi", "never"))


# What `up` was given


@pytest.mark.parametrize(
    ("line", "options", "services"),
    [
        ("", "", ""),
        ("echo db", "", "echo db"),
        ("--build echo", "--build", "echo"),
        ("--pull always echo", "--pull always", "echo"),
        ("--pull=always echo", "--pull=always", "echo"),
        ("echo -t 5 db", "-t 5", "echo db"),
        ("-t5 echo", "-t5", "echo"),
        ("--timeout 5 -V --wait --wait-timeout 9", "--timeout 5 -V --wait --wait-timeout 9", ""),
        ("--scale db=2 --scale=web=3 echo", "--scale db=2 --scale=web=3", "echo"),
        ("--build -- --odd echo", "--build", "--odd echo"),
        ("--of-tomorrow echo", "--of-tomorrow", "echo"),
        ("--timeout", "--timeout", ""),
    ],
)
def test_options_keep_their_values_and_the_rest_are_services(line: str, options: str, services: str) -> None:
    assert sort_up_arguments(line.split()) == UpArguments(tuple(options.split()), tuple(services.split()))


@pytest.mark.parametrize("option", ["--abort-on-container-exit", "--exit-code-from=web", "--attach", "-w", "--menu"])
def test_options_for_attached_logs_are_refused(option: str) -> None:
    with pytest.raises(ComposectlError, match="shows the table, not the logs") as caught:
        sort_up_arguments([option, "echo"])
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("option", ["--no-start", "--dry-run"])
def test_options_that_start_nothing_are_refused(option: str) -> None:
    with pytest.raises(ComposectlError, match=f"`{option}` cannot be combined with `--balance`"):
        sort_up_arguments([option])


@pytest.mark.parametrize("line", ["--scale echo=3", "--scale=echo=3"])
def test_a_balanced_service_has_no_second_scale(line: str) -> None:
    with pytest.raises(
        ComposectlError, match="`--scale echo=3` cannot be combined with the balanced `echo=2`"
    ) as caught:
        sort_up_arguments(line.split(), balanced={"echo": 2})
    assert caught.value.hint == "use `--balance echo=3`"


@pytest.mark.parametrize(
    ("line", "scales"),
    [
        ("", {}),
        ("--scale echo=3 --scale=web=02", {"echo": 3, "web": 2}),
        ("--scale echo=3 --scale echo=4", {"echo": 4}),
        ("--scale echo --scale echo=x --build --scale", {}),
        ("--pull always db -- --scale", {}),
    ],
)
def test_what_compose_is_asked_to_scale_is_known(line: str, scales: dict[str, int]) -> None:
    assert split_up_arguments(line.split()).scales == scales


@pytest.mark.parametrize("line", ["--attach db echo", "--exit-code-from db echo", "--no-attach=db --menu echo"])
def test_options_for_attached_logs_are_told_from_services_where_nothing_is_balanced(line: str) -> None:
    assert split_up_arguments(line.split()).services == ("echo",)


def test_a_scale_is_a_service_and_a_number() -> None:
    assert parse_scale("echo=10") == ("echo", 10)
    assert parse_scale("echo=0") == ("echo", 0)


def test_a_service_that_is_there_twice() -> None:
    with pytest.raises(ComposectlError, match="duplicate service `web`") as caught:
        parse_scales(("web=2", "web=3"))
    assert caught.value.hint == "use `SERVICE=N` once per service"


@pytest.mark.parametrize(
    ("text", "service"), [("web=x", "web"), ("my-web_2", "my-web_2"), ("=3", "echo"), ("3", "echo")]
)
def test_the_hint_at_a_scale_names_the_service_that_was_meant(text: str, service: str) -> None:
    with pytest.raises(ComposectlError) as caught:
        parse_scale(text)
    assert caught.value.hint == f"for example: `{service}=10`"


@pytest.mark.parametrize("text", ["", "echo", "echo=", "=3", "echo=ten", "echo=-1", "echo=1.5", "echo=1=2", "echo=٣"])
def test_anything_else_is_no_scale(text: str) -> None:
    with pytest.raises(ComposectlError) as caught:
        parse_scale(text)
    assert text in caught.value.message
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("count", ["1001", "1000000", "0" * 9 + "1001", "9" * 10_000])
def test_there_are_no_more_replicas_than_a_network_has_room_for(count: str) -> None:
    assert parse_scale("echo=01000") == ("echo", 1000)
    with pytest.raises(ComposectlError, match="too many replicas of service `echo`: the maximum is 1,000") as caught:
        parse_scale(f"echo={count}")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("line", "nothing"), [("--no-start", True), ("--dry-run=true", True), ("--no-deps db", False)])
def test_some_options_start_nothing(line: str, nothing: bool) -> None:
    assert starts_nothing(line.split()) is nothing


# Of a stack


@pytest.mark.parametrize(
    ("line", "option", "instead"),
    [
        ("--build echo", "--build", "push them to a registry"),
        ("--pull=always", "--pull", "`--resolve-image always`"),
        ("--remove-orphans", "--remove-orphans", "`--prune`"),
        ("--force-recreate", "--force-recreate", "`composectl rollout`"),
        ("-t 5", "-t", "`stop_grace_period`"),
        ("--wait", "--wait", "omit it"),
    ],
)
def test_what_docker_stack_deploy_cannot_do_is_refused_with_what_stands_in_for_it(
    line: str, option: str, instead: str
) -> None:
    with pytest.raises(ComposectlError, match=f"`{option}` cannot be combined with `--swarm`") as refused:
        check_stack_arguments(sort_up_arguments(line.split()))
    assert instead in refused.value.hint


def test_what_means_the_same_there_is_taken() -> None:
    check_stack_arguments(sort_up_arguments(["--scale", "db=2", "--scale=web=3", "--no-deps", "-y", "echo"]))
    check_stack_arguments(sort_up_arguments(()), prunes=True)


def test_a_part_of_a_stack_prunes_nothing() -> None:
    with pytest.raises(ComposectlError, match="`--prune` cannot be combined with SERVICE"):
        check_stack_arguments(sort_up_arguments(["echo"]), prunes=True)


# What Compose gets


def test_v2_renders_json_with_the_services_of_all_profiles() -> None:
    assert config_argv(V2, Options(("a.yml",)))[2:] == (
        *("--file", "a.yml", "--profile", "*", "config", "--format", "json"),
    )


def test_v2_renders_yaml_too_which_has_what_the_json_leaves_out() -> None:
    assert config_argv(V2, Options(("a.yml",)), in_yaml=True)[2:] == ("--file", "a.yml", "--profile", "*", "config")
    assert config_argv(V1, OPTIONS, in_yaml=True) == config_argv(V1, OPTIONS)


def test_v1_renders_all_profiles_anyway_and_knows_no_format() -> None:
    assert config_argv(V1, Options(profiles=("debug",))) == ("docker-compose", "--profile", "debug", "config")


def test_the_rendered_project_comes_on_stdin_with_other_options() -> None:
    assert " ".join(rendered_argv(V2, OPTIONS, "shop", Path("/srv"))) == (
        "docker compose --file - --project-name shop --project-directory /srv"
        " --env-file /a.env --profile debug --ansi never"
    )


def test_up_scales_the_balanced_services() -> None:
    up = up_words(UpArguments(("--build",)), {"echo": 10, "web": 2})
    assert " ".join(up) == "up -d --build --scale echo=10 --scale web=2"


def test_balanced_services_come_up_with_those_that_are_named() -> None:
    named = UpArguments(services=("db", "echo"))
    assert up_words(named, {"echo": 1, "web": 2})[-3:] == ("db", "echo", "web")


def test_converging_touches_one_service() -> None:
    assert " ".join(converge_words("echo", 3)) == "up -d --no-deps --no-recreate --scale echo=3 echo"
