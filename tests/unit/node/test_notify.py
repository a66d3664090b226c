"""systemd is told by datagrams, in its own words; where it did not ask, nothing happens."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeproxy.node.notify import Notifier


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(5)
        yield sock


def heard(sock: socket.socket) -> dict[str, str]:
    return dict(line.split("=", 1) for line in sock.recv(4096).decode().splitlines())


def notifier(sock: socket.socket, **more: str) -> Notifier:
    return Notifier({"NOTIFY_SOCKET": sock.getsockname(), **more})


def test_it_is_ready(systemd: socket.socket) -> None:
    notifier(systemd).ready("2 of 2 workers")
    assert heard(systemd) == {"READY": "1", "STATUS": "2 of 2 workers"}


def test_a_reload_says_when_it_began(systemd: socket.socket) -> None:
    before = time.monotonic_ns() // 1000
    notifier(systemd).reloading()
    said = heard(systemd)
    assert said["RELOADING"] == "1"
    assert before <= int(said["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000


def test_a_stop_says_how_long_it_may_take(systemd: socket.socket) -> None:
    notifier(systemd).stopping("draining", 305.0)
    assert heard(systemd) == {"STOPPING": "1", "STATUS": "draining", "EXTEND_TIMEOUT_USEC": "305000000"}


def test_an_abstract_socket_works() -> None:
    name = f"edgeproxy-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0{name}")
        sock.settimeout(5)
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).alive()
        assert heard(sock) == {"WATCHDOG": "1"}


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_the_watchdog_is_heard_only_where_it_asked_for_us(
    systemd: socket.socket, more: dict[str, str], seconds: float
) -> None:
    assert notifier(systemd, **more).watchdog_s == seconds


def test_without_systemd_nothing_happens() -> None:
    quiet = Notifier({"WATCHDOG_USEC": "1000"})
    quiet.ready("")
    assert quiet.watchdog_s == 0.0


def test_a_systemd_that_is_gone_is_no_matter(tmp_path: Path) -> None:
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready("")


def test_children_do_not_inherit_it(monkeypatch: pytest.MonkeyPatch, systemd: socket.socket) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "1000000")
    made = Notifier.from_environment()
    assert (made.watchdog_s, "NOTIFY_SOCKET" in os.environ, "WATCHDOG_USEC" in os.environ) == (1.0, False, False)
