"""Every failure that a person can meet: its form, and a test that meets it."""

from __future__ import annotations

import inspect
import re

import pytest

from composectl import errors
from composectl.errors import USAGE, ComposectlError
from tests.support.paths import ROOT

TESTS = ROOT / "tests"
EVERY = {name: one for name, one in vars(errors).items() if inspect.isfunction(one) and not name.startswith("_")}
# Of these the words are the engine's or Compose's own, and nothing is known to help.
WITHOUT_HINT = {"engine_failed", "engine_hung_up", "replica_died"}
# Below their line stand lines of a container's log.
WITH_LOG = {"replica_died", "rollout_stopped"}
ARGUMENTS = {
    "str": "word",
    "int": 7,
    "float": 7.0,
    "Iterable[str]": ("one", "two"),
    "Sequence[str]": ("one", "two"),
    "Iterable[int]": (1, 2),
    "ComposectlError": ComposectlError("it is wrong", "mend it"),
}

# By which test of which file each is met.
MET_IN = {
    "e2e/test_container_of_2016.py": {
        "no_socket": "test_what_is_missing_is_told",
        "of_no_project": "test_what_is_missing_is_told",
        "no_shared_network": "test_replicas_on_no_such_network_are_told_of",
    },
    "e2e/test_following.py": {
        "followed": "test_scaling_and_rolling_out_are_left_to_compose",
        "makes_no_replicas": "test_scaling_and_rolling_out_are_left_to_compose",
        "nothing_exposed": "test_a_service_that_exposes_no_port_is_refused",
        "whose_project": "test_outside_a_container_the_project_has_to_be_named",
    },
    "integration/test_access_log.py": {
        "requires": "test_words_that_make_no_sense",
        "header_needs_json": "test_words_that_make_no_sense",
        "log_in_background": "test_words_that_make_no_sense",
        "log_not_opened": "test_words_that_make_no_sense",
    },
    "unit/config/test_service.py": {
        "no_slow_start_by_source": "test_a_slow_start_does_not_go_with_source",
    },
    "unit/config/test_rollout.py": {
        "bad_verdict": "test_a_verdict_stands_alone",
    },
    "unit/config/test_x_balance.py": {
        "bad_declaration": "test_a_value_that_is_none",
        "neither_number_nor_mapping": "test_what_is_neither_a_number_nor_a_mapping",
        "unknown_key": "test_an_unknown_key_with_the_one_that_was_meant",
        "not_one_value": "test_a_value_that_is_none",
    },
    "unit/daemon/test_preflight.py": {
        "no_target": "test_without_any_target_there_is_nothing_to_balance_to",
        "other_target": "test_a_port_that_is_not_published_is_refused",
    },
    "unit/config/test_up.py": {
        "listen_for_whom": "test_listen_wants_one_service",
    },
    "unit/compose/test_argv.py": {
        "too_many_replicas": "test_there_are_no_more_replicas_than_a_network_has_room_for",
        "not_detachable": "test_options_for_attached_logs_are_refused",
        "starts_nothing": "test_options_that_start_nothing_are_refused",
    },
    "unit/compose/test_project.py": {
        "no_tcp_port": "test_a_service_without_a_tcp_port_needs_to_be_told_where_to_listen",
        "odd_port": "test_a_port_that_nobody_understands_is_told",
        "no_address_of_its_own": "test_a_replica_needs_an_address_of_its_own",
        "no_project": "test_what_is_no_project_is_refused",
    },
    "unit/compose/test_process.py": {
        "compose_failed": "test_a_silent_failure_is_told_too",
    },
    "unit/control/test_api.py": {
        "has_ended": "test_one_that_is_killed_meanwhile_is_told_of",
    },
    "unit/control/test_paths_runtime.py": {
        "unsafe_folder": "test_i3_a_folder_that_others_can_write_is_refused",
    },
    "unit/control/test_listener_fds.py": {
        "other_composectl": "test_one_that_has_nothing_to_hand_over_says_so",
    },
    "e2e/test_canary.py": {
        "no_canary_by_source": "test_where_clients_stay_with_their_replica_there_is_no_canary",
        "canary_held": "test_held_at_a_tenth_and_then_gone_on_with",
        "no_canary": "test_without_a_canary_there_is_nothing_to_say_of_it",
    },
    "e2e/test_doctor.py": {
        "only_high_ports": "test_who_is_not_root_gets_no_low_ports",
    },
    "e2e/test_drain.py": {
        "no_such_replica": "test_who_is_not_there_or_was_not_drained_is_told",
        "not_drained": "test_who_is_not_there_or_was_not_drained_is_told",
    },
    "e2e/test_endpoints.py": {
        "engine_speaks_tls": "test_plain_http_to_an_engine_that_speaks_tls_is_told",
        "engine_not_trusted": "test_certificates_that_are_not_good_are_told",
        "not_trusted_by_engine": "test_certificates_that_are_not_good_are_told",
        "bad_certificates": "test_files_that_are_no_certificates_are_told",
        "over_ssh": "test_over_ssh_compose_is_at_work_and_nothing_is_balanced",
        "unknown_context": "test_a_context_that_is_mistyped_is_not_the_local_engine",
    },
    "e2e/test_fails_halfway.py": {
        "replica_died": "test_a_container_dies_at_once",
        "not_ready": "test_a_container_is_not_ready_in_time",
        "ends_now": "test_composectl_ends_before_an_order_is_carried_out",
    },
    "e2e/test_port_shapes.py": {
        "udp_port": "test_several_replicas_cannot_hold_a_udp_port_unless_it_is_dropped",
        "same_port": "test_two_services_cannot_have_one_port",
    },
    "e2e/test_reach.py": {
        "backend_address_stays": "test_a_successor_reaches_them_as_they_are_made",
    },
    "e2e/test_refuses_machines.py": {
        "no_compose": "test_no_compose",
        "not_a_compose": "test_a_compose_that_is_none",
        "no_engine": "test_no_engine",
        "engine_forbidden": "test_h20_an_engine_that_one_may_not_talk_to",
    },
    "e2e/test_refuses_ports.py": {
        "port_taken": "test_held_by_a_process",
        "port_forbidden": "test_a_low_port_without_the_right_to_it",
    },
    "e2e/test_refuses_words.py": {
        "unknown_service": "test_an_unknown_service_with_the_one_that_was_meant",
        "bad_scale": "test_a_number_of_replicas_that_is_none",
        "balanced_twice": "test_a_service_balanced_twice",
        "one_canary": "test_a_canary_of_several_services",
        "nothing_runs": "test_scale_without_a_running_composectl",
        "not_balanced": "test_scale_of_a_service_that_is_not_balanced",
    },
    "e2e/test_rollout.py": {
        "rollout_stopped": "test_one_that_dies_at_once_is_taken_back",
        "not_added": "test_an_image_that_is_nowhere_leaves_everything_as_it_was",
    },
    "e2e/test_up_again.py": {
        "not_balanced_yet": "test_a_service_that_is_not_balanced_yet_is_refused",
    },
    "unit/engine/test_errors.py": {
        "engine_speaks_no_tls": "test_it_is_told_in_one_line",
    },
    "unit/engine/test_client.py": {
        "engine_failed": "test_a_refused_subscription_is_told",
        "engine_hung_up": "test_a_stream_that_the_engine_ends_has_broken",
    },
    "unit/engine/test_endpoint.py": {
        "host_and_context": "test_h_and_c_at_once_are_refused_as_by_the_docker_command",
        "bad_endpoint": "test_a_malformed_address_is_told",
        "bad_docker_file": "test_a_file_of_dockers_that_cannot_be_read_is_told",
    },
    "integration/test_background.py": {
        "no_state_folder": "test_where_no_log_can_be_kept_nothing_is_started",
        "no_log": "test_where_nothing_has_run_in_the_background_there_is_no_log",
        "not_of_the_balancer": "test_where_nothing_has_run_in_the_background_there_is_no_log",
    },
    "integration/test_watch.py": {
        "nobody_runs": "test_all_shows_each_by_its_project",
        "all_or_some": "test_all_shows_each_by_its_project",
        "watched_has_ended": "test_it_ends_when_what_it_shows_has_ended",
    },
    "integration/test_dashboard.py": {
        "no_dashboard": "test_a_place_that_cannot_be_had",
    },
    "integration/test_metrics.py": {
        "no_metrics": "test_a_port_that_is_held_and_by_whom",
    },
    "integration/test_doctor.py": {
        "few_open_files": "test_few_open_files_are_told_and_are_no_hindrance",
    },
    "integration/test_limits.py": {
        "too_many_connections": "test_more_connections_than_files_may_be_open_are_refused_before_anything_is_bound",
    },
    "compatibility/test_shapes.py": {
        "declaration_lost": "test_a_compose_that_does_not_know_a_shape_says_so",
        "no_project_name": "test_a_compose_that_does_not_know_a_shape_says_so",
    },
    "integration/test_refuses.py": {
        "listen_where": "test_words_that_make_no_sense",
        "whom_to_follow": "test_words_that_make_no_sense",
        "fixed_and_followed": "test_words_that_make_no_sense",
        "given_twice": "test_words_that_make_no_sense",
        "invalid_value": "test_words_that_make_no_sense",
        "unknown_value": "test_words_that_make_no_sense",
        "no_such_address": "test_a_listener_that_is_not_of_this_machine",
        "unknown_host": "test_a_listener_that_is_not_of_this_machine",
        "name_taken": "test_a_name_that_is_taken",
    },
    "integration/test_status.py": {
        "no_proxy_runs": "test_where_nothing_runs_both_ways_to_start_are_told",
        "which_one": "test_of_several_the_one_that_is_named_is_shown",
        "fixed_backends": "test_it_cannot_be_scaled",
    },
    "external/test_systemd.py": {
        "in_the_foreground": "test_what_up_would_refuse_is_refused",
        "nothing_for_a_unit": "test_what_up_would_refuse_is_refused",
    },
    "unit/commands/test_systemd_unit.py": {
        "not_in_a_unit": "test_what_would_begin_a_line_of_its_own_is_refused",
    },
    "integration/test_completion.py": {
        "unknown_shell": "test_a_shell_that_is_mistyped",
    },
    "integration/test_cli.py": {
        "needs_balance": "test_options_of_balancing_want_balance",
    },
}


