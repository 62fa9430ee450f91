"""The table of the matrix: each shape of a project, what is typed, and what must be true then."""

from __future__ import annotations

from tests.support.assertions import (
    all_of,
    answers,
    answers_at_any_port,
    comes_after,
    has_policy,
    in_each_replica,
    is_balanced_over_ipv6,
    is_the_same_project_for_compose,
    publishes_itself,
    runs,
    says,
)
from tests.support.project_shape import NEWEST, V1, V2_26, Impossible, Shape

SEVERAL = "several replicas cannot share"

SHAPES = (
    Shape("simple", {"`8080:80`": answers("<short>")}),
    Shape(
        "of_2016",
        {"the file format of 2016": answers("<port>")},
        refused={V2_26: "Additional property echo is not allowed", NEWEST: "additional properties 'echo' not allowed"},
    ),
    Shape(
        "ports",
        is_usual=True,
        typed="up --balance echo=2 --balance web=2 --balance dns=1 -d",
        replicas={"echo": 2, "web": 2, "dns": 1},
        rows={
            "several published ports": answers("<short>", "<long>", "<mode>"),
            "`target:`, `published:`": answers("<long>"),
            "`mode: host`": answers("<mode>"),
            "a range, `8000-8003:80`": answers("<range>"),
            "a host IP": answers("127.0.0.1:<ipv4>"),
            "an IPv6 host IP": answers("[::1]:<ipv6>"),
            "`${PORT:-8080}:80`": answers("<default>"),
            "the container's port alone": answers_at_any_port("echo"),
            "two services at once": answers("127.0.0.1:<web>"),
            "UDP beside TCP": all_of(answers("<dns>", replicas=1), publishes_itself("dns", "53/udp")),
        },
    ),
    Shape(
        "counts",
        is_usual=True,
        typed="up -d",
        replicas=dict.fromkeys(("number", "mapping", "deploy", "scale", "named"), 2),
        rows={
            "`x-balance: 2`": answers("<number>"),
            "`x-balance:` with keys": all_of(answers("<mapping>"), has_policy("mapping", "round-robin")),
            "`deploy.replicas`": answers("<deploy>"),
            "`scale:`": answers("<scale>"),
            "`container_name`": all_of(
                answers("<named>"),
                says(f"named: `container_name: <project>-named` is left out, because {SEVERAL} it"),
            ),
        },
    ),
    Shape(
        "inside",
        {
            "`env_file`": in_each_replica('[ "$OF_FILE" = "from a file" ]'),
            "`secrets`": in_each_replica('[ "$(cat /run/secrets/token)" = "open sesame" ]'),
            "a named volume": in_each_replica('[ "$(ls /data | wc -l)" = 2 ] && [ -e "/data/$HOSTNAME" ]'),
            "a volume that replicas write to": says(
                "warning: echo: several replicas write to `data`: data may be destroyed, unless the program expects it"
            ),
            "a bind mount": in_each_replica("grep -q 'from a file' /variables.env"),
            "`$$`": in_each_replica("[ \"$DOLLAR\" = 'a$b' ]"),
            "anchors": in_each_replica('[ "$ANCHORED" = yes ]'),
            "`extends`": all_of(in_each_replica('[ "$EXTENDED" = yes ]'), answers("<port>")),
        },
    ),
    Shape(
        "order",
        before="--profile front",
        rows={
            "`profiles`": all_of(answers("<port>"), runs("rest", 0)),
            "`depends_on`, conditions": all_of(comes_after("migrate"), runs("db", 1)),
        },
    ),
    Shape(
        "order",
        rows={"a profile that `--balance` enables": all_of(answers("<port>"), runs("cache", 1), runs("rest", 0))},
    ),
    Shape("slow_start", {"a `start_period`": answers("<port>")}),
    Shape(
        "own",
        typed="up -d",
        replicas=dict.fromkeys(("mac", "fixed"), 2),
        rows={
            "`mac_address`": all_of(
                answers("<mac>"), says(f"mac: `mac_address: 02:42:ac:11:65:43` is left out, because {SEVERAL} it")
            ),
            "`ipv4_address`, `ipv6_address`": all_of(
                answers("<fixed>"),
                says(
                    "fixed: `networks.own.ipv4_address: <block>.10` and `networks.own.ipv6_address: <prefix>::10`"
                    f" are left out, because {SEVERAL} them"
                ),
            ),
        },
    ),
    Shape(
        "base_60",
        {"`18222:22` without quotes": answers("<port>")},
        typed="up --balance echo=2 --protocol 22=http -d",
        refused={V1: "service `echo` publishes an invalid port"},
    ),
    Shape(
        "dot_env",
        {
            "`COMPOSE_FILE` of two": in_each_replica('[ "$FILE" = two ]'),
            "`.env`": in_each_replica('[ "$GREETING" = hello ]'),
            "`COMPOSE_PROJECT_NAME`": all_of(is_the_same_project_for_compose, answers("<port>")),
        },
        directory="home",
    ),
    Shape(
        "override",
        {"an override file": all_of(in_each_replica('[ "$OVERRIDDEN" = yes ]'), answers("<port>", "<other>"))},
    ),
    Shape(
        "override",
        {"`x-balance` in an override file": answers("<port>", "<other>")},
        typed="up -d",
        refused={V1: "docker-compose 1 drops the `x-balance` of service `echo`"},
    ),
    Shape(
        "elsewhere",
        before="-f files/docker-compose.yml --project-directory .",
        rows={
            "`--project-directory` elsewhere": all_of(
                in_each_replica('[ "$OF_FILE" = elsewhere ]'), answers("<port>"), is_the_same_project_for_compose
            )
        },
    ),
    Shape(
        "simple",
        before="-f - -p <project>",
        on_stdin=True,
        rows={"`-f -`": answers("<short>")},
    ),
    Shape(
        "simple",
        directory="_My Proj.<project>",
        called={V1: "_myproj<project>", V2_26: "myproj<project>", NEWEST: "myproj<project>"},
        rows={"a directory `_My Proj.X`": all_of(answers("<short>"), is_the_same_project_for_compose)},
    ),
    Shape(
        "simple",
        directory="日本-<project>",
        called={V1: "-<project>"},
        rows={"a directory `日本-x`": all_of(answers("<short>"), is_the_same_project_for_compose)},
    ),
    Shape(
        "simple",
        directory="日本",
        rows={"a directory `日本`": answers("<short>")},
        refused={
            V1: "invalid project name `日本`",
            V2_26: "project name must not be empty",
            NEWEST: "project name must not be empty",
        },
    ),
    Shape(
        "networks",
        typed="up --balance several=2 --balance inner=2 --balance bridge=2 --balance both=2 -d",
        replicas=dict.fromkeys(("several", "inner", "bridge", "both"), 2),
        rows={
            "several networks": answers("<several>"),
            "an `internal` network": answers("<inner>"),
            "`network_mode: bridge`": answers("<bridge>"),
            "a network of IPv4 and IPv6": answers("<both>"),
        },
    ),
    Shape(
        "ipv6_only",
        {"a network of IPv6 alone": all_of(answers("<port>"), is_balanced_over_ipv6)},
        composes=(V1, NEWEST),
        refused={V1: "'enable_ipv4' does not match any of the regexes"},
        is_modern=True,
    ),
    Shape("build", {"`build`": all_of(in_each_replica("grep -q built /built.txt"), answers("<port>"))}),
    Shape(
        "since_v2",
        rows={
            "`include`": runs("beside", 1),
        },
        refused={V1: "include"},
    ),
    Shape(
        "since_v2",
        composes=(V2_26, NEWEST),
        rows={
            "`configs`": in_each_replica('[ "$(cat /motd)" = welcome ]'),
            "`host_ip:`": answers("127.0.0.1:<port>"),
        },
    ),
    Shape(
        "named",
        called=dict.fromkeys((V2_26, NEWEST), "<project>-by-name"),
        rows={"`name:`": all_of(answers("<port>"), is_the_same_project_for_compose)},
        refused={V1: "'name' does not match any of the regexes"},
    ),
)

