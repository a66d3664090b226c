"""The load balancer configurations that ship, run for real: only their addresses are made to fit the test."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy"
START_S = 15.0


@dataclass(frozen=True)
class Addresses:
    """Where things are in a test: two nodes on two loopback addresses, one port for calls, one for checks."""

    front: int
    nodes: int
    ops: int
    exporter: int


def _haproxy(text: str, at: Addresses, folder: Path) -> str:
    text = text.replace("bind :8000", f"bind 127.0.0.1:{at.front}").replace(
        "bind 127.0.0.1:8405", f"bind 127.0.0.1:{at.exporter}"
    )
    return text.replace("check port 8081", f"check port {at.ops}").replace(":8080", f":{at.nodes}")


def _nginx(text: str, at: Addresses, folder: Path) -> str:
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"    {kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    text = text.replace("http {\n", "http {\n" + places).replace("/run/nginx.pid", f"{folder}/nginx.pid")
    return text.replace("listen 8000", f"listen 127.0.0.1:{at.front}").replace(":8080", f":{at.nodes}")


def _caddy(text: str, at: Addresses, folder: Path) -> str:
    text = text.replace(":8000 {", f":{at.front} {{\n\tbind 127.0.0.1")
    return text.replace("health_port 8081", f"health_port {at.ops}").replace(":8080", f":{at.nodes}")


@dataclass(frozen=True)
class Front:
    """A load balancer: its shipped file, how it is checked and started (`FILE` stands for the rendered one)."""

    name: str
    file: str
    render: Callable[[str, Addresses, Path], str]
    check: tuple[str, ...]
    start: tuple[str, ...]
    checks_health: bool
    lost_to_refusal: int  # calls that a node may cost which has just gone

    @property
    def program(self) -> str | None:
        # Debian keeps servers out of an ordinary user's PATH.
        return shutil.which(self.name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

    def write(self, at: Addresses, folder: Path) -> Path:
        target = folder / Path(self.file).name
        target.write_text(self.render((DEPLOY / self.file).read_text(), at, folder))
        return target

    def command(self, arguments: tuple[str, ...], file: Path) -> list[str]:
        return [str(self.program), *(str(file) if word == "FILE" else word for word in arguments)]


_FOREGROUND = ("-e", "stderr", "-g", "daemon off;", "-c", "FILE")
FRONTS = (
    Front("haproxy", "haproxy/haproxy.cfg", _haproxy, ("-c", "-f", "FILE"), ("-db", "-f", "FILE"), True, 0),
    Front("nginx", "nginx/nginx.conf", _nginx, ("-t", "-c", "FILE"), _FOREGROUND, False, 0),
    Front(
        "caddy",
        "caddy/Caddyfile",
        _caddy,
        ("validate", "--adapter", "caddyfile", "--config", "FILE"),
        ("run", "--adapter", "caddyfile", "--config", "FILE"),
        True,
        1,
    ),
)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running(front: Front, nodes: int, ops: int, folder: Path) -> AsyncIterator[str]:
    """The load balancer in front of the nodes; yields its URL."""
    at = Addresses(free_port(), nodes, ops, free_port())
    file = front.write(at, folder)
    log_file = folder / f"{front.name}.log"
    environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with log_file.open("wb") as log:
        command = front.command(front.start, file)
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, env=environment)
    try:
        async with asyncio.timeout(START_S):
            while not await accepts(at.front):
                assert process.returncode is None, log_file.read_text()
                await asyncio.sleep(0.02)
        yield f"http://127.0.0.1:{at.front}"
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()


async def accepts(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
