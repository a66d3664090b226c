"""edgeproxy as a row: this checkout, everything on, with either door and any number of workers."""

import hashlib
import sys
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.edgeproxy_config import edgeproxy_config
from benchmarks.harness.gateways import Backend, Program, said_version
from benchmarks.harness.processes import free_port, tree


class Edgeproxy(Program):
    name = "edgeproxy"
    said = "everything on: key check, scoring, breaker, failover, usage, field patching, metrics"

    def __init__(
        self,
        *,
        name: str = "edgeproxy",
        first_event_s: float = 30.0,
        stall_s: float = 60.0,
        workers: str = "1",
        door: str = "express",
        worker_python: Path | None = None,
    ) -> None:
        self.name = name
        self.first_event_s = first_event_s
        self.stall_s = stall_s
        self.ops_port = free_port()
        self.workers = workers
        self.door = door
        self.worker_python = worker_python  # what stands in for Python when a worker is started
        number = "a worker for each core" if workers == "auto" else f"workers: {workers}"
        self.does = f"{door} door, {number}; {self.said}"

    def version(self) -> str | None:
        return said_version([*edgeproxy_command(), "--version"])

    def command(self, backend: Backend, port: int) -> Sequence[str]:
        digests = [hashlib.sha256(key.encode()).hexdigest() for key in backend.keys]
        path = backend.work / "edgeproxy.yaml"
        path.write_text(
            edgeproxy_config(
                port=port,
                ops_port=self.ops_port,
                upstream_urls=backend.upstream_urls(),
                ca_file=backend.ca_file,
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

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops_port}/metrics", timeout=30) as answer:
            return str(answer.read().decode())

    def logs(self, backend: Backend) -> list[Path]:
        return [backend.work / "edgeproxy-access.log"]


def edgeproxy_command(worker_python: Path | None = None) -> list[str]:
    """This checkout's edgeproxy, on the Python that runs the benchmark, installed or not."""
    other = f"sys.executable = {str(worker_python)!r}; " if worker_python else ""
    return [sys.executable, "-c", f"import sys; {other}from edgeproxy.cli.main import main; sys.exit(main())"]


def worker_pids(supervisor: int) -> list[int]:
    """Those that relay, not the one that is kept ready. None for a gateway that is not edgeproxy."""
    return [pid for pid in tree(supervisor)[1:] if name_of(pid).startswith("edge worker")]


def name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""
