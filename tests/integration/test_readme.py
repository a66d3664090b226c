"""`edgeproxy up` with nothing in the environment: the curl that it prints streams, and Ctrl-C stops it."""

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from support.front import free_port

ROOT = Path(__file__).parents[2]
LIMIT_S = 30.0


@asynccontextmanager
async def up(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The process, and what it printed up to its last line."""
    bare = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    ports = (f"--port={free_port()}", f"--ops-port={free_port()}")
    command = (sys.executable, "-m", "edgeproxy", "up", *ports)
    with (folder / "stderr").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=folder, env=bare, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        assert process.stdout is not None
        printed = await process.stdout.readuntil(b"Ctrl-C stops\n")
        yield process, printed.decode()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def curl_of(printed: str) -> tuple[str, dict[str, str], str]:
    """Address, headers and body of the printed curl."""
    text = printed[printed.index("curl -N") : printed.index("\n\nCtrl-C")]
    words = shlex.split(text.replace("\\\n", " "))
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    return words[2], headers, words[words.index("-d") + 1]


async def test_the_printed_curl_streams_and_an_interrupt_ends_it(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT_S), up(tmp_path) as (process, printed):
        url, headers, body = curl_of(printed)
        async with aiohttp.ClientSession() as client, client.post(url, headers=headers, data=body) as reply:
            assert (reply.status, reply.content_type) == (200, "text/event-stream")
            text = await reply.text()
        assert '"content":"Hi"' in text
        assert text.endswith("data: [DONE]\n\n")
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0, (tmp_path / "stderr").read_text()
