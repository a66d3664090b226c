"""The load client sees every change that can be made to an answer, and the fake upstream fails as it is told.

Figures from tools that overlook a lost event would be worth nothing.
"""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LOAD = Path(__file__).parents[2] / "benchmarks" / "load"
pytestmark = pytest.mark.skipif(shutil.which("make") is None or shutil.which("cc") is None, reason="needs make and cc")

LAST_CHUNK = re.compile(rb'(data: [^\n]*"finish_reason":"stop".*)(data: \[DONE\]\n\n)', re.DOTALL)
Change = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tools")
    subprocess.run(["make", "--silent", "-C", str(LOAD), f"BUILD={path}"], check=True)
    return path


@dataclass
class Tools:
    build: Path
    ports: list[int]
    control_port: int

    async def load(self, port: int, *options: str) -> dict[str, Any]:
        command = [str(self.build / "client"), "--port", str(port), "--drain", "1", *options]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        result: dict[str, Any] = json.loads(out)
        return result

    async def streams(self, port: int) -> dict[str, Any]:
        options = ["--connections", "4", "--calls", "8", "--stream", "--events", "6", "--interval-us", "2000"]
        return await self.load(port, *options, "--first-us", "2000")

    async def command(self, line: str) -> dict[str, Any]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.control_port)
        writer.write(line.encode() + b"\n")
        reply: dict[str, Any] = json.loads(await reader.readline())
        writer.close()
        return reply


@pytest.fixture
async def tools(build: Path) -> AsyncIterator[Tools]:
    process = await asyncio.create_subprocess_exec(
        str(build / "upstream"), "--endpoints", "2", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    said = json.loads(await process.stdout.readline())
    yield Tools(build, said["ports"], said["control"])
    process.terminate()
    await process.wait()


@asynccontextmanager
async def meddler(port: int, up: Change = lambda data: data, down: Change = lambda data: data) -> AsyncIterator[int]:
    """A relay that changes what passes; yields its port."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Change) -> None:
        while data := await reader.read(65536):
            writer.write(change(data))
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_upstream = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            relay(reader, to_upstream[1], up), relay(to_upstream[0], writer, down), return_exceptions=True
        )

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield int(server.sockets[0].getsockname()[1])
    server.close()


def chunk_with(text: bytes) -> re.Pattern[bytes]:
    """One chunk of the body: one event."""
    return re.compile(rb"[0-9a-f]+\r\ndata: [^\n]*" + text + rb"[^\n]*\n\n\r\n")


async def test_untouched_streams_are_done(tools: Tools) -> None:
    result = await tools.streams(tools.ports[0])
    assert (result["outcomes"]["done"], result["events"]) == (8, 48)


async def test_untouched_whole_answers_are_done(tools: Tools) -> None:
    result = await tools.load(tools.ports[0], "--calls", "50", "--connections", "4", "--body-bytes", "100000")
    assert result["outcomes"]["done"] == 50


@pytest.mark.parametrize(
    ("name", "change", "kind"),
    [
        ("lost", lambda data: chunk_with(rb" n=3 ").sub(b"", data), "lost"),
        ("doubled", lambda data: chunk_with(rb" n=3 ").sub(lambda found: found[0] * 2, data), "lost"),
        ("changed", lambda data: data.replace(b" n=3 ", b" n=3|"), "changed"),
        ("its text changed", lambda data: re.sub(rb"( n=3 ).", rb"\1#", data), "changed"),
        (
            "no finish_reason",
            lambda data: data.replace(b'"finish_reason":"stop"', b'"finish_reason": null '),
            "no_finish",
        ),
        ("no usage", lambda data: data.replace(b'"usage"', b'"sauge"'), "no_usage"),
        ("the end too early", lambda data: LAST_CHUNK.sub(rb"\2\1", data), "after_done"),
    ],
)
async def test_a_change_to_a_stream_is_seen(tools: Tools, name: str, change: Change, kind: str) -> None:
    async with meddler(tools.ports[0], down=change) as port:
        result = await tools.streams(port)
    assert result["outcomes"]["done"] == 0
    assert result["wrong"][kind] >= 8


async def test_a_stream_without_its_end_is_truncated(tools: Tools) -> None:
    async with meddler(tools.ports[0], down=lambda data: data.replace(b"data: [DONE]", b"data:      ")) as port:
        result = await tools.streams(port)
    assert result["outcomes"]["done"] == 0


async def test_a_changed_whole_answer_is_seen(tools: Tools) -> None:
    async with meddler(tools.ports[0], down=lambda data: re.sub(rb'"content":"..', b'"content":"##', data)) as port:
        result = await tools.load(port, "--calls", "8", "--connections", "4")
    assert result["outcomes"]["wrong"] == 8


async def test_the_upstream_refuses_a_changed_prompt(tools: Tools) -> None:
    async with meddler(tools.ports[0], up=lambda data: re.sub(rb'("content":".{60}).', rb"\1#", data)) as port:
        result = await tools.load(port, "--calls", "4", "--connections", "1")
    assert result["statuses"] == {"400": 4}


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        ("status:503 eof", "failed_before_commit"),
        ("reset reset", "failed_before_commit"),
        ("blackhole freeze", "failed_before_commit"),
    ],
)
async def test_an_endpoint_fails_as_it_is_told(tools: Tools, mode: str, outcome: str) -> None:
    await tools.command(f"mode 0 {mode}")
    result = await tools.load(tools.ports[0], "--connections", "4", "--duration", "0.2", "--stream")
    assert result["outcomes"][outcome] == result["started"] >= 4


async def test_an_endpoint_that_refuses_can_come_back(tools: Tools) -> None:
    await tools.command("mode 0 refuse reset")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", tools.ports[0])
    await tools.command("mode 0 normal")
    assert (await tools.streams(tools.ports[0]))["outcomes"]["done"] == 8


async def test_the_other_endpoint_goes_on(tools: Tools) -> None:
    await tools.command("mode 0 refuse reset")
    assert (await tools.streams(tools.ports[1]))["outcomes"]["done"] == 8


async def test_a_late_call_is_timed_from_when_it_was_due(tools: Tools) -> None:
    """One connection, answers after 20 ms, 100 calls a second: they queue, and their latency says so."""
    result = await tools.load(
        tools.ports[0], "--connections", "1", "--rate", "100", "--calls", "20", "--first-us", "20000"
    )
    assert result["latency_us"]["max"] > 150_000
