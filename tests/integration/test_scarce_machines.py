"""What a node does when the machine has little left: descriptors, connections, time on the processor."""

import asyncio
import os
import resource
import subprocess
from pathlib import Path

import pytest
from support.builders import KEY, ConfigBuilder
from support.checks import is_whole_stream
from support.client import Client, chat_body, request_bytes
from support.crew import server_inode, stopped
from support.doors import BOTH
from support.edge import Edge, until
from support.replies import LAST_CHUNK, as_chunk, chat, events, stream_head
from support.scripted import ReadRequest, Script, ScriptedUpstream, Send, Step, reserve

LONG_S = 30.0
MODEL = "scarce/model"
CALL = request_bytes(chat_body(MODEL, stream=True), key=KEY)


def builder(port: int, **server: object) -> ConfigBuilder:
    made = (
        ConfigBuilder().provider("only", port, timeouts={"first_event": 60, "stall": 1.0}).model(MODEL, {"only": 1.0})
    )
    made.server.update(server)
    return made


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def answered(client: Client) -> None:
    is_whole_stream(await client.read_answer())
    client.leave()


async def test_few_descriptors_make_clients_wait_and_fail_none(tmp_path: Path) -> None:
    """Twice as many clients as a worker of 160 descriptors can serve at a time; all of them are, in the end."""
    sock, go = reserve(), asyncio.Event()
    with Edge(builder(sock.getsockname()[1]), tmp_path) as edge:
        async with ScriptedUpstream(sock, [chat(wait=go)]) as upstream:
            resource.prlimit(edge.pid, resource.RLIMIT_NOFILE, (160, 160))  # new workers inherit it
            reload = request_bytes(b"", key=None, path="/-/reload?workers", method="POST")
            async with await Client.connect(edge.ops) as ops:
                await ops.send(reload)
                assert (await ops.read_answer()).status == 200
            await until(lambda: len(edge.workers()) == 1, LONG_S)
            clients = [await Client.connect(edge.api) for _ in range(100)]
            for client in clients:
                await client.send(CALL)
            served = (160 - 64) // 2
            await until(lambda: len(upstream.requests) == served, LONG_S)
            before = cpu_s(edge.worker)
            await asyncio.sleep(1.0)
            assert cpu_s(edge.worker) - before < 0.5, "it spins while nothing can be taken"
            assert len(upstream.requests) == served
            go.set()
            await asyncio.gather(*map(answered, clients))
    sock.close()


async def test_the_limit_of_connections_is_the_nodes_and_the_rest_wait(tmp_path: Path) -> None:
    sock, go = reserve(), asyncio.Event()
    config = builder(sock.getsockname()[1], workers=2, limits={"max_connections": 10})
    with Edge(config, tmp_path) as edge:
        async with ScriptedUpstream(sock, [chat(wait=go)]) as upstream:
            clients = [await Client.connect(edge.api) for _ in range(30)]
            for client in clients:
                await client.send(CALL)
            await until(lambda: len(upstream.requests) == 10, LONG_S)
            await asyncio.sleep(0.5)
            assert len(upstream.requests) == 10
            go.set()
            await asyncio.gather(*map(answered, clients))
    sock.close()


@pytest.mark.parametrize("door", BOTH)
async def test_idle_connections_make_room_for_those_who_come_to_work(tmp_path: Path, door: str) -> None:
    """A hundred that say nothing, or nothing more, take all the places; whoever asks is served all the same."""
    sock = reserve()
    with Edge(builder(sock.getsockname()[1], door=door, limits={"max_connections": 100}), tmp_path) as edge:
        async with ScriptedUpstream(sock, [chat()]):
            used = await Client.connect(edge.api)
            await used.send(CALL)
            is_whole_stream(await used.read_answer())
            silent = [await Client.connect(edge.api) for _ in range(99)]
            await until(lambda: server_inode(silent[-1]) != "0", LONG_S)
            await asyncio.gather(*(edge.chat(MODEL, stream=True) for _ in range(20)))
            assert await used.read_to_end() == b"", "it had been idle the longest"
            for client in silent:
                client.leave()
    sock.close()


