"""SIGTERM: not ready at once, a grace time, then no more connections; streams finish, and what is left is told so."""

import asyncio
import contextlib
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.builders import KEY, ConfigBuilder
from support.checks import ends_in_error, is_typed_error, is_whole_stream
from support.client import Answer, Client, chat_body, exchange, request_bytes
from support.crew import connect_to
from support.edge import Edge, until
from support.replies import as_chunk, chat, content, role, stream_head
from support.scripted import ReadRequest, Script, ScriptedUpstream, Send, Stall, reserve

LONG_S = 30.0  # far more than anything here takes, for a machine that is busy
MODEL = "drain/model"
CALL = request_bytes(chat_body(MODEL, stream=True), key=KEY)
BEGUN: Script = [ReadRequest(), Send(stream_head() + as_chunk(role()) + as_chunk(content("Hello"))), Stall()]


@contextmanager
def draining_node(folder: Path, *, accept_for: float, timeout: float) -> Iterator[tuple[Edge, socket.socket]]:
    """Two workers, and the socket of their provider."""
    sock = reserve()
    more: dict[str, Any] = {"timeouts": {"first_event": 60, "answer": 60, "stall": 60}}
    builder = ConfigBuilder().provider("only", sock.getsockname()[1], **more).model(MODEL, {"only": 1.0})
    builder.server |= {"workers": 2, "drain": {"accept_for": accept_for, "timeout": timeout}}
    with Edge(builder, folder) as edge:
        yield edge, sock
    sock.close()


@asynccontextmanager
async def held(edge: Edge, count: int) -> AsyncIterator[list[Client]]:
    clients = [await Client.connect(edge.api) for _ in range(count)]
    for client in clients:
        await client.send(CALL)
    yield clients
    for client in clients:
        client.leave()


def ended(edge: Edge) -> int | None:
    """Its exit code, when it has ended."""
    assert edge._process is not None
    return edge._process.poll()


async def exit_code(edge: Edge, limit_s: float = LONG_S) -> int:
    code = await until(lambda: None if ended(edge) is None else (ended(edge),), limit_s)
    assert code[0] is not None
    return code[0]


async def unready(edge: Edge) -> Answer:
    """Its answer to a load balancer, as soon as that is 503."""
    async with asyncio.timeout(LONG_S):
        while (answer := await edge.get("/readyz", ops=True)).status != 503:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return answer


async def test_all_500_streams_finish_and_none_is_cut(tmp_path: Path) -> None:
    go = asyncio.Event()
    with draining_node(tmp_path, accept_for=0.2, timeout=60) as (edge, sock):
        async with ScriptedUpstream(sock, [chat(wait=go)]) as upstream, held(edge, 500) as clients:
            await until(lambda: len(upstream.requests) == 500, LONG_S)
            os.kill(edge.pid, signal.SIGTERM)
            await until(lambda: not _accepts(edge), LONG_S)
            assert ended(edge) is None
            go.set()
            for answer in await asyncio.gather(*(client.read_answer() for client in clients)):
                is_whole_stream(answer)
            assert await exit_code(edge) == 0


def _accepts(edge: Edge) -> bool:
    try:
        socket.create_connection(edge.api, 1.0).close()
    except OSError:
        return False
    return True


async def test_it_is_not_ready_at_once_and_serves_on_for_a_grace_time(tmp_path: Path) -> None:
    with draining_node(tmp_path, accept_for=3.0, timeout=0) as (edge, sock):
        async with ScriptedUpstream(sock, [chat()]):
            os.kill(edge.pid, signal.SIGTERM)
            answer = await unready(edge)
            assert answer.json["status"] == "shutting_down"
            served = await edge.chat(MODEL, stream=True)
            is_whole_stream(served)
            assert served.head.get("connection") == "close"
            assert await exit_code(edge) == 0


