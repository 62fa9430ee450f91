"""The engine's API, awaited, and its failures in our words."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from composectl.engine.client import Engine
from composectl.engine.containers import HOOK, ONE_OFF, PROJECT, SERVICE, PortOwner
from composectl.engine.endpoint import Endpoint, Tls
from composectl.errors import ComposectlError
from tests.support.fake_engine import FakeEngine, container, event


@pytest.fixture
async def engine(fake: FakeEngine) -> Engine:
    return await Engine.connect(fake.endpoint)


async def numbers(engine: Engine) -> list[int]:
    return [replica.number for replica in (await engine.replicas("shop", ["echo"]))["echo"]]


# Connecting


def test_without_a_connection_the_sdk_is_not_imported() -> None:
    program = "import sys, composectl.engine.watch; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_no_engine_is_told(tmp_path: Path) -> None:
    with pytest.raises(ComposectlError, match="cannot connect to the Docker Engine at unix://"):
        await Engine.connect(Endpoint(f"unix://{tmp_path}/none.sock"))


async def test_h20_an_engine_that_we_may_not_talk_to_is_told(monkeypatch: pytest.MonkeyPatch, fake: FakeEngine) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    # The tests may run as root, and no file's mode keeps root out.
    monkeypatch.setattr("docker.transport.unixconn.UnixHTTPConnection.connect", refuse)
    with pytest.raises(ComposectlError, match="permission denied: Docker Engine"):
        await Engine.connect(fake.endpoint)


async def test_h21_an_engine_over_ssh_is_told_before_anything_is_sent() -> None:
    with pytest.raises(ComposectlError, match="ssh://me@far are not reachable from here"):
        await Engine.connect(Endpoint("ssh://me@far"))


async def test_an_engine_that_says_nothing_is_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "mute.sock"
    server = await asyncio.start_unix_server(lambda reader, writer: None, path)
    async with server:
        with pytest.raises(ComposectlError, match="cannot connect to the Docker Engine"):
            await Engine.connect(Endpoint(f"unix://{path}"), timeout=0.1)  # type: ignore[arg-type]


async def test_certificates_that_are_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").touch()
    with pytest.raises(ComposectlError, match=r": key\.pem is missing"):
        await Engine.connect(Endpoint("tcp://127.0.0.1:1", Tls(tmp_path)))


@pytest.mark.parametrize("api", ["1.24", "1.41", "1.51", "1.99"])
async def test_h19_the_newest_api_that_the_engine_speaks_is_spoken(fake: FakeEngine, api: str) -> None:
    fake.api = api
    fake.run(container(1))
    assert await numbers(await Engine.connect(fake.endpoint)) == [1]


async def test_h19_an_engine_that_is_too_old_is_told(fake: FakeEngine) -> None:
    fake.api = "1.10"
    with pytest.raises(ComposectlError, match=r"below 1\.24"):
        await Engine.connect(fake.endpoint)


# Replicas


async def test_the_replicas_of_the_services_asked_for_are_listed(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(10), container(3, Labels={SERVICE: "other"}))
    found = await engine.replicas("shop", ["echo", "idle"])
    assert [replica.number for replica in found["echo"]] == [1, 10]
    assert found["idle"] == []
    assert fake.asked.count("inspect") == 2


async def test_h16_one_offs_and_hooks_are_not_listed(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(2, Labels={ONE_OFF: "True"}), container(3, Labels={HOOK: "pre_start"}))
    assert await numbers(engine) == [1]


async def test_h14_a_container_removed_after_the_list_is_passed_over(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(2))
    fake.vanished.add(f"{1:064x}")
    assert await numbers(engine) == [2]


async def test_what_the_engine_says_of_its_failure_is_told(fake: FakeEngine, engine: Engine) -> None:
    fake.broken.add("list")
    with pytest.raises(ComposectlError, match="failed: the list is torn"):
        await numbers(engine)


async def test_those_that_ended_are_found(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1), container(2, State={"Status": "exited", "ExitCode": 3}))
    assert [(exited.name, exited.exit_code) for exited in await engine.exited("shop", "echo")] == [("shop-echo-2", 3)]


async def test_the_holder_of_a_port_is_found(fake: FakeEngine, engine: Engine) -> None:
    ports = [{"PrivatePort": 80, "PublicPort": 9090, "Type": "tcp"}]
    fake.ports = [{"Names": ["/web"], "Labels": {PROJECT: "bank", SERVICE: "web"}, "Ports": ports}]
    assert await engine.port_owner(9090) == PortOwner("web", "bank", "web")
    assert await engine.port_owner(9091) is None


async def test_our_own_container_is_found_if_the_engine_knows_it(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(7))
    own = await engine.self_container(f"{7:064x}")
    assert own is not None
    assert (own.name, own.project) == ("shop-echo-7", "shop")
    assert await engine.self_container(f"{8:064x}") is None
    assert await engine.self_container("") is None


async def test_the_last_lines_come_without_colours(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1))
    fake.log = b"\x1b[31mpanic\x1b[0m\n\ttoo bad\n"
    assert await engine.last_lines(f"{1:064x}", 10) == ["panic", " too bad"]


# Stopping


async def test_whatever_is_stopped_or_gone_counts_as_stopped(fake: FakeEngine, engine: Engine) -> None:
    fake.run(container(1))
    await engine.stop(f"{1:064x}", 0.5)
    await engine.stop(f"{2:064x}", 0.5)


async def test_whatever_is_going_counts_as_removed(fake: FakeEngine, engine: Engine) -> None:
    fake.vanished.add(f"{1:064x}")
    await engine.remove(f"{1:064x}")


async def test_an_engine_that_takes_its_time_to_remove_is_waited_for(fake: FakeEngine) -> None:
    engine = await Engine.connect(fake.endpoint, timeout=1)
    fake.vanished.add(f"{1:064x}")
    fake.slow_removal = 1.5
    await engine.remove(f"{1:064x}")


async def test_a_container_that_runs_is_not_removed(fake: FakeEngine, engine: Engine) -> None:
    with pytest.raises(ComposectlError, match="running container"):
        await engine.remove(f"{2:064x}")


# Events


async def test_events_come_as_the_engine_tells_them(fake: FakeEngine, engine: Engine) -> None:
    with await engine.events() as events:
        await fake.say(event("start"), event("die"))
        async with asyncio.timeout(60):
            assert [await anext(events), await anext(events)] == [event("start"), event("die")]


async def test_a_quiet_subscription_ends(engine: Engine) -> None:
    async with asyncio.timeout(60):
        with await engine.events(idle_timeout=0.05) as events:
            assert [event async for event in events] == []


async def test_a_stream_cut_within_an_event_has_broken(fake: FakeEngine, engine: Engine) -> None:
    with await engine.events() as events:
        await fake.write(b'{"Type": "conta')
        fake.hang_up()
        async with asyncio.timeout(60):
            with pytest.raises(ComposectlError, match="lost the event stream"):
                await anext(events)


async def test_a_stream_that_the_engine_ends_has_broken(fake: FakeEngine, engine: Engine) -> None:
    with await engine.events() as events:
        await fake.end_streams()
        async with asyncio.timeout(60):
            with pytest.raises(ComposectlError, match="lost the event stream"):
                await anext(events)


async def test_a_refused_subscription_is_told(fake: FakeEngine, engine: Engine) -> None:
    fake.broken.add("events")
    with pytest.raises(ComposectlError, match="no events today"):
        await engine.events()


async def test_closing_a_subscription_ends_its_thread(engine: Engine) -> None:
    with await engine.events() as events:
        pass
    async with asyncio.timeout(60):
        with pytest.raises(ComposectlError):
            await anext(events)
