"""The rows of a comparison: each knows how to start one gateway in front of the same upstream.

A row that is not installed is left out of the table; it never makes a run fail.
"""

import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmarks.harness.processes import accepts, free_port, running, wait_for
from benchmarks.harness.tools import BENCHMARKS, client_command, client_result, client_start

TEMPLATES = BENCHMARKS / "versus"


@dataclass(frozen=True)
class Backend:
    """What stands behind every gateway, and what its clients may say."""

    ports: tuple[int, ...]  # a port an endpoint; every model is served by all of them
    models: int
    keys: tuple[str, ...]
    work: Path  # a directory of this run: configurations, logs
    ca_file: Path | None = None  # the upstream speaks TLS, and this says who it is

    def upstream_urls(self) -> list[str]:
        """Without a path."""
        return [f"https://localhost:{p}" if self.ca_file else f"http://127.0.0.1:{p}" for p in self.ports]

    def client_options(self) -> list[str]:
        """The same for every row: one that checks no key is sent one all the same.

        Several rows drop `user`, so what the upstream is to do is said in a message.
        """
        path = self.work / "keys"
        path.write_text("\n".join(self.keys) + "\n")
        return ["--script-message", "--model", "bench/m%u", "--models", str(self.models), "--keys", str(path)]


@dataclass(frozen=True)
class Running:
    port: int
    pid: int  # 0: there is no process to measure
    client_options: tuple[str, ...] = ()  # what its clients must say differently
    started_s: float = 0.0  # from its start to the first call that it served


class Gateway(ABC):
    name: str
    does: str  # and does not: a figure without this says nothing

    @abstractmethod
    def version(self) -> str | None:
        """None when it is not installed."""

    def missing(self) -> str:
        """Why there is no row, when it has no version."""
        return "not installed"

    def metrics(self) -> str:
        """What it tells Prometheus, if it does."""
        return ""

    def logs(self, backend: Backend) -> list[Path]:
        """Where it tells of calls."""
        return [backend.work / f"{self.name}.log"]

    @abstractmethod
    def serve(self, backend: Backend) -> AbstractContextManager[Running]:
        """It runs while the block does."""


class Program(Gateway):
    """A gateway that is a program with a configuration file."""

    start_limit_s = 120.0
    environment: ClassVar[Mapping[str, str]] = {}
    client_options: tuple[str, ...] = ()

    @abstractmethod
    def command(self, backend: Backend, port: int) -> Sequence[str]:
        """Write its configuration to `backend.work` and say how to run it."""

    def is_ready(self) -> bool:
        """Asked once its port accepts."""
        return True

    def listens_on(self, backend: Backend, port: int) -> int:
        """The port, for one that chooses its own: 0 until it is known."""
        return port

    @contextmanager
    def serve(self, backend: Backend) -> Iterator[Running]:
        port = free_port()
        log = backend.work / f"{self.name}.log"
        command = self.command(backend, port)
        began = time.monotonic()
        with running(command, log, cwd=BENCHMARKS.parent, env={**os.environ, **self.environment}) as process:
            try:
                wait_for(lambda: self.listens_on(backend, port) > 0, self.name, process, self.start_limit_s)
                port = self.listens_on(backend, port)
                wait_for(lambda: accepts(port) and self.is_ready(), self.name, process, self.start_limit_s)
                options = (*backend.client_options(), *self.client_options)
                wait_for(lambda: serves(port, options), f"a call to {self.name}", process, self.start_limit_s)
            except RuntimeError as error:
                raise RuntimeError(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from None
            yield Running(port, process.pid, self.client_options, time.monotonic() - began)


def serves(port: int, options: Sequence[str]) -> bool:
    """One call, and its whole answer is as it must be."""
    client = client_start(client_command(port, *options, "--calls", 1, "--connections", 1, "--drain", 5))
    return bool(client_result(client)["outcomes"]["done"] == 1)


class Direct(Gateway):
    name = "direct"
    does = "no gateway: the client talks to the upstream"

    def version(self) -> str:
        return "-"

    @contextmanager
    def serve(self, backend: Backend) -> Iterator[Running]:
        yield Running(backend.ports[0], 0)


NGINX_TLS = """\
proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {ca_file};
            proxy_ssl_name localhost;
            proxy_ssl_server_name on;
            proxy_ssl_session_reuse on;"""


class Nginx(Program):
    name = "nginx"
    does = "relays bytes, access log; no key check, parsing, routing by model, failover by content or accounting"

    def version(self) -> str | None:
        return said_version(["nginx", "-v"]) if shutil.which("nginx") else None

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        servers = "\n".join(f"        server 127.0.0.1:{p};" for p in backend.ports)
        config = fill(
            TEMPLATES / "nginx.conf",
            WORK=str(backend.work),
            PORT=str(port),
            SERVERS=servers,
            SCHEME="https" if backend.ca_file else "http",
            TLS=NGINX_TLS.format(ca_file=backend.ca_file) if backend.ca_file else "",
        )
        path = backend.work / "nginx.conf"
        path.write_text(config)
        return ["nginx", "-c", str(path), "-p", str(backend.work), "-e", str(backend.work / "nginx-error.log")]

    def logs(self, backend: Backend) -> list[Path]:
        return [backend.work / "nginx-access.log"]


class Haproxy(Program):
    name = "haproxy"
    does = "as nginx, log line to a file by stdout"

    def version(self) -> str | None:
        return said_version(["haproxy", "-v"]) if shutil.which("haproxy") else None

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        servers = "\n".join(f"    server s{p} 127.0.0.1:{p}" for p in backend.ports)
        path = backend.work / "haproxy.cfg"
        path.write_text(fill(TEMPLATES / "haproxy.cfg", PORT=str(port), SERVERS=servers))
        return ["haproxy", "-f", str(path)]


def said_version(command: Sequence[str]) -> str | None:
    run = subprocess.run(command, capture_output=True, text=True, cwd=BENCHMARKS.parent, check=False)
    said = (run.stdout + run.stderr).strip().splitlines()
    return said[0][:60] if run.returncode == 0 and said else None


def fill(template: Path, **values: str) -> str:
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