async def test_what_does_not_end_in_time_gets_one_error_event(tmp_path: Path) -> None:
    with draining_node(tmp_path, accept_for=0, timeout=0.5) as (edge, sock):
        async with ScriptedUpstream(sock, BEGUN) as upstream, held(edge, 6) as clients:
            await until(lambda: len(upstream.requests) == 6, LONG_S)
            heads = [await client.read_head() for client in clients]
            os.kill(edge.pid, signal.SIGTERM)
            for client, head in zip(clients, heads, strict=True):
                body = b"".join([part async for part in client.body_of(head)])
                ends_in_error(Answer(head, body, client.is_ended).events, 503, "provider_overloaded")
            assert await exit_code(edge) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(tmp_path: Path, second: signal.Signals) -> None:
    with draining_node(tmp_path, accept_for=60, timeout=60) as (edge, sock):
        async with ScriptedUpstream(sock, BEGUN) as upstream, held(edge, 4) as clients:
            await until(lambda: len(upstream.requests) == 4, LONG_S)
            heads = [await client.read_head() for client in clients]
            os.kill(edge.pid, signal.SIGTERM)
            await unready(edge)
            asked_at = time.monotonic()
            os.kill(edge.pid, second)
            assert await exit_code(edge) == 0
            assert time.monotonic() - asked_at < 10.0  # 0.2 s on a machine that is not busy; 60 s if it had waited
            for client, head in zip(clients, heads, strict=True):
                body = b"".join([part async for part in client.body_of(head)])
                ends_in_error(Answer(head, body, client.is_ended).events, 503, "provider_overloaded")


async def test_calls_on_open_connections_are_told_to_go_elsewhere(tmp_path: Path) -> None:
    with draining_node(tmp_path, accept_for=0, timeout=60) as (edge, sock):
        async with ScriptedUpstream(sock, BEGUN, [chat()]) as upstream:
            (pid, _) = edge.workers()
            running, late = await connect_to(edge, pid), await connect_to(edge, pid)
            await running.send(CALL)
            await until(lambda: upstream.requests, LONG_S)
            await late.send(CALL[:20])
            os.kill(edge.pid, signal.SIGTERM)
            await until(lambda: not _accepts(edge), LONG_S)
            await late.send(CALL[20:])
            answer = await late.read_answer()
            is_typed_error(answer, 503, "provider_overloaded")
            assert (answer.head.get("connection"), answer.head.get("retry-after")) == ("close", "1")
            os.kill(edge.pid, signal.SIGTERM)
            assert await exit_code(edge) == 0
            running.leave()


async def test_a_signal_while_it_starts_ends_it(tmp_path: Path) -> None:
    edge = Edge(ConfigBuilder().provider("only", 9).model(MODEL, {"only": 1.0}), tmp_path)
    starting = asyncio.ensure_future(asyncio.to_thread(edge.start))
    await until(lambda: edge._process is not None and _starts_workers(edge), LONG_S)
    process = edge._process
    assert process is not None
    os.kill(edge.pid, signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, LONG_S) == 0
    starting.cancel()


def _starts_workers(edge: Edge) -> bool:
    pids = Path(f"/proc/{edge.pid}/task/{edge.pid}/children").read_text().split()
    with contextlib.suppress(OSError):
        return any(b"edgeproxy.node.worker" in Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids)
    return False


async def test_systemd_hears_all_of_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        builder = ConfigBuilder().provider("only", 9).model(MODEL, {"only": 1.0})
        builder.server |= {"workers": 2}
        with Edge(builder, tmp_path, environ) as edge:
            seen: list[str] = []

            async def hears(word: str) -> str:
                async with asyncio.timeout(LONG_S):
                    while True:
                        said = (await asyncio.get_running_loop().sock_recv(systemd, 4096)).decode()
                        seen.append(said)
                        if word in said.splitlines():
                            return said

            assert "STATUS=2 of 2 workers serve" in await hears("READY=1")
            await hears("WATCHDOG=1")
            reload = request_bytes(b"", key=None, path="/-/reload", method="POST")
            assert (await exchange(edge.ops, reload)).status == 200
            assert "MONOTONIC_USEC=" in await hears("RELOADING=1")
            await hears("READY=1")
            edge.config.write_text("providers: [")
            assert (await exchange(edge.ops, reload)).status == 400
            await hears("RELOADING=1")
            assert "refused" in await hears("READY=1")
            os.kill(edge.pid, signal.SIGTERM)
            await hears("STOPPING=1")
            assert await exit_code(edge) == 0
