"""The two compiled tools, from Python: the fake upstream with its control port, and the load client."""

import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[1]
BUILD = BENCHMARKS / "build"


def build() -> None:
    subprocess.run(["make", "--silent", "-C", str(BENCHMARKS / "load")], check=True)


@dataclass(frozen=True)
class Upstream:
    """A running fake provider with one endpoint a port."""

    ports: tuple[int, ...]
    pid: int
    control: socket.socket

    def command(self, line: str) -> dict[str, Any]:
        self.control.sendall(line.encode() + b"\n")
        reply = b""
        while not reply.endswith(b"\n"):
            reply += self.control.recv(65536) or b'{"error": "the upstream is gone"}\n'
        answer: dict[str, Any] = json.loads(reply)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def strike(self, endpoint: int, mode: str, fate: str) -> int:
        """Make an endpoint fail; returns how many streams that had sent an event were open there."""
        return int(self.command(f"mode {endpoint} {mode} {fate}")["committed"])

    def stats(self) -> list[dict[str, int]]:
        return list(self.command("stats")["endpoints"])


@contextmanager
def upstream(endpoints: int = 1) -> Iterator[Upstream]:
    command = [str(BUILD / "upstream"), "--endpoints", str(endpoints)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            said = json.loads(process.stdout.readline())
            with socket.create_connection(("127.0.0.1", said["control"]), 5) as control:
                yield Upstream(tuple(said["ports"]), process.pid, control)
        finally:
            process.terminate()


def client_command(port: int, *options: str | float) -> list[str]:
    return [str(BUILD / "client"), "--port", str(port), *map(str, options)]


def client_result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the load client ended with {process.returncode}")
    result: dict[str, Any] = json.loads(out)
    return result


def client_start(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def failed_calls(result: dict[str, Any]) -> int:
    """Calls that did not end as they should, and connections that broke."""
    outcomes: dict[str, int] = result["outcomes"]
    return int(sum(outcomes.values()) - outcomes["done"] + result["broken"])
