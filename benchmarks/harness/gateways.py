"""The rows of a comparison: each knows how to start one gateway in front of the same upstream.

A row that is not installed is left out of the table; it never makes a run fail.
"""

import hashlib
import shutil
import subprocess
import sys
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.edgeproxy_config import edgeproxy_config
from benchmarks.harness.processes import accepts, free_port, running, wait_for
from benchmarks.harness.tools import BENCHMARKS

TEMPLATES = BENCHMARKS / "versus"


@dataclass(frozen=True)
class Backend:
    """What stands behind every gateway, and what its clients may say."""

    ports: tuple[int, ...]  # a port an endpoint; every model is served by all of them
    models: int
    keys: tuple[str, ...]
    work: Path  # a directory of this run: configurations, logs

    def client_options(self) -> list[str]:
        """The same bytes for every row: one that checks no key is sent one all the same."""
        path = self.work / "keys"
        path.write_text("\n".join(self.keys) + "\n")
        return ["--model", "bench/m%u", "--models", str(self.models), "--keys", str(path)]


@dataclass(frozen=True)
class Running:
    port: int
    pid: int  # 0: there is no process to measure


class Gateway(ABC):
    name: str
    does: str  # and does not: a figure without this says nothing

    @abstractmethod
    def version(self) -> str | None:
        """None when it is not installed."""

    @abstractmethod
    def serve(self, backend: Backend, prefix: Sequence[str] = ()) -> AbstractContextManager[Running]:
        """It runs while the block does. `prefix` goes before its command: taskset, perf."""


class Program(Gateway):
    """A gateway that is a program with a configuration file."""

    start_limit_s = 120.0

    @abstractmethod
    def command(self, backend: Backend, port: int) -> Sequence[str]:
        """Write its configuration to `backend.work` and say how to run it."""

    def is_ready(self) -> bool:
        """Asked once its port accepts."""
        return True

    @contextmanager
    def serve(self, backend: Backend, prefix: Sequence[str] = ()) -> Iterator[Running]:
        port = free_port()
        log = backend.work / f"{self.name}.log"
        command = [*prefix, *self.command(backend, port)]
        with running(command, log, cwd=BENCHMARKS.parent) as process:
            try:
                wait_for(lambda: accepts(port) and self.is_ready(), self.name, process, self.start_limit_s)
            except RuntimeError as error:
                raise RuntimeError(f"{error}\n{log.read_text(errors='replace')[-2000:]}") from None
            yield Running(port, process.pid)


class Direct(Gateway):
    name = "direct"
    does = "no gateway: the client talks to the upstream"

    def version(self) -> str:
        return "-"

    @contextmanager
    def serve(self, backend: Backend, prefix: Sequence[str] = ()) -> Iterator[Running]:
        yield Running(backend.ports[0], 0)


class Nginx(Program):
    name = "nginx"
    does = "relays bytes, access log; no key check, parsing, routing by model, failover by content or accounting"

    def version(self) -> str | None:
        return said_version(["nginx", "-v"]) if shutil.which("nginx") else None

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        servers = "\n".join(f"        server 127.0.0.1:{p};" for p in backend.ports)
        config = fill(TEMPLATES / "nginx.conf", WORK=str(backend.work), PORT=str(port), SERVERS=servers)
        path = backend.work / "nginx.conf"
        path.write_text(config)
        return ["nginx", "-c", str(path), "-p", str(backend.work), "-e", str(backend.work / "nginx-error.log")]


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


class Edgeproxy(Program):
    name = "edgeproxy"
    does = "all that exists: key check, decode, scoring, breaker, failover, usage, field patching, metrics, access log"

    def __init__(
        self,
        first_event_s: float = 30.0,
        stall_s: float = 60.0,
        ops_port: int = 0,
        workers: str = "1",
        door: str = "aiohttp",
        worker_python: Path | None = None,
    ) -> None:
        self.first_event_s = first_event_s
        self.stall_s = stall_s
        self.ops_port = ops_port or free_port()
        self.workers = workers
        self.door = door
        self.worker_python = worker_python  # what stands in for Python when a worker is started

    def version(self) -> str | None:
        return said_version([*edgeproxy_command(), "--version"])

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        digests = [hashlib.sha256(key.encode()).hexdigest() for key in backend.keys]
        path = backend.work / "edgeproxy.yaml"
        path.write_text(
            edgeproxy_config(
                port=port,
                ops_port=self.ops_port,
                upstream_ports=backend.ports,
                models=[f"bench/m{i}" for i in range(backend.models)],
                key_digests=digests,
                workers=self.workers,
                door=self.door,
                access_log=backend.work / "edgeproxy-access.log",
                first_event_s=self.first_event_s,
                stall_s=self.stall_s,
            )
        )
        return [*edgeproxy_command(self.worker_python), "serve", "--config", str(path)]

    def is_ready(self) -> bool:
        """All of its workers serve: a port that accepts says only that the supervisor listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}/readyz", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


ROWS: tuple[type[Gateway], ...] = (Direct, Nginx, Haproxy, Edgeproxy)


def edgeproxy_command(worker_python: Path | None = None) -> list[str]:
    """This checkout's edgeproxy, on the Python that runs the benchmark, installed or not."""
    other = f"sys.executable = {str(worker_python)!r}; " if worker_python else ""
    return [sys.executable, "-c", f"import sys; {other}from edgeproxy.cli.main import main; sys.exit(main())"]


def said_version(command: Sequence[str]) -> str | None:
    run = subprocess.run(command, capture_output=True, text=True, cwd=BENCHMARKS.parent, check=False)
    said = (run.stdout + run.stderr).strip().splitlines()
    return said[0][:60] if run.returncode == 0 and said else None


def fill(template: Path, **values: str) -> str:
    text = template.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
