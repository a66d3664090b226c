"""C28: HAProxy and nginx in front see the same requests as we do. What they send on of an odd request is one request to
us too, from its first byte to its last.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support.builders import KEY
from support.client import Client
from support.doors import BOTH
from support.front import accepts, free_port
from support.odd_requests import Maker, Odd, odd_requests
from support.replies import chat
from support.stage import Lot, Stage

DOORS = BOTH
LOTS = 2
QUIET_S = 0.15
AT_A_TIME = 16
NEXT = Maker(b"", KEY.encode()).request(line=b"GET /v1/models HTTP/1.1")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HAPROXY = """
defaults
    mode http
    timeout connect 2s
    timeout client 2s
    timeout server 2s
listen front
    bind 127.0.0.1:{front}
    server node 127.0.0.1:{node}
"""
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log /dev/null; worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    client_header_timeout 1s; client_body_timeout 1s; large_client_header_buffers 8 128k;
    server {{ listen 127.0.0.1:{front}; location / {{
        proxy_pass http://127.0.0.1:{node}; proxy_http_version 1.1; proxy_request_buffering off; proxy_read_timeout 2s;
        proxy_set_header Host $http_host;
    }} }}
}}
"""
FRONTS = {"haproxy": (HAPROXY, ("-db", "-f", "FILE")), "nginx": (NGINX, ("-c", "FILE"))}


class Echo:
    """Writes down what a front sends on, whatever it is, and answers once it has nothing more to say."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = b""
        try:
            while part := await asyncio.wait_for(reader.read(65536), QUIET_S if data else 5.0):
                data += part
        except (TimeoutError, ConnectionError):
            pass
        if data:
            self.heard.append(data)
            writer.write(ANSWER)
        writer.close()


@asynccontextmanager
async def front(name: str, node: int, folder: Path) -> AsyncIterator[int]:
    text, arguments = FRONTS[name]
    port, file = free_port(), folder / f"{name}.conf"
    file.write_text(text.format(front=port, node=node, folder=folder))
    program = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    assert program, f"{name} is not installed"
    command = [program, *(str(file) if word == "FILE" else word for word in arguments)]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(15.0):
            while not await accepts(port):  # noqa: ASYNC110  another process cannot set an event
                await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def through(port: int, odd: Odd, gate: asyncio.Semaphore) -> None:
    async with gate, await Client.connect(("127.0.0.1", port)) as client:
        try:
            await client.send(odd.raw)
            await client.receive(deadline_s=5.0)
        except (TimeoutError, ConnectionError):
            pass  # the front has its own opinion


@pytest.fixture(scope="module", params=FRONTS)
def sent_on(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """What comes out of a front for all odd requests."""

    async def record(folder: Path) -> list[bytes]:
        echo, gate = Echo(), asyncio.Semaphore(AT_A_TIME)
        server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
        node = server.sockets[0].getsockname()[1]
        async with server, front(request.param, node, folder) as port:
            await asyncio.gather(*(through(port, odd, gate) for odd in odd_requests("lot/solo-0", KEY)))
        return echo.heard

    return asyncio.run(record(tmp_path_factory.mktemp("front")))


async def is_one_request(lot: Lot, sent: bytes, gate: asyncio.Semaphore) -> bool:
    """It is answered, and a request behind it is answered as itself, if there may be one."""
    async with gate, await Client.connect(lot.edge.api) as client:
        await client.send(sent)
        answer = await client.read_answer(is_head=sent.startswith(b"HEAD"))
        if answer.head.text("connection").lower() == "close":
            return await client.read_to_end() == b""
        await client.send(NEXT)
        following = await client.read_answer()
        return following.status == 200 and "data" in following.json


async def test_c28_what_a_front_takes_for_one_request_is_one(stage: Stage, sent_on: list[bytes]) -> None:
    lot, gate = stage.take(), asyncio.Semaphore(AT_A_TIME)
    assert len(sent_on) > 60, "the fronts let many of them through"
    async with lot.a.plays([chat()]):
        agreed = await asyncio.gather(*(is_one_request(lot, sent, gate) for sent in sent_on))
    assert [sent for sent, is_one in zip(sent_on, agreed, strict=True) if not is_one] == []
