"""Every error that a user can meet: its form, and a test that meets it."""

# ruff: noqa: E501 - a table of messages

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from composectl.errors import plural
from tests.support.paths import ROOT

TESTS = ROOT / "tests"
CLASSES = {"ComposectlError", "NoLeader", "UsageError", "ReplicasFailed", "NothingRuns", "HasEnded"}
WITHOUT_HINT = {
    # The words are the engine's, and nothing is known to help.
    "the Docker Engine at {} failed: {}",
    "lost the event stream of the Docker Engine at {}",
    # The end of the container's log follows.
    "container `{}` exited with code {}; its last lines:{}",
}

# By which test of which file each is met; {} stands for what the message quotes.
MET_IN = {
    "e2e/test_container_of_2016.py": {
        "cannot connect to the Docker Engine: no {} in this container": "test_what_is_missing_is_told",
        "container `{}` belongs to no Compose project": "test_what_is_missing_is_told",
        "no replica of service `{}` of project `{}` shares a network with this container": "test_replicas_on_no_such_network_are_told_of",
    },
    "e2e/test_following.py": {
        "the proxy follows the replicas of service `{}`, and creates none": "test_scaling_and_rolling_out_are_left_to_compose",
        "proxy `{}` creates no replicas: there is nothing to roll out": "test_scaling_and_rolling_out_are_left_to_compose",
        "{} exposes no TCP port: the target port is unknown": "test_a_service_that_exposes_no_port_is_refused",
        "unknown project: this process runs in no container of the Docker Engine at {}": "test_outside_a_container_the_project_has_to_be_named",
    },
    "integration/test_access_log.py": {
        "`{}` requires `{}`": "test_words_that_make_no_sense",
        "the format `combined` cannot log the header `{}`: it holds Referer and User-Agent only": "test_words_that_make_no_sense",
        "`--access-log -` cannot be combined with `-d`: a background process has no stdout": "test_words_that_make_no_sense",
        "cannot open the access log {}: {}": "test_words_that_make_no_sense",
    },
    "unit/certificates/test_certified_key.py": {
        "cannot read the {} {}: {}": "test_files_that_are_missing_or_none",
        "{} holds no certificate in PEM": "test_files_that_hold_something_else",
        "{} holds no private key in PEM": "test_files_that_hold_something_else",
        "the key {} is encrypted": "test_an_encrypted_key",
        "the key {} can be read or changed by others (mode {})": "test_a_key_that_is_not_its_owners_alone",
        "the key {} does not match the certificate {}": "test_a_key_of_another_certificate",
        "the certificate {} expired on {}": "test_a_certificate_out_of_its_time",
        "the certificate {} is valid from {} on": "test_a_certificate_out_of_its_time",
    },
    "integration/test_https.py": {
        "there {} and {}": "test_words_that_make_no_sense",
        "`{}` means nothing without TLS": "test_words_that_make_no_sense",
        "`--tls-port {}` is none of the ports for HTTP that are listened on": "test_a_port_that_is_not_listened_on",
    },
    "unit/config/test_tls.py": {
        "`--redirect-http {}` leads to one HTTPS port: `{}` and `{}` have two": "test_two_services_cannot_have_one_redirect",
        "`--tls {}` cannot be combined with `--tls-cert`: a certificate comes from one place": "test_options_that_make_no_sense_together",
        "`--acme-email` requires `--tls acme`": "test_options_that_make_no_sense_together",
        "`--tls acme` requires `{}`": "test_options_that_make_no_sense_together",
        "`--tls acme` cannot prove `--domain {}`: it takes whole names of the public DNS": "test_options_that_make_no_sense_together",
        "`--tls-port {}` and `--redirect-http {}` are one port": "test_options_that_make_no_sense_together",
        "`--redirect-http {}` takes the only port that is listened on": "test_one_port_is_left_for_https",
    },
    "external/test_acme.py": {
        "{} gave no certificate for {}: {}": "test_a_validation_that_fails_is_told_and_a_stand_in_is_served",
    },
    "unit/certificates/test_authority.py": {
        "cannot use {}: {}": "test_a_folder_that_cannot_be_written_to",
    },
    "unit/certificates/test_trust_store.py": {
        "only root may run `{}`": "test_others_need_sudo",
        "cannot run `{}`: {}": "test_a_command_that_is_missing_or_fails_is_told_of",
        "`{}` failed: {}": "test_a_command_that_is_missing_or_fails_is_told_of",
    },
    "integration/test_backend_tls.py": {
        "cannot use the authorities in {}: {}": "test_a_file_that_holds_no_authorities",
    },
    "integration/test_internal_authority.py": {
        "no store of authorities is known on this system": "test_a_system_without_a_store_is_told_where_the_certificate_is",
        "`composectl {}` asks before it changes a store, and stdin is no terminal": "test_trust_asks_before_it_changes_anything",
        "nothing was changed": "test_a_no_changes_nothing",
    },
    "unit/config/test_routes.py": {
        "`--route {}` names service `{}`, which is not balanced": "test_a_route_of_no_service"
    },
    "unit/daemon/test_routing.py": {
        "`{}` and `{}` share {}, whose connections are {}": "test_connections_have_no_routes",
        "`{}` and `{}` share {}, and both have the route `{}`": "test_one_route_has_one_service",
        "`{}` and `{}` share {}, and differ in `{}`": "test_what_is_the_listener_s_is_the_same_for_all",
    },
    "unit/config/test_values_headers.py": {"`{}` gives one header two values": "test_a_header_has_one_value"},
    "unit/config/test_values_guards.py": {
        "`--access-log-header authorization` cannot be combined with `--basic-auth`: it holds passwords": "test_passwords_are_not_logged",
    },
    "unit/proxy/test_basic_auth.py": {"the password file {} {}": "test_a_bad_file_is_an_error_with_a_hint"},
    "unit/config/test_protocols.py": {
        "`{}` gives one port two protocols": "test_one_port_has_one",
        "{} container port {}, for which the protocol `{}` is given": "test_a_port_that_the_service_does_not_publish_is_refused",
        "the protocol `{}` names a port, and each backend has a port of its own": "test_no_port_is_named_where_each_backend_has_its_own",
    },
    "unit/orchestrator/test_swarm_service.py": {
        "service `{}` {} in host mode, and shares no network with this process": "test_what_cannot_be_reached_is_told_with_both_ways",
        "the proxy follows the tasks of service `{}`, and makes none": "test_it_makes_none",
    },
    "unit/config/test_service.py": {
        "`{}` cannot be combined with `{} source`: a client would not stay with its backend": "test_a_slow_start_does_not_go_with_source",
    },
    "unit/config/test_rollout.py": {
        "`{}` takes one service, and cannot be combined with other options": "test_a_verdict_stands_alone",
    },
    "unit/daemon/test_rollout_pace.py": {
        "its pre_stop hook exited with code {}": "test_a_hook_that_fails_is_told_and_stops_nothing",
    },
    "unit/config/test_x_balance.py": {
        "`x-balance` of service `{}`: {}": "test_a_value_that_is_none",
        "invalid value `{}`: expected a number of replicas or a mapping": "test_what_is_neither_a_number_nor_a_mapping",
        "no key `{}`": "test_an_unknown_key_with_the_one_that_was_meant",
        "`{}:` takes a single value": "test_a_value_that_is_none",
        "`{}` cannot be combined with `{}`: a backend is checked in one way": "test_two_keys_that_do_not_go_together",
    },
    "unit/daemon/test_logs.py": {
        "proxy `{}` starts no containers: there are no logs": "test_a_proxy_over_static_backends_has_none",
    },
    "unit/commands/test_down.py": {
        "`--swarm` cannot be combined with {}: it has no stack": "test_a_stack_that_is_none_is_not_removed",
    },
    "unit/daemon/test_hot_restart.py": {
        "`--swarm` cannot be combined with the running composectl (process {}): it has no stack": "test_containers_are_no_stack",
        "the running composectl (process {}) has a stack of a swarm": "test_a_stack_is_not_continued_as_containers",
    },
    "unit/daemon/test_scaling.py": {
        "container `{}` exited with code {} without output": "test_replicas_that_exit_in_silence_come_with_a_hint",
    },
    "unit/daemon/test_preflight.py": {
        "service `{}` publishes no TCP port: the target port is unknown": "test_without_any_target_there_is_nothing_to_balance_to",
        "service `{}` does not publish container port {}: it publishes {}": "test_a_port_that_is_not_published_is_refused",
    },
    "unit/config/test_up.py": {
        "`--backend-address` cannot be combined with `--swarm`: tasks are reached at their nodes": "test_tasks_are_reached_in_one_way",
        "`{}` cannot be combined with `--swarm`: a manager does not know what tasks use": "test_what_tasks_use_is_not_known",
        "`--sleep-mode pause` cannot be combined with `--swarm`: a swarm does not pause tasks": "test_tasks_are_not_paused",
        "`{}={}` cannot be combined with `--queue-timeout 0`: the request that wakes it has to wait": "test_what_sleeps_needs_a_queue",
        "`--listen` is ambiguous: several services are balanced": "test_listen_wants_one_service",
    },
    "unit/compose/test_argv.py": {
        "`{}` cannot be combined with `--swarm`": "test_what_docker_stack_deploy_cannot_do_is_refused_with_what_stands_in_for_it",
        "`--prune` cannot be combined with SERVICE": "test_a_part_of_a_stack_prunes_nothing",
        "`--scale {}={}` cannot be combined with the balanced `{}={}`": "test_a_balanced_service_has_no_second_scale",
        "too many replicas of service `{}`: the maximum is {}": "test_there_are_no_more_replicas_than_a_network_has_room_for",
        "`{}` cannot be combined with `--balance` or `x-balance`: composectl shows the table, not the logs": "test_options_for_attached_logs_are_refused",
        "`{}` cannot be combined with `--balance`: it starts no replicas": "test_options_that_start_nothing_are_refused",
    },
    "unit/compose/test_stack.py": {
        "the tasks of service `{}` cannot be reached: each of its networks is `internal`": "test_what_is_on_internal_networks_alone_is_not_balanced",
        "service `{}` cannot be balanced over a number of replicas: its `deploy.mode` is `{}`": "test_what_has_no_number_of_replicas_is_not_balanced",
    },
    "unit/compose/test_stack_client.py": {
        "cannot run `docker stack deploy`": "test_without_docker_stack_there_is_one_line",
    },
    "unit/compose/test_stack_deploy.py": {
        "service `{}` cannot run in a swarm: `deploy.resources.reservations.devices`": "test_a_device_is_refused",
    },
    "unit/compose/test_stack_resources.py": {
        "{} `{}` cannot be deployed to a swarm: `{}`": "test_a_file_that_is_none_is_refused",
        "network `{}` cannot be deployed to a swarm: its `driver` is `{}`": "test_a_network_of_one_node_is_refused",
    },
    "unit/compose/test_stack_service.py": {
        "service `{}` has no `image`, and the nodes of a swarm build none": "test_a_swarm_builds_no_images",
        "service `{}` cannot run in a swarm: `network_mode: {}`": "test_a_network_of_another_container_is_refused",
        "service `{}` cannot run in a swarm: `{}`": "test_what_nothing_stands_in_for_is_refused",
    },
    "unit/compose/test_project.py": {
        "service `{}` publishes no TCP port": "test_a_service_without_a_tcp_port_needs_a_listener",
        "service `{}` publishes an invalid port `{}`": "test_an_invalid_port_is_told",
        "the replicas of service `{}` share one address (`network_mode: {}`)": "test_a_replica_needs_an_address_of_its_own",
        "Compose's `config` printed no project": "test_what_is_no_project_is_refused",
        "service `{}` publishes {}, which {} of {} can bind": "test_a_fixed_port_of_several_replicas_has_to_be_balanced",
        "service `{}` is needed, but its profile `{}` is not enabled": "test_what_is_needed_of_another_profile_is_told",
    },
    "unit/compose/test_size.py": {
        "{} is too large: more than {} characters once its aliases are replaced": "test_an_alias_bomb_under_x_balance_is_one_line_at_once",
        "{} is nested too deeply: more than {} levels": "test_what_contains_itself_is_too_deep",
        "the compose files name more than {} others": "test_more_files_than_any_project_has_are_one_line",
    },
    "unit/compose/test_process.py": {
        "`{}` failed with exit code {}": "test_a_silent_failure_is_told_too",
    },
    "unit/control/test_api.py": {
        "lost the connection to composectl (process {})": "test_one_that_is_killed_meanwhile_is_told_of",
    },
    "unit/control/test_paths_runtime.py": {
        "unsafe folder {}: other users can write to it": "test_i3_a_folder_that_others_can_write_is_refused",
    },
    "unit/control/test_listener_fds.py": {
        "the running composectl (process {}) has an incompatible version (HTTP {})": "test_one_that_has_nothing_to_hand_over_says_so",
    },
    "e2e/test_canary.py": {
        "`--canary` cannot be combined with `--policy source`: a client would not stay with its backend": "test_there_is_no_canary_where_clients_keep_their_replica",
        "`--canary` cannot be combined with `--sticky {}`: the canary would get as many sessions as each other replica": "test_there_is_no_canary_where_a_hash_places_sessions",
        "the rollout of service `{}` is paused at its canary": "test_held_at_a_tenth_and_then_gone_on_with",
        "service `{}` has no canary": "test_without_a_canary_there_is_nothing_to_say_of_it",
    },
    "e2e/test_drain.py": {
        "service `{}` has no replica {}": "test_a_replica_that_is_missing_or_not_drained_is_refused",
        "`{}` is not drained (phase: {})": "test_a_replica_that_is_missing_or_not_drained_is_refused",
    },
    "e2e/test_endpoints.py": {
        "the Docker Engine at {} speaks TLS": "test_plain_http_to_an_engine_that_speaks_tls_is_told",
        "the certificate of the Docker Engine at {} is not trusted: {}": "test_certificates_that_are_not_good_are_told",
        "the Docker Engine at {} rejected the client certificate": "test_certificates_that_are_not_good_are_told",
        "cannot use the certificates in {}: {}": "test_files_that_are_no_certificates_are_told",
        "cannot balance over ssh: the containers of the engine at {} are not reachable from here": "test_over_ssh_compose_is_at_work_and_nothing_is_balanced",
        "no Docker context `{}`": "test_a_context_that_is_mistyped_is_not_the_local_engine",
    },
    "e2e/test_fails_halfway.py": {
        "container `{}` exited with code {}; its last lines:{}": "test_a_container_dies_at_once",
        "composectl is shutting down (project `{}`)": "test_composectl_ends_before_an_order_is_carried_out",
    },
    "e2e/test_port_shapes.py": {
        "service `{}` publishes {} port {}, which {} of {} can bind": "test_several_replicas_cannot_hold_a_udp_port_that_is_kept",
        "{} is published twice, by {}": "test_two_services_cannot_have_one_port",
    },
    "e2e/test_backend_address.py": {
        "`--backend-address {}` cannot be combined with `--handover`: the replicas are reached by `{}`": "test_a_successor_reaches_them_as_they_are_made",
    },
    "e2e/test_refuses_machines.py": {
        "neither `docker compose` nor `docker-compose` is installed": "test_no_compose",
        "`{}` is not Compose: it prints no Compose version": "test_a_compose_that_is_none",
        "cannot connect to the Docker Engine at {}": "test_no_engine",
        "permission denied: Docker Engine at {}": "test_h20_an_engine_that_one_may_not_talk_to",
    },
    "e2e/test_refuses_ports.py": {
        "cannot listen on {}: address already in use{}": "test_held_by_a_process",
        "cannot listen on {}: permission denied": "test_a_low_port_without_the_right_to_it",
    },
    "e2e/test_refuses_words.py": {
        "no service `{}` in the compose file": "test_an_unknown_service_with_the_one_that_was_meant",
        "invalid scale `{}`: expected {}": "test_a_number_of_replicas_that_is_none",
        "duplicate service `{}`": "test_a_service_balanced_twice",
        "`--canary` takes one service": "test_a_canary_of_several_services",
        "no composectl is running for {}": "test_scale_without_a_running_composectl",
        "service `{}` is not balanced": "test_scale_of_a_service_that_is_not_balanced",
    },
    "e2e/test_rollout.py": {
        "rollout of `{}` aborted: {}{}": "test_one_that_dies_at_once_is_taken_back",
        "rollout of `{}` aborted: {}": "test_an_image_that_is_nowhere_leaves_everything_as_it_was",
    },
    "e2e/test_up_again.py": {
        "the running composectl (process {}) does not balance service `{}`": "test_a_service_that_is_not_balanced_yet_is_refused",
    },
    "unit/engine/test_errors.py": {
        "the server at {} does not speak TLS": "test_it_is_told_in_one_line",
    },
    "unit/engine/test_client.py": {
        "the Docker Engine at {} failed: {}": "test_a_refused_subscription_is_told",
        "lost the event stream of the Docker Engine at {}": "test_a_stream_that_the_engine_ends_has_broken",
    },
    "unit/orchestrator/test_stack_orchestrator.py": {
        "service `{}` was deployed by composectl on node `{}`": "test_h28_what_another_composectl_has_deployed_is_left_to_it",
    },
    "unit/engine/test_swarm_client.py": {
        "the Docker Engine at {} is no manager of a swarm": "test_an_engine_that_is_no_manager_is_told",
        "the managers of the swarm cannot be asked at {}: {}": "test_managers_without_a_leader_are_told",
        "no service `{}` in the swarm": "test_a_service_that_is_not_there_cannot_be_changed",
    },
    "unit/engine/test_endpoint.py": {
        "`-H {}` and `-c {}` name two engines": "test_h_and_c_at_once_are_refused_as_by_the_docker_command",
        "invalid Docker Engine address `{}`: {}": "test_a_malformed_address_is_told",
        "cannot read {}: {}": "test_a_file_of_dockers_that_cannot_be_read_is_told",
    },
    "integration/test_sticky.py": {
        "cannot use the session key {}: {}": "test_a_key_that_cannot_be_used_is_told_before_anything_starts",
    },
    "integration/test_background.py": {
        "cannot write in {}: {}": "test_where_no_log_can_be_kept_nothing_is_started",
        "no log{}: composectl has not run in the background": "test_where_nothing_has_run_in_the_background_there_is_no_log",
        "`{}` cannot be combined with `--balancer`": "test_where_nothing_has_run_in_the_background_there_is_no_log",
    },
    "integration/test_workers.py": {
        "`--workers` cannot be combined with `--max-in-flight-per-client`": "test_what_one_process_counts_is_refused",
        "process {}, which starts the workers of composectl, has ended": (
            "test_without_the_process_that_starts_workers_it_ends"
        ),
    },
    "unit/config/test_workers.py": {
        "`--workers` requires Linux": "test_it_is_for_linux",
    },
    "integration/test_watch.py": {
        "this user runs no composectl": "test_all_shows_each_by_its_project",
        "`--all` cannot be combined with SERVICE": "test_all_shows_each_by_its_project",
        "composectl (process {}) has ended": "test_it_ends_when_what_it_shows_has_ended",
    },
    "integration/test_metrics.py": {
        "cannot serve {}: {}": "test_a_port_that_is_held_and_its_owner",
    },
    "integration/test_limits.py": {
        "`--max-connections {}` exceeds the limit of open files, which allows {}": "test_more_connections_than_files_are_refused_at_the_start",
    },
    "compatibility/test_shapes.py": {
        "docker-compose 1 drops the `x-balance` of service `{}`, which several files or `extends` define": "test_a_compose_that_does_not_know_a_shape_says_so",
        "invalid project name `{}`: docker-compose 1 keeps lower-case letters, digits, `-` and `_`": "test_a_compose_that_does_not_know_a_shape_says_so",
    },
    "integration/test_refuses.py": {
        "missing option `--listen`": "test_words_that_make_no_sense",
        "missing option: `--backend HOST:PORT` or `--service NAME`": "test_words_that_make_no_sense",
        "`--{}` cannot be combined with `--{}`": "test_words_that_make_no_sense",
        "duplicate `{} {}`": "test_words_that_make_no_sense",
        "invalid value `{}` for `{}`: expected {}": "test_words_that_make_no_sense",
        "invalid value `{}` for `{}`: expected {} or {}": "test_words_that_make_no_sense",
        "cannot listen on {}: address not available": "test_a_listener_that_is_not_of_this_machine",
        "cannot resolve host `{}`": "test_a_listener_that_is_not_of_this_machine",
        "proxy `{}` is already running{}": "test_a_name_that_is_taken",
    },
    "integration/test_status.py": {
        "no composectl is running, and there is no compose file here": "test_where_nothing_runs_both_ways_to_start_are_told",
        "several are running: {}": "test_of_several_the_one_that_is_named_is_shown",
        "the backends of proxy `{}` are fixed": "test_it_cannot_be_scaled",
    },
    "external/test_systemd.py": {
        "`-d` cannot be combined with `systemd-unit`: systemd runs the unit in the background": "test_what_up_would_refuse_is_refused",
        "missing option `--balance`": "test_what_up_would_refuse_is_refused",
    },
    "unit/commands/test_port.py": {
        "no listener of service `{}` leads to port {}": "test_a_port_without_a_listener_is_told_with_those_that_have_one",
    },
    "unit/commands/test_systemd_unit.py": {
        "`{}` holds a password, and a systemd unit is no place for it": "test_a_password_in_an_address_is_refused_and_not_shown",
        "invalid text for a systemd unit: {}": "test_what_would_begin_a_line_of_its_own_is_refused",
    },
    "integration/test_completion.py": {
        "no completion for `{}`": "test_a_shell_that_is_mistyped",
    },
    "integration/test_cli.py": {
        "no such {} `{}`": "test_a_mistyped_word_with_the_one_that_was_meant",
        "`{}` requires `--balance`": "test_options_of_balancing_want_balance",
    },
}


