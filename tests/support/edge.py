"""A real edgeproxy for tests: `serve` as a subprocess on free ports, and what can be seen of it from outside."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self, TypeVar

import pytest
from support.builders import KEY, ConfigBuilder
from support.children import die_with_parent
from support.client import Address, Answer, chat_body, exchange, request_bytes
from support.metrics import Metrics

START_S = 30.0
STOP_S = 15.0
SETTLE_S = 5.0
T = TypeVar("T")
_URL = re.compile(r"http://([0-9.]+):([0-9]+)")


class EdgeFailed(AssertionError):
    """edgeproxy did not start, or did not stop."""


class Edge:
    """A running `edgeproxy serve`. Everything that it writes goes to files in `folder`."""

    def __init__(
        self,
        config: ConfigBuilder,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        python_path: Sequence[Path] = (),
        prefix: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.config = folder / "edgeproxy.yaml"
        self.stdout = folder / "stdout"
        self.stderr = folder / "stderr"
        self.api: Address = ("", 0)
        self.ops: Address = ("", 0)
        self._environ = {"PATH": os.environ["PATH"], "PYTHONPATH": _python_path(python_path), **(environ or {})}
        self._prefix = prefix  # a command that becomes the one that is put after it
        self._fresh_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        config.write(self.config)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def start(self) -> None:
        command = [*self._prefix, sys.executable, "-m", "edgeproxy", "serve", "--config", str(self.config)]
        with self.stdout.open("wb") as out, self.stderr.open("wb") as err:
            self._process = subprocess.Popen(
                command, stdout=out, stderr=err, env=self._environ, cwd=self.folder, preexec_fn=die_with_parent
            )
        deadline = time.monotonic() + START_S
        while not self._announced():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self.stderr.read_text()[-3000:]
                self.stop()
                raise EdgeFailed(f"edgeproxy did not start:\n{said}")
            time.sleep(0.02)

    def _announced(self) -> bool:
        """The API's address comes first, then the ops address."""
        found = _URL.findall(self.stderr.read_text() + self.stdout.read_text())
        if len(found) < 2:
            return False
        self.api, self.ops = ((host, int(port)) for host, port in found[:2])
        return True

    def stop(self) -> int | None:
        """SIGTERM, a bounded wait, and nothing left behind. The exit code."""
        if self._process is None:
            return None
        process, children = self._process, _children(self._process.pid)
        self._process = None
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise EdgeFailed(f"edgeproxy did not stop in {STOP_S:.0f} s") from None
        finally:
            for pid in (process.pid, *children):
                _kill(pid, process.pid)
            process.wait()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """Processes that serve. One more is kept ready, which does not."""
        pid = self._process.pid if self._process else 0
        return [child for child in _children(pid) if _name_of(child).startswith("edge worker")]

    @property
    def worker(self) -> int:
        (worker,) = self.workers()
        return worker

    # calls
    async def chat(
        self,
        model: str,
        *,
        stream: bool = False,
        surface: str = "/v1",
        key: str | None = KEY,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        body = chat_body(model, stream=stream, **more)
        return await exchange(
            self.api, request_bytes(body, key=key, path=f"{surface}/chat/completions", headers=headers)
        )

    async def get(self, path: str, *, ops: bool = False, key: str | None = KEY) -> Answer:
        request = request_bytes(b"", key=key, path=path, method="GET")
        return await exchange(self.ops if ops else self.api, request)

    # what it says about itself
    async def metrics(self) -> Metrics:
        """A fresh page: edgeproxy repeats a page for four times as long as it took to render it."""
        await asyncio.sleep(max(0.0, self._fresh_at - time.monotonic()))
        asked_at = time.monotonic()
        answer = await self.get("/metrics", ops=True, key=None)
        assert answer.status == 200
        self._fresh_at = time.monotonic() + 4.0 * (time.monotonic() - asked_at)
        return Metrics(answer.body.decode())

    def access_lines(self) -> list[dict[str, Any]]:
        *whole, _unfinished = self.stdout.read_text().split("\n")
        lines = (line for line in whole if line.startswith("{"))
        return [entry for line in lines if "generation_id" in (entry := json.loads(line))]

    async def line_of(self, answer_id: str | None) -> dict[str, Any]:
        """The access line of one generation."""
        assert answer_id, "the answer names its generation"
        return await until(lambda: next((e for e in self.access_lines() if e["generation_id"] == answer_id), None))

    # what it holds
    @property
    def descriptors(self) -> int:
        """Open files and sockets of the workers, idle connections among them. Only root may see them: else 0."""
        try:
            return sum(len(os.listdir(f"/proc/{worker}/fd")) for worker in self.workers())
        except PermissionError:
            return 0

    async def returns_to(self, descriptors: int) -> None:
        """5 s later nothing is open that was not open before."""
        deadline = time.monotonic() + SETTLE_S
        while self.descriptors > descriptors:
            if time.monotonic() > deadline:
                raise AssertionError(f"leak: {descriptors} files became {self._open_files()}")
            await asyncio.sleep(0.02)

    async def is_idle(self) -> None:
        """5 s later no call is counted as running."""
        deadline = time.monotonic() + SETTLE_S
        running = ("edgeproxy_requests_in_flight", "edgeproxy_streams_in_flight")
        while counts := [count for name in running if (count := (await self.metrics()).value(name))]:
            assert time.monotonic() < deadline, f"{counts} calls and streams are still counted"

    def _open_files(self) -> list[str]:
        folders = [Path(f"/proc/{worker}/fd") for worker in self.workers()]
        return [os.readlink(entry) for folder in folders for entry in folder.iterdir()]

    def reset_peak_memory(self) -> int:
        """Forget the workers' memory peak; what is resident now, in bytes."""
        try:
            for worker in self.workers():
                Path(f"/proc/{worker}/clear_refs").write_text("5")
        except PermissionError:
            pytest.skip("only root may watch the memory of a hardened process")
        return self._memory("VmRSS")

    def private_memory(self) -> int:
        """Without the table that all processes share, whose pages are counted from their first use on."""
        return self._memory("RssAnon")

    def peak_memory(self) -> int:
        return self._memory("VmHWM")

    def _memory(self, name: str) -> int:
        """Of all workers."""
        pages = [Path(f"/proc/{worker}/status").read_text() for worker in self.workers()]
        lines = [line for page in pages for line in page.splitlines() if line.startswith(name)]
        return sum(int(line.split()[1]) for line in lines) * 1024


async def until(look: Callable[[], T | None], deadline_s: float = SETTLE_S) -> T:
    """What `look` finds, as soon as it finds something."""
    async with asyncio.timeout(deadline_s):
        while (found := look()) is None or found is False:  # noqa: ASYNC110 another process cannot set an event
            await asyncio.sleep(0.01)
        return found


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _name_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def _python_path(before: Sequence[Path]) -> str:
    """The edgeproxy that the tests themselves would import."""
    found = find_spec("edgeproxy")
    assert found is not None
    assert found.submodule_search_locations
    home = Path(found.submodule_search_locations[0]).parent
    return os.pathsep.join(map(str, (*before, home)))


def _kill(pid: int, parent: int) -> None:
    """End `pid` if it is still there and still ours."""
    stat = Path(f"/proc/{pid}/stat")
    try:
        state, ppid = stat.read_text().rpartition(")")[2].split()[:2]
        if state != "Z" and (pid == parent or int(ppid) in (parent, 1)):
            os.kill(pid, signal.SIGKILL)
    except (OSError, ValueError):
        pass