class Paced(Step):
    """A stream whose events come well within the stall limit of 1 s."""

    async def play(self, peer: object) -> None:
        for event in events():
            await Send(as_chunk(event)).play(peer)  # type: ignore[arg-type]
            await asyncio.sleep(0.4)


STEADY: Script = [ReadRequest(), Send(stream_head()), Paced(), Send(LAST_CHUNK)]


async def test_a_worker_that_stood_still_blames_nobody(tmp_path: Path) -> None:
    """What arrived while it could not read is read before any deadline is judged."""
    sock = reserve()
    with Edge(builder(sock.getsockname()[1]), tmp_path) as edge:
        async with ScriptedUpstream(sock, STEADY) as upstream:
            calls = [asyncio.ensure_future(edge.chat(MODEL, stream=True)) for _ in range(4)]
            await until(lambda: len(upstream.requests) == 4, LONG_S)
            with stopped(edge.worker):
                await asyncio.sleep(2.0)
            for answer in await asyncio.gather(*calls):
                is_whole_stream(answer)
        metrics = await edge.metrics()
        assert metrics.value("edgeproxy_upstream_errors_total") == 0
        slow = metrics.value("edgeproxy_event_loop_lag_seconds_count", worker="0")
        assert slow > metrics.value("edgeproxy_event_loop_lag_seconds_bucket", worker="0", le="1.0")
        assert "the event loop stood still for" in edge.stderr.read_text()
    sock.close()


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("variable", ["TMPDIR", "HOME"])
async def test_no_place_to_write_is_needed(tmp_path: Path, variable: str) -> None:
    """Not in the temporary directory, and not at home."""
    sock, nowhere = reserve(), tmp_path / "nowhere"
    with Edge(builder(sock.getsockname()[1]), tmp_path, {variable: str(nowhere)}) as edge:
        before = files_in(tmp_path)
        async with ScriptedUpstream(sock, [chat()]):
            is_whole_stream(await edge.chat(MODEL, stream=True))
        assert files_in(tmp_path) == before
        assert resource.prlimit(edge.worker, resource.RLIMIT_CORE) == (0, 0)
    sock.close()


# In mounts of its own: a temporary directory without a byte left, and nothing else that can be written.
UNWRITABLE = """
while read -r _ at _; do mount -o remount,bind,ro "$at" 2>/dev/null; done < /proc/self/mounts
mount -t tmpfs -o size=4k tmpfs "$TMPDIR" && cat /dev/zero > "$TMPDIR/full" 2>/dev/null
exec "$@"
"""
MOUNTS = ("unshare", "--mount")


@pytest.mark.skipif(
    subprocess.run([*MOUNTS, "true"], capture_output=True, check=False).returncode != 0,
    reason="only root may have mounts of its own",
)
async def test_a_node_serves_from_a_read_only_root_with_a_full_temporary_directory(tmp_path: Path) -> None:
    sock, full = reserve(), tmp_path / "tmp"
    full.mkdir()
    prefix = [*MOUNTS, "sh", "-c", UNWRITABLE, "sh"]
    with Edge(builder(sock.getsockname()[1]), tmp_path, {"TMPDIR": str(full)}, prefix=prefix) as edge:
        inside = Path(f"/proc/{edge.worker}/root")
        for folder, why in ((tmp_path, "Read-only file system"), (full, "No space left on device")):
            with pytest.raises(OSError, match=why):
                (inside / str(folder).lstrip("/") / "new").write_bytes(b"x" * 5000)
        async with ScriptedUpstream(sock, [chat()]):
            is_whole_stream(await edge.chat(MODEL, stream=True))
    sock.close()
