"""The composition root: builds the node out of its parts, starts it, and waits for its end."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from aiohttp import web

from edgeproxy.control.assemble import ECHO_BASE_URL
from edgeproxy.control.config import Address, Settings
from edgeproxy.control.watch import Watch
from edgeproxy.domain.snapshot import Snapshot
from edgeproxy.node.echo import make_app
from edgeproxy.node.launch import Launched
from edgeproxy.node.listeners import listen
from edgeproxy.node.process import harden, raise_fd_limit, rename
from edgeproxy.node.supervisor import Supervisor
from edgeproxy.proxy.aiohttp_door import require_compiled_parser

Prepared = tuple[Settings, Snapshot]
Banner = Callable[[tuple[Address, Address]], None]


def run(
    settings: Settings,
    snapshot: Snapshot,
    launched: Sequence[Launched],
    *,
    reload: Callable[[], Prepared],
    banner: Banner,
    watch: Watch | None = None,
) -> int:
    """Run a node of these workers until it is told to stop. Returns the exit code; OSError when it cannot listen."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    harden()
    raise_fd_limit(warns=True)
    rename("edge supervisor")
    require_compiled_parser()
    return asyncio.run(_run(settings, snapshot, launched, reload, banner, watch))


async def _run(
    settings: Settings,
    snapshot: Snapshot,
    launched: Sequence[Launched],
    reload: Callable[[], Prepared],
    banner: Banner,
    watch: Watch | None,
) -> int:
    server = settings.server
    with contextlib.ExitStack() as sockets:
        listening = listen(server.listen, len(launched))
        (ops,) = listen(server.ops)
        for sock in (*listening, ops):
            sockets.enter_context(sock)
        echo = await _start_echo(snapshot)
        supervisor = Supervisor(
            settings,
            _with_echo(snapshot, echo),
            lambda: _prepare(lambda: watch.reading(reload) if watch else reload(), echo),
            listening,
            _log_fd(settings.log.access),
            watch,
            launched,
        )
        addresses = (_bound(server.listen, listening[0]), _bound(server.ops, ops))
        return await supervisor.run(ops, lambda: banner(addresses))


def _bound(address: Address, sock: socket.socket) -> Address:
    return replace(address, port=sock.getsockname()[1])


def _log_fd(where: str) -> int:
    """The access log's descriptor: lines are appended, and a file is private to its owner and group."""
    if where == "stdout":
        return sys.stdout.fileno()
    return os.open(where, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


async def _start_echo(snapshot: Snapshot) -> str | None:
    """Start the built-in model when the snapshot has it; its base URL, with the port that it got."""
    if not any(provider.base_url == ECHO_BASE_URL for provider in snapshot.providers):
        return None
    runner = web.AppRunner(make_app(), access_log=None)
    await runner.setup()
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    await web.SockSite(runner, sock).start()
    return f"http://127.0.0.1:{sock.getsockname()[1]}/v1"


def _with_echo(snapshot: Snapshot, echo: str | None) -> Snapshot:
    if echo is None:
        return snapshot
    providers = tuple(
        replace(one, base_url=echo) if one.base_url == ECHO_BASE_URL else one for one in snapshot.providers
    )
    return replace(snapshot, providers=providers)


def _prepare(reload: Callable[[], Prepared], echo: str | None) -> Prepared:
    settings, snapshot = reload()
    return settings, _with_echo(snapshot, echo)
