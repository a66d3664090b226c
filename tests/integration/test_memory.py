"""What a node gives up as its memory runs out: large bodies at 85 % of it, new calls at 92 %, the largest at 97 %."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.builders import KEY, ConfigBuilder
from support.checks import is_typed_error, is_whole_stream
from support.client import Answer, Client, chat_body, exchange, request_bytes
from support.edge import Edge, until
from support.replies import chat
from support.scripted import ScriptedUpstream, reserve

from edgeproxy.proxy.accept import Pressure
from edgeproxy.telemetry.process import private_bytes

LONG_S = 30.0
MIB = 2**20
MODEL = "scarce/model"
SMALL = request_bytes(chat_body(MODEL, stream=True), key=KEY)
LARGE = request_bytes(chat_body(MODEL, stream=True, prompt="x" * 2 * MIB), key=KEY)
BEGUN = request_bytes(b"", key=KEY, headers={"Content-Length": str(MIB)}) + b"{" + b" " * (MIB * 7 // 10)
REST = b" " * (MIB * 2 // 10)  # not to its end


def builder(port: int, **server: object) -> ConfigBuilder:
    made = ConfigBuilder().provider("only", port, timeouts={"first_event": 60}).model(MODEL, {"only": 1.0})
    made.server.update(server)
    return made


def size_of(edge: Edge) -> int:
    return sum(private_bytes(pid) for pid in [edge.pid, *edge.workers()])


@asynccontextmanager
async def node(folder: Path, **server: object) -> AsyncIterator[tuple[Edge, int]]:
    """A node that has 100 MiB more than it needs to come up, and its limit."""
    sock = reserve()
    port = sock.getsockname()[1]
    with Edge(builder(port), folder) as probe:
        await asyncio.sleep(1.0)
        limit = size_of(probe) * 100 // 80 + 100 * MIB
    with Edge(builder(port, memory_limit=limit, **server), folder) as edge:
        async with ScriptedUpstream(sock, [chat()]):
            yield edge, limit
    sock.close()


async def pressure(edge: Edge) -> int:
    return int((await edge.metrics()).value("edgeproxy_memory_pressure"))


async def relieved(edge: Edge) -> None:
    async with asyncio.timeout(LONG_S):
        while await pressure(edge):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_large_bodies_are_refused_before_it_grows_too_large(tmp_path: Path) -> None:
    """Bodies that never end fill it; then it takes only small ones; when the others are gone it takes all again."""
    endless = request_bytes(b"", key=KEY, headers={"Content-Length": str(48 * MIB)})
    async with node(tmp_path, limits={"max_body": 64 * MIB}) as (edge, limit):
        clients = []
        async with asyncio.timeout(LONG_S):
            while (answer := await exchange(edge.api, LARGE)).status == 200:
                clients.append(await Client.connect(edge.api))
                with contextlib.suppress(OSError):  # refused already
                    await clients[-1].send(endless + b"{" + b" " * (6 * MIB))
        # A quick client sends on between two looks, which are a tenth of a second apart.
        assert size_of(edge) < limit + 64 * MIB
        is_typed_error(answer, 503, "provider_overloaded")
        for client in clients:
            client.leave()
        await relieved(edge)
        is_whole_stream(await exchange(edge.api, LARGE))


async def test_new_calls_are_refused_then_the_largest_are_ended_and_no_process_dies(tmp_path: Path) -> None:
    """Bodies of a size that is always taken fill it to 92 %, then those that run grow on, beyond 97 %."""
    async with node(tmp_path) as (edge, limit):
        processes, clients, answers = [edge.pid, *edge.workers()], [], list[Answer]()
        async with asyncio.timeout(LONG_S):
            while (refused := await exchange(edge.api, SMALL)).status == 200:
                clients.append(await Client.connect(edge.api))
                await clients[-1].send(BEGUN)
        is_typed_error(refused, 503, "provider_overloaded")
        assert refused.head.get("retry-after")
        assert await pressure(edge) >= Pressure.REFUSE

        async def answer_of(client: Client) -> None:
            answers.append(await client.read_answer())

        waiting = [asyncio.ensure_future(answer_of(client)) for client in clients]
        for client in clients:
            with contextlib.suppress(OSError):  # it is one of those that were ended
                await client.send(REST)
        await until(lambda: bool(answers), LONG_S)
        await asyncio.sleep(0.5)
        assert 0 < len(answers) < len(clients), "as many as need be"
        for answer in answers:
            is_typed_error(answer, 503, "provider_overloaded")
        assert size_of(edge) < limit
        for task in waiting:
            task.cancel()
        for client in clients:
            client.leave()
        await relieved(edge)
        is_whole_stream(await exchange(edge.api, SMALL))
        assert [edge.pid, *edge.workers()] == processes
