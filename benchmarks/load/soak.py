"""A node under load while things happen to it: workers are killed, the configuration changes, the node is drained.

Every body is compared. `python -m benchmarks.load.soak deaths|reloads|drain`
"""

import argparse
import json
import os
import re
import secrets
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness import tools
from benchmarks.harness.edgeproxy import Edgeproxy, worker_pids
from benchmarks.harness.gateways import Backend, Running

Load = Callable[[], dict[str, Any]]  # runs the client; what it saw
Seen = tuple[dict[str, Any], list[str]]  # figures, problems
IDLE_S = 10.0  # after the load: nothing may be counted as running any more
KNOCK_S = 0.005


@dataclass
class Knocking:
    """Somebody connects again and again; a refusal or a silence is noted."""

    port: int
    knocks: int = 0
    refused: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.wait(KNOCK_S):
            self.knocks += 1
            try:
                socket.create_connection(("127.0.0.1", self.port), 5.0).close()
            except OSError as error:
                self.refused.append(str(error))


@contextmanager
def knocking(port: int) -> Iterator[Knocking]:
    knocker = Knocking(port)
    thread = threading.Thread(target=knocker.run)
    thread.start()
    try:
        yield knocker
    finally:
        knocker.over.set()
        thread.join()


class Node:
    """The gateway, the files that it was made of, and what it says about itself."""

    def __init__(self, row: Edgeproxy, backend: Backend, running: Running) -> None:
        self.row = row
        self.pid = running.pid
        self.port = running.port
        self.config = backend.work / "edgeproxy.yaml"
        self.first = self.config.read_text()

    def reload(self) -> str:
        """What was wrong; nothing when it was applied."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.row.ops_port}/-/reload", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=60):
                return ""
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def sum_of(self, name: str) -> float:
        values = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", self.row.metrics(), re.MULTILINE)
        return sum(map(float, values))

    def is_idle(self) -> bool:
        """No call and no stream is counted as running, before long."""
        until = time.monotonic() + IDLE_S
        while self.sum_of("edgeproxy_requests_in_flight") + self.sum_of("edgeproxy_streams_in_flight"):
            if time.monotonic() > until:
                return False
            time.sleep(0.5)
        return True


def sockets_of(pid: int) -> set[str]:
    """The sockets that a process has open, as /proc names them."""
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.add(os.readlink(entry))
        except OSError:
            continue
    return {link[8:-1] for link in found if link.startswith("socket:[")}


def connections_of(pid: int, port: int) -> int:
    """Client connections that a worker has accepted."""
    own, count = sockets_of(pid), 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        is_ours = int(fields[1].rpartition(":")[2], 16) == port and fields[3] != "0A"
        count += is_ours and fields[9] in own
    return count


def deaths(given: argparse.Namespace, node: Node, load: Load) -> Seen:
    """SIGKILL to one worker after the other. Only calls in flight on the one that dies may fail."""
    over, doomed, back_s = threading.Event(), [0], []

    def kill_on() -> None:
        number = 0
        while not over.wait(given.every):
            pids = sorted(worker_pids(node.pid))
            victim = pids[number % len(pids)]
            number += 1
            os.kill(victim, signal.SIGSTOP)  # so that what it has can be counted
            doomed[0] += connections_of(victim, node.port)
            os.kill(victim, signal.SIGKILL)
            killed_at = time.monotonic()
            while len([pid for pid in worker_pids(node.pid) if pid != victim]) < len(pids):
                time.sleep(0.002)
            back_s.append(time.monotonic() - killed_at)

    killer = threading.Thread(target=kill_on)
    killer.start()
    with knocking(node.port) as knocker:
        result = load()
        over.set()
        killer.join()
    outcomes = result["outcomes"]
    failed = sum(outcomes.values()) - outcomes["done"]
    figures = {
        "kills": len(back_s),
        "calls": result["started"],
        "failed": failed,
        "connections of the killed": doomed[0],
        "back after ms": [round(1e3 * s) for s in sorted(back_s)],
        "knocks": knocker.knocks,
        "knocks refused": len(knocker.refused),
    }
    found = [f"connection: {why}" for why in knocker.refused[:3]]
    if failed > doomed[0]:
        found.append(f"{failed} calls failed, {doomed[0]} were at the workers that were killed")
    if outcomes["wrong"]:
        found.append(f"{outcomes['wrong']} answers were wrong")
    counted = node.sum_of("edgeproxy_requests_total")
    if not outcomes["done"] <= counted <= result["started"] + knocker.knocks + 10:
        found.append(f"{counted:.0f} calls are counted, {result['started']} were made")
    return figures, found


def reloads(given: argparse.Namespace, node: Node, load: Load) -> Seen:
    """Lanes that are in use are removed and come back, others come and go. Nothing may fail."""
    over, done, refused = threading.Event(), [0], []

    def reload_on() -> None:
        while not over.wait(given.every) and done[0] < given.times:
            node.config.write_text(varied(node.first, done[0]))
            if why := node.reload():
                refused.append(why)
            done[0] += 1

    reloader = threading.Thread(target=reload_on)
    reloader.start()
    result = load()
    over.set()
    reloader.join()
    figures = {"reloads": done[0], "refused": len(refused), "calls": result["started"], **result["outcomes"]}
    found = [f"a reload was refused: {why}" for why in refused[:3]]
    if done[0] < given.times:
        found.append(f"only {done[0]} reloads of {given.times} in that time")
    if tools.failed_calls(result):
        found.append(f"{tools.failed_calls(result)} calls failed: {result['first_failure']}")
    return figures, found


def varied(text: str, number: int) -> str:
    """Without one endpoint of every model, and with some models that were not there before."""
    lines = [line for line in text.splitlines() if f"provider: up{number % 3}," not in line]
    at = lines.index("models:") + 1
    for extra in range(5):
        model = f"extra/m{number * 5 + extra}"
        lines[at:at] = [f"  - id: {model}", "    endpoints:", f"      - {{ provider: up0, model: {model[6:]} }}"]
    if number % 3 == 0:  # a provider that only the new models use must stay
        return "\n".join(lines).replace("provider: up0, model: m", "provider: up1, model: m") + "\n"
    return "\n".join(lines) + "\n"


def drain(given: argparse.Namespace, node: Node, load: Load) -> Seen:
    """SIGTERM while all streams run. All of them finish, and none is cut."""
    node.config.write_text(node.first.replace("timeout: 1s", "timeout: 300s"))
    assert not node.reload()

    def stop() -> None:
        os.kill(node.pid, signal.SIGTERM)

    timer = threading.Timer(given.every, stop)
    timer.start()
    result = load()
    timer.join()
    outcomes = result["outcomes"]
    figures = {"streams": result["started"], **outcomes}
    found = []
    if outcomes["done"] != result["started"]:
        found.append(f"{result['started'] - outcomes['done']} streams did not finish: {result['first_failure']}")
    return figures, found


WAYS = {"deaths": deaths, "reloads": reloads, "drain": drain}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load.soak", description=__doc__)
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--seconds", type=float, default=120.0, help="of load")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two things that happen")
    parser.add_argument("--times", type=int, default=300, help="reloads")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--events", type=int, default=40, help="of each stream")
    parser.add_argument("--interval-us", type=int, default=25_000)
    parser.add_argument("--workers", default="2")
    return parser.parse_args()


def client_options(given: argparse.Namespace, backend: Backend) -> list[str]:
    pace = ["--stream", "--events", given.events, "--interval-us", given.interval_us, "--first-us", given.interval_us]
    long = ["--calls", given.connections] if given.way == "drain" else ["--duration", given.seconds]
    return [*backend.client_options(), *map(str, (*pace, "--connections", given.connections, *long))]


def main() -> int:
    given = options()
    tools.build()
    key = f"bench-{secrets.token_hex(24)}"
    with tempfile.TemporaryDirectory(prefix="soak-") as work, tools.upstream(3) as upstream:
        backend = Backend(upstream.ports, 4, (key,), Path(work))
        row = Edgeproxy(workers=given.workers)
        with row.serve(backend) as running:
            node = Node(row, backend, running)
            command = tools.client_command(running.port, *client_options(given, backend))
            figures, found = WAYS[given.way](given, node, lambda: tools.client_result(tools.client_start(command)))
            if given.way != "drain" and not node.is_idle():
                found.append("calls are still counted as running")
    print(json.dumps({given.way: figures}))
    for problem in found:
        print(f"error: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