def made(name: str) -> ComposectlError:
    """The error, made of words and numbers such as it takes."""
    takes = inspect.signature(EVERY[name]).parameters.values()
    return EVERY[name](*(ARGUMENTS[one.annotation] for one in takes))


@pytest.mark.parametrize("name", EVERY)
def test_it_is_one_line_and_a_hint(name: str) -> None:
    error = made(name)
    assert bool(error.hint) is (name not in WITHOUT_HINT)
    assert ("\n" in error.message) is (name in WITH_LOG)
    assert "\n" not in error.hint
    assert error.exit_code in (1, 7, USAGE)
    for words in filter(None, (error.message, error.hint)):
        assert not words.endswith((".", " "))
        assert "  " not in words.replace("\n  ", "")
        assert words.count("`") % 2 == 0
        assert not re.match(r"[A-Z][a-z]+ ", words) or words.startswith(("Compose", "Docker"))


def test_each_is_met_in_one_test() -> None:
    assert sorted(name for tests in MET_IN.values() for name in tests) == sorted(EVERY)


@pytest.mark.parametrize("file", MET_IN)
def test_there_are_such_tests(file: str) -> None:
    there = re.findall(r"^(?:async )?def (\w+)\(", (TESTS / file).read_text(), re.MULTILINE)
    assert set(MET_IN[file].values()) <= set(there)