IMPOSSIBLE = (
    Impossible("`network_mode: host`", "up --balance host=2 -d", "`network_mode: host`", "remove `network_mode`"),
    Impossible("`network_mode: none`", "up --balance none=2 -d", "`network_mode: none`", "remove `network_mode`"),
    Impossible("`network_mode: service:x`", "up --balance beside=2 -d", "network_mode: service:echo", "`network_mode`"),
    Impossible("no TCP port", "up --balance silent=2 -d", "`silent` publishes no TCP port", "--listen"),
    Impossible("UDP alone", "up --balance udp=2 -d", "`udp` publishes no TCP port", "--listen"),
    Impossible("UDP of two replicas", "up --balance both=2 -d", "which 1 replica of 2 can bind", "--drop-udp"),
    Impossible("a service given twice", "up --balance echo=2 --balance echo=3 -d", "duplicate service `echo`", "once"),
    Impossible("no such service", "up --balance ecko=2 -d", "no service `ecko`", "`echo`"),
    Impossible(
        "`deploy.replicas` without `--balance`",
        "up -d",
        "`web` publishes port <web>, which 1 replica of 3 can bind",
        "`composectl up --balance web=3`",
        "not_balanced",
    ),
    Impossible(
        "`--scale` without `--balance`",
        "up -d --scale web=1 --scale echo=2",
        "`echo` publishes 127.0.0.1:<echo>, which 1 replica of 2 can bind",
        "`composectl up --balance echo=2`",
        "not_balanced",
    ),
    Impossible(
        "one port of two services, without a route",
        "up --balance echo=2 --balance web=2 -d",
        "`echo` and `web`",
        "change",
        "same_port",
    ),
)