def raised() -> Iterator[tuple[str, list[ast.expr]]]:
    """The message of each error in the code, and its arguments."""
    for path in sorted((ROOT / "composectl").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and called(node) in CLASSES:
                message, *others = node.args[1:] if called(node) == "HasEnded" else node.args
                if (text := template(message)) != "{}":  # else it is that of another error
                    yield text, others


def called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def template(text: ast.expr) -> str:
    """A literal with {} for each part that is not."""
    match text:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(template(part) for part in parts)
        case ast.BoolOp(values=[*_, last]):
            return template(last)
    return "{}"


ERRORS = dict(raised())


@pytest.mark.parametrize("message", ERRORS)
def test_it_is_one_line_and_a_hint(message: str) -> None:
    hint = template(ERRORS[message][0]) if ERRORS[message] else ""
    assert bool(hint) is (message not in WITHOUT_HINT)
    for words in filter(None, (message, hint)):
        assert "\n" not in words
        assert not words.endswith((".", " "))
        assert "  " not in words
        assert words.count("`") % 2 == 0
        assert not re.match(r"[A-Z][a-z]+ ", words) or words.startswith(("Compose", "Docker"))


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 replicas"), (1, "1 replica"), (2, "2 replicas"), (1000, "1,000 replicas")]
)
def test_one_of_a_thing_is_told_as_one(count: int, text: str) -> None:
    assert plural(count, "replica") == text


def test_no_other_place_makes_a_plural() -> None:
    of_its_own = re.compile(r"""["'](?:1|one) \w+["'] if""")
    assert [path for path in (ROOT / "composectl").rglob("*.py") if of_its_own.search(path.read_text())] == []


def test_each_is_met_in_one_test() -> None:
    assert sorted(message for tests in MET_IN.values() for message in tests) == sorted(ERRORS)


@pytest.mark.parametrize("file", MET_IN)
def test_there_are_such_tests(file: str) -> None:
    there = re.findall(r"^(?:async )?def (\w+)\(", (TESTS / file).read_text(), re.MULTILINE)
    assert set(MET_IN[file].values()) <= set(there)
